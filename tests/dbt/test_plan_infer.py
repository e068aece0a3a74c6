"""A plan inferred from the demo's events: dbt builds it, and none of them breaks it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.cli.main import dbtRunner

from collector.plan import Plan, Rule, load_plan
from orchestration.demo.shop import Shop
from orchestration.plans.infer import duration, infer, look_at, stored_events
from orchestration.plans.pairs import pairs
from orchestration.plans.writing import changes, write
from tests.dbt.conftest import PROJECT_DIR, Project, event_row

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Checkout:
    """A copy of the dbt project that the test may write to."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.dir = folder
        self.manifest = data_dir / "dbt" / "target" / "manifest.json"
        ignored = shutil.ignore_patterns("logs", "target")
        shutil.copytree(PROJECT_DIR, folder, ignore=ignored)

    def dbt(self, *arguments: str) -> None:
        """Run dbt there; a failure fails the test with what failed."""
        place = ["--project-dir", str(self.dir), "--profiles-dir", str(self.dir)]
        quietly = ["--log-level-file", "none", "--quiet"]
        result = dbtRunner().invoke([*arguments, *place, *quietly])
        failed = [
            f"{node.node.name}: {node.message}"
            for node in getattr(result.result, "results", [])
            if node.status not in ("success", "pass")
        ]
        assert result.success, "\n".join(failed) or result.exception

    def plan(self) -> Plan:
        """The plan as it stands there."""
        return load_plan(self.manifest)


def demo_rows() -> list[dict[str, Any]]:
    """What the collector stores of the demo's calls, and of a newer version of one."""
    rows = []
    for call in Shop(now=NOW).play():
        given = dict(call.arguments)
        at = given.pop("timestamp")
        if call.method == "track" and (
            not given["event"] or "nested" in given["properties"]
        ):
            continue  # refused at the door
        given |= {"type": call.method, "timestamp": at, "received_at": at}
        rows.append(event_row(**given))
    context = {"protocols": {"event_version": 2}}
    properties = {
        "kind": "fax",
        "at": "2026-11-19T10:00:00Z",
        "from": {"street": "Elm 1", "zip": 8010},
        "tags": ["a", None],
        "select": 2**70,
        "a.b": 1,
        "it's": True,
        "void": None,
    }
    rows += [
        event_row(
            event="Signed In",
            message_id=f"newer-{number}",
            context=context,
            properties=properties | ({"late": 0.5} if number else {}),
            received_at=NOW,
        )
        for number in range(12)
    ]
    return rows


@pytest.fixture(scope="module")
def planned(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Checkout]:
    """The demo's events, and a project whose event models are inferred from them."""
    project = make_project()
    rows = demo_rows()
    project.land(rows, segment="demo")
    checkout = Checkout(tmp_path_factory.mktemp("checkout") / "dbt", project.data_dir)
    events = infer(look_at(rows), Plan(), models=("events",), planned_too=False)
    write(changes(pairs(events, Plan()), project_dir=checkout.dir), force=True)
    models = ("+path:models/events", "+event_violations")
    # Other models' own tests are run elsewhere.
    without = ("--exclude-resource-types", "test", "unit_test")
    checkout.dbt("build", "--select", *models, *without)
    return project, checkout


def test_no_event_breaks_the_plan_inferred_from_it(
    planned: tuple[Project, Checkout],
) -> None:
    project, checkout = planned
    broken = project.query(
        "select event, property, violation, any_value(found_value), count(*) "
        "from staging.event_violations group by all"
    )
    # A name with a dot would lead into an object, so it cannot be planned.
    dotted = [row for row in broken if row[1] == "a.b"]
    assert [row for row in broken if row not in dotted] == []
    stored, flowing = project.query(
        "select (select count(*) from staging.stg_events), count(*) from events.events"
    )[0]
    assert stored == flowing
    assert stored > 4_000
    events = {(event.name, event.version) for event in checkout.plan().events}
    assert {("Cart Exploded", 1), ("identify", 1), ("Signed In", 2)} <= events


def test_the_plan_says_what_was_seen(planned: tuple[Project, Checkout]) -> None:
    plan = planned[1].plan()
    by_name = {(event.name, event.version): event for event in plan.events}
    viewed = by_name["Product Viewed", 1]
    assert viewed.properties["price"].types == ("number",)
    assert viewed.properties["price"].required
    assert viewed.properties["category"].enum == ("Boots", "Lamps", "Maps", "Tents")
    line = by_name["Order Completed", 1].properties["products"].items
    assert line is not None
    assert {name: rule.types for name, rule in line.properties.items()} == {
        "name": ("string",),
        "price": ("number",),
        "product_id": ("string",),
        "quantity": ("integer",),
    }
    email = by_name["identify", 1].properties["email"]
    assert (email.format, email.pii, email.required) == ("email", True, False)


def test_awkward_properties_have_a_place(planned: tuple[Project, Checkout]) -> None:
    project, checkout = planned
    [first, newer] = checkout.plan().versions("track", "Signed In")
    assert first.model == "signed_in"
    assert newer.model == "signed_in_v2"
    assert newer.columns == {
        "at": "property_at",
        "from": "property_from",
        "kind": "kind",
        "late": "late",
        "select": "property_select",
        "tags": "tags",
    }
    zip = newer.properties["from"].properties["zip"]
    assert asdict(zip) == asdict(
        Rule(types=("integer",), required=True, description="In 12 of 12.")
    )
    assert newer.properties["it's"].types == ("boolean",)
    assert not newer.properties["late"].required
    assert project.query(
        "select count(*), min(property_at) from events.signed_in_v2"
    ) == [(12, datetime(2026, 11, 19, 10, tzinfo=UTC))]
    [(count,)] = project.query("select count(*) from events.signed_in")
    assert count > 100


def test_what_is_planned_is_left_alone(planned: tuple[Project, Checkout]) -> None:
    project, checkout = planned
    plan = checkout.plan()
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        seen = look_at(stored_events(connection, since=None))
    assert infer(seen, plan, models=(), planned_too=False) == []


def test_a_length_of_time_has_a_unit() -> None:
    assert duration("7d") == timedelta(days=7)
    assert duration("90m") == timedelta(minutes=90)
    with pytest.raises(ValueError, match="30m, 24h, 7d, 2w"):
        duration("a week")
