"""Each way to depart from the plan is found, and only blocking ones keep events out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dbt.conftest import Project, event_row

ORDER = {"order_id": "o-1", "total": 10, "currency": "EUR"}

# message id: (event, properties, [(property, violation, found value)])
CASES: dict[str, tuple[str, dict[str, Any] | None, list[tuple[Any, ...]]]] = {
    "right": ("Order Completed", ORDER | {"coupon": None, "products": []}, []),
    "missing": (
        "Order Completed",
        {"order_id": "o-1", "currency": None},
        [("currency", "required_missing", None), ("total", "required_missing", None)],
    ),
    "empty": ("Signed Up", None, [("method", "required_missing", None)]),
    "text for number": (
        "Order Completed",
        ORDER | {"total": "10"},
        [("total", "type_mismatch", "10")],
    ),
    "too large": (
        "Order Completed",
        ORDER | {"total": 1e12},
        [("total", "type_mismatch", "1000000000000.0")],
    ),
    "not an array": (
        "Order Completed",
        ORDER | {"products": "none"},
        [("products", "type_mismatch", "none")],
    ),
    "negative": ("Order Completed", ORDER | {"total": -1}, [("total", "range", "-1")]),
    "lower case": (
        "Order Completed",
        ORDER | {"currency": "eur"},
        [("currency", "pattern", "eur")],
    ),
    "other method": ("Signed Up", {"method": "fax"}, [("method", "enum", "fax")]),
    "more": (
        "Signed Up",
        {"method": "email", 'it\'s "new"': 1},
        [('it\'s "new"', "unplanned_property", "1")],
    ),
    "other event": ("signed up", {}, [(None, "unplanned_event", None)]),
}
LET_THROUGH = {"right", "more"}


@pytest.fixture(scope="module")
def built(project: Project) -> Project:
    project.land(
        [
            event_row(message_id=message_id, event=event, properties=properties)
            for message_id, (event, properties, _) in CASES.items()
        ]
        # The same id from another source is another event, and this one is right.
        + [
            event_row(
                message_id="missing",
                source_id="app",
                event="Order Completed",
                properties=ORDER,
            )
        ],
        segment="s1",
    )
    project.dbt("run", "--select", "+order_completed", "+signed_up")
    return project


@pytest.mark.parametrize("message_id", CASES)
def test_violations(built: Project, message_id: str) -> None:
    found = built.query(
        f"""
        select property, violation, found_value from staging.event_violations
        where message_id = '{message_id}' and source_id = 'shop' order by property
        """  # noqa: S608 -- the ids are those above
    )
    assert found == CASES[message_id][2]


def test_event_models_hold_what_does_not_block(built: Project) -> None:
    modelled = built.query(
        """
        select source_id, message_id from events.order_completed
        union all
        select source_id, message_id from events.signed_up
        order by all
        """
    )
    assert modelled == [
        ("app", "missing"),
        *(("shop", message_id) for message_id in sorted(LET_THROUGH)),
    ]


def test_blocked_events_stay_stored(built: Project) -> None:
    assert built.query("select count(*) from staging.stg_events") == [(len(CASES) + 1,)]
    assert built.query(
        "select count(*) from events.events where profile_id is null"
    ) == [(0,)]


def test_typed_properties(built: Project) -> None:
    assert built.query(
        """
        select order_id, cast(total as varchar), currency, coupon, products
        from events.order_completed where message_id = 'right'
        """
    ) == [("o-1", "10.00", "EUR", None, "[]")]
