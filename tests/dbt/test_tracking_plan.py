"""Each way to depart from the plan is found, and only blocking ones keep events out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.conftest import Project, event_row, invoke_dbt, parsed

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
    "lines of an order": (
        "Order Completed",
        ORDER | {"products": [{"product_id": "p", "quantity": 0}, {"price": 1}]},
        [
            ("products[].product_id", "required_missing", None),
            ("products[].quantity", "range", "0"),
        ],
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


SHIPPED = {
    "address": {
        "type": "object",
        "required": ["city"],
        "properties": {
            "city": {"type": "string"},
            "geo": {"type": "object", "properties": {"lat": {"type": "number"}}},
        },
    },
    "products": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "required": True},
                "price": {"type": "number", "minimum": 0},
            },
        },
    },
    "shipped_at": {"type": "string", "format": "date-time"},
    "note": {"type": ["string", "null"], "required": True},
}

# model: what its yml says. The models stand in for any others.
PLAN: dict[str, dict[str, Any]] = {
    "order_completed": {
        "event": "Order Shipped",
        "event_aliases": ["Order Sent", "order_sent"],
        "renames": {"Address": "address"},
        "enforcement": {"range": "omit", "format": "allow"},
        "properties": SHIPPED,
    },
    "order_refunded": {
        "event": "Order Shipped",
        "version": 2,
        "properties": {"parcel.code": {"pattern": "^P", "required": True}},
    },
    "page_viewed": {
        "event": "identify",
        "type": "identify",
        "properties": {
            "email": {"format": "email", "pii": True},
            "home": {"type": "object", "properties": {"phone": {"pii": True}}},
        },
    },
    "events": {
        "common": {
            "context.library.name": {"enum": ["js", "python"], "required": True},
            "channel": {"type": "string"},
        }
    },
}

RIGHT = {"context": {"library": {"name": "js"}}}
VERSION_2 = {"context": {"library": {"name": "js"}, "protocols": {"event_version": 2}}}
VERSION_9 = {"context": {"library": {"name": "js"}, "protocols": {"event_version": 9}}}
ORDER_SHIPPED = {"event": "Order Shipped", "properties": {"note": "x"}, **RIGHT}

# message id: (event, [(version, scope, property, violation, found value, action)])
DEEP_CASES: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]]]] = {
    "right": (
        ORDER_SHIPPED
        | {
            "properties": {
                "address": {"city": "Wien", "geo": {"lat": 48.2}},
                "products": [{"id": "p-1", "price": 1}, {"id": "p-2"}],
                "shipped_at": "2026-11-01T10:00:00Z",
                "note": None,
            }
        },
        [],
    ),
    "inside an object": (
        ORDER_SHIPPED
        | {"properties": {"address": {"geo": {"lat": "N"}, "zip": 1}, "note": "x"}},
        [
            (1, "properties", "address.city", "required_missing", None, "quarantine"),
            (1, "properties", "address.geo.lat", "type_mismatch", "N", "quarantine"),
            (1, "properties", "address.zip", "unplanned_property", "1", "allow"),
        ],
    ),
    "inside an array": (
        ORDER_SHIPPED
        | {"properties": {"products": [{"id": "p"}, {"price": -1}], "note": "x"}},
        [
            (1, "properties", "products[].id", "required_missing", None, "quarantine"),
            (1, "properties", "products[].price", "range", "-1", "omit"),
        ],
    ),
    "no array": (
        ORDER_SHIPPED | {"properties": {"products": {"id": 1}, "note": "x"}},
        [
            (
                *(1, "properties", "products", "type_mismatch"),
                *('{"id":1}', "quarantine"),
            )
        ],
    ),
    "no moment": (
        ORDER_SHIPPED | {"properties": {"shipped_at": "2026-02-30", "note": "x"}},
        [(1, "properties", "shipped_at", "format", "2026-02-30", "allow")],
    ),
    "null is not absent": (
        ORDER_SHIPPED | {"properties": {"shipped_at": None}},
        [(1, "properties", "note", "required_missing", None, "quarantine")],
    ),
    "older name": (
        {
            "event": "order_sent",
            "properties": {"Address": {"city": 1}, "note": "x"},
            **RIGHT,
        },
        [(1, "properties", "address.city", "type_mismatch", "1", "quarantine")],
    ),
    "newer version": (
        {"event": "Order Sent", "properties": {"parcel": {"code": "Q"}}, **VERSION_2},
        [(2, "properties", "parcel.code", "pattern", "Q", "quarantine")],
    ),
    "unknown version": (
        {"event": "Order Shipped", "properties": {"note": 5}, **VERSION_9},
        [(1, "properties", "note", "type_mismatch", "5", "quarantine")],
    ),
    "personal": (
        {
            "type": "identify",
            "user_id": "ada",
            "traits": {"email": "ada", "home": "0664"},
            **RIGHT,
        },
        [
            (1, "traits", "email", "format", "[masked]", "quarantine"),
            (1, "traits", "home", "type_mismatch", "[masked]", "quarantine"),
        ],
    ),
    "every event": (
        {"context": {"library": {"name": "go"}}, "extra": {"channel": 7}},
        [
            (None, "event", "channel", "type_mismatch", "7", "quarantine"),
            (None, "event", "context.library.name", "enum", "go", "quarantine"),
        ],
    ),
    "without context": (
        {"event": "Left"},
        [
            (
                *(None, "event", "context.library.name", "required_missing"),
                *(None, "quarantine"),
            ),
            (None, None, None, "unplanned_event", None, "allow"),
        ],
    ),
}


def planned(plan: dict[str, dict[str, Any]]) -> Any:
    """The project, as if the models' yml said `plan` and nothing else of events."""
    manifest = parsed(()).deepcopy()
    for node in manifest.nodes.values():
        if node.resource_type == "model":
            node.config.meta = plan.get(node.name, {})
            for column in node.columns.values():
                column.config.meta = {}
    manifest.build_flat_graph()
    return manifest


