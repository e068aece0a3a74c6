"""Each way in which an event departs from the plan, and how the edge follows the plan.

That the verdict is the warehouse's is shown in `tests/dbt/test_plan_verdicts.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.live_plan import LivePlan
from collector.plan_check import PlanCheck
from collector.validate import Event
from tests.plans import Node, model, plan_of, planned, write_manifest
from tests.raw import read_raw
from tests.servers import request, running_collector

PAID = {
    "order_id": {"type": "string", "required": True, "pattern": "^o-"},
    "total": {"type": "number", "minimum": 0},
    "method": {"enum": ["card", "cash"]},
    "email": {"format": "email"},
    "address": {
        "type": "object",
        "required": ["city"],
        "properties": {"city": {"type": "string"}, "zip": {"type": ["string", "null"]}},
    },
    "products": {"items": {"type": "object", "properties": {"price": {"minimum": 1}}}},
}


def event(properties: dict[str, Any] | None = None, **fields: Any) -> Event:
    """A stored track event."""
    known: dict[str, Any] = {
        "type": "track",
        "event": "Paid",
        "properties": properties,
        **fields,
    }
    return Event("events", "m", known.pop("type"), 1, 1, "shop", [], **known)


def found(
    directory: Path, node: Node, sent: Event, *more: Node
) -> dict[str | None, str]:
    """The violations of an event, by path."""
    return dict(PlanCheck(plan_of(directory, node, *more)).violations(sent))


@pytest.mark.parametrize(
    ("properties", "violations"),
    [
        ({"order_id": "o-1", "total": 12, "method": None}, {}),
        ({"order_id": None}, {"order_id": "required_missing"}),
        (None, {"order_id": "required_missing"}),
        ({"order_id": 1}, {"order_id": "type_mismatch"}),
        ({"order_id": "1"}, {"order_id": "pattern"}),
        ({"total": True}, {"total": "type_mismatch"}),
        ({"total": -0.5}, {"total": "range"}),
        ({"method": "fax"}, {"method": "enum"}),
        ({"email": "a@b"}, {"email": "format"}),
        ({"tip": 1, "none": None}, {"tip": "unplanned_property"}),
        ({"address": {"zip": None}}, {"address.city": "required_missing"}),
        (
            {"address": {"city": "Rome", "street": "x"}},
            {"address.street": "unplanned_property"},
        ),
        ({"address": []}, {"address": "type_mismatch"}),
        ({"products": [{"price": 2}, {"price": 0}]}, {"products[].price": "range"}),
        ({"products": [5, None]}, {"products[]": "type_mismatch"}),
    ],
)
def test_a_property_counts_with_the_first_rule_it_breaks(
    tmp_path: Path, properties: dict[str, Any] | None, violations: dict[str, str]
) -> None:
    given = None if properties is None else {"order_id": "o-1"} | properties
    assert found(tmp_path, planned(properties=PAID), event(given)) == violations


def test_other_calls_than_track_need_no_plan(tmp_path: Path) -> None:
    node = planned(properties=PAID)
    assert found(tmp_path, node, event(event="paid")) == {None: "unplanned_event"}
    assert found(tmp_path, node, event(type="page", event=None)) == {}


def test_traits_are_planned_for_identify(tmp_path: Path) -> None:
    node = model(
        "identified",
        {"event": "identify", "type": "identify"},
        {"plan": ("varchar", {"property": "plan", "enum": ["free", "pro"]})},
    )
    sent = event({"plan": 1}, type="identify", event=None, traits={"plan": "gold"})
    assert found(tmp_path, node, sent) == {"plan": "enum"}


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        *((version, "unplanned_property") for version in (2, 2.0)),
        *((version, None) for version in (1, 3, None, "2", True, [2])),
    ],
)
def test_an_event_says_its_version_else_the_oldest_counts(
    tmp_path: Path, version: Any, kind: str | None
) -> None:
    second = model("paid_2", {"event": "Paid", "version": 2})
    sent = event({"a": 1}, context={"protocols": {"event_version": version}})
    violations = found(tmp_path, planned(properties={"a": {}}), sent, second)
    assert violations.get("a") == kind


def test_old_names_count_as_those_of_today(tmp_path: Path) -> None:
    node = planned(
        properties={"total": {"type": "number"}, "tax": {}},
        renames={"amount": "total", "vat": "tax"},
        event_aliases=["Payed"],
    )
    sent = event({"amount": "1", "vat": 1, "tax": None}, event="Payed")
    assert found(tmp_path, node, sent) == {"total": "type_mismatch"}
    both = event({"amount": 1, "total": 2})
    assert found(tmp_path, node, both) == {"amount": "unplanned_property"}


def test_common_rules_are_of_every_event(tmp_path: Path) -> None:
    common = {
        "context.library.name": {"required": True, "enum": ["js"]},
        "userId": {"required": True},
    }
    node = model("events", {"common": common})
    assert found(tmp_path, node, event(type="page", event=None, user_id="u")) == {
        "context.library.name": "required_missing"
    }
    library = {"library": {"name": "ios"}, "page": {}}
    assert found(tmp_path, node, event(context=library)) == {
        None: "unplanned_event",
        "context.library.name": "enum",
        "userId": "required_missing",
    }


def test_a_broken_manifest_keeps_the_last_good_plan(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    live = LivePlan(file)
    assert (live.refresh(), live.current) == (True, None)
    assert "cannot be read" in str(live.problem)
    write_manifest(file, planned())
    assert (live.refresh(), live.problem) == (True, None)
    good = live.current
    assert (live.refresh(), good is None) == (False, False)
    for broken in (
        "",
        "[]",
        '{"nodes": []}',
        '{"nodes": {"a": {"resource_type": "model"}}}',
    ):
        file.write_text(broken)
        assert live.refresh()
        assert "is no manifest" in str(live.problem)
    write_manifest(file, planned(typo=1))
    assert live.refresh()
    assert "unknown word 'typo'" in str(live.problem)
    assert live.current is good


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing changed"
        time.sleep(0.05)


def test_the_collector_flags_what_it_stores_and_refuses_nothing(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "manifest.json", planned(properties=PAID))
    data_dir = tmp_path / "data"
    with running_collector(data_dir, environ={"KITH_PLAN": str(file)}) as collector:

        def send(message_id: str, properties: dict[str, Any]) -> None:
            sent = {"messageId": message_id, "userId": "u", "event": "Paid"}
            answer = collector.post("/v1/track", sent | {"properties": properties})
            assert answer.status == 200

        def plan_problem() -> str:
            return str(request(f"{collector.url}/ready").body.get("plan"))

        send("good", {"order_id": "o-1"})
        send("bad", {"total": "x", "method": "fax", "email": 0, "tip": 1, "": 2})
        file.write_text("{")
        wait_until(lambda: "is no manifest" in plan_problem())
        send("meanwhile", {"order_id": "x"})
        write_manifest(file, planned("Shipped"))
        wait_until(lambda: plan_problem() == "None")
        send("later", {})
    flags = {
        row["message_id"]: row["flags"] for row in read_raw(data_dir / "raw", "events")
    }
    assert flags == {
        "good": [],
        "bad": [
            "plan:enum",
            "plan:format",
            "plan:required_missing",
            "plan:type_mismatch",
            "plan:unplanned_property",
        ],
        "meanwhile": ["plan:pattern"],
        "later": ["plan:unplanned_event"],
    }