@pytest.fixture(scope="module")
def deeply_built(make_project: Callable[[], Project]) -> Project:
    project = make_project()
    project.land(
        [
            event_row(message_id=message_id, **event)
            for message_id, (event, _) in DEEP_CASES.items()
        ],
        segment="s1",
    )
    result = invoke_dbt("run", "--select", "+event_violations", manifest=planned(PLAN))
    assert result.success, result.exception
    return project


@pytest.mark.parametrize("message_id", DEEP_CASES)
def test_deep_violations(deeply_built: Project, message_id: str) -> None:
    found = deeply_built.query(
        f"""
        select version, scope, property, violation, found_value, action
        from staging.event_violations
        where message_id = '{message_id}' order by property nulls last
        """  # noqa: S608 -- the ids are those above
    )
    assert found == DEEP_CASES[message_id][1]


def test_a_mended_plan_mends_the_past(deeply_built: Project) -> None:
    mended = {**PLAN, "order_completed": {**PLAN["order_completed"]}}
    mended["order_completed"]["properties"] = {
        "address": {"type": "object"},
        "note": {"type": ["string", "null"]},
        "shipped_at": {"type": "string"},
        "products": {},
    }
    result = invoke_dbt(
        "run",
        "--select",
        "renamed_events",
        "event_violations",
        manifest=planned(mended),
    )
    assert result.success, result.exception
    assert deeply_built.query(
        """
        select message_id, property from staging.event_violations
        where event = 'Order Shipped' and version = 1 order by all
        """
    ) == [("unknown version", "note")]


def test_a_plan_that_cannot_be_is_refused(
    make_project: Callable[[], Project],
) -> None:
    """With all that is wrong; `kith check` says the same with its lines."""
    make_project().land([], segment="s1")
    plan: dict[str, dict[str, Any]] = {
        "signed_up": {
            "event": "Order Shipped",
            "colour": "red",
            "enforcement": {"required_missing": "omit", "colour": "allow"},
            "properties": {
                "a": {"type": "text", "items": {"size": 1}},
                "b": {"format": "phone", "properties": {"c": "string"}},
            },
        },
        "signed_in": {"event": "Order Shipped"},
    }
    result = invoke_dbt("run", "--select", "renamed_events", manifest=planned(plan))
    assert not result.success
    run: Any = result.result
    message = run.results[0].message
    for part in (
        "signed_up.yml: config.meta: unknown word 'colour'",
        "enforcement: required_missing cannot be 'omit'. Actions: allow, quarantine.",
        "enforcement: unknown word 'colour'",
        "property a: type 'text' is none of JSON",
        "property a[]: unknown word 'size'",
        "property b: unknown format 'phone'",
        "property b.c: string is no rule",
        "Order Shipped in version 1 is planned by models/events/signed_",
    ):
        assert part in message
