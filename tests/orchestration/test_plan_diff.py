"""`kith plan diff` on this project's own models, changed as a person would."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from collector.datasets import EVENTS
from collector.plan import Plan, PlannedEvent, Rule
from orchestration.cli import app
from orchestration.cli.plan_diff import count, show
from orchestration.plans.changes import Change, compare
from orchestration.plans.difference import Consequence, Difference, difference
from orchestration.plans.revisions import Compiled, RevisionError, Workplace
from orchestration.plans.traffic import Touched
from orchestration.project import DBT_PROJECT
from profiles.published import publish


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of its own with this dbt project in it, committed."""
    repository = tmp_path_factory.mktemp("repository")
    project = repository / "dbt_project"
    left_out = shutil.ignore_patterns("logs", "target")
    shutil.copytree(DBT_PROJECT, project, ignore=left_out)
    for command in (
        ("init", "--quiet"),
        ("add", "."),
        ("config", "user.name", "somebody"),
        ("config", "user.email", "somebody@example.com"),
        ("commit", "--quiet", "--message", "all"),
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    return project


@pytest.fixture
def edit(project: Path) -> Iterator[Callable[[str, str, str], None]]:
    """Replace text in a file of the project; it is as committed after the test."""

    def edit(file: str, old: str, new: str) -> None:
        path = project / "models" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    yield edit
    subprocess.run(["git", "checkout", "--quiet", "."], cwd=project, check=True)
    subprocess.run(["git", "clean", "--quiet", "-fd"], cwd=project, check=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where dbt compiles for all tests, so that it parses everything only once."""
    return tmp_path_factory.mktemp("workplace")


@pytest.fixture(scope="module")
def workplace(project: Path, place: Path) -> Workplace:
    return Workplace(project, place)


@pytest.fixture(scope="module")
def committed(workplace: Workplace) -> Compiled:
    return workplace.compile_revision("HEAD")


def without_property(project: Path, event: str, name: str) -> None:
    """Take a property out of an event model, the SQL and the yml."""
    place = project / "models" / "events"
    lines = (place / f"{event}.sql").read_text().splitlines(keepends=True)
    kept = [line for line in lines if f"property('{name}'" not in line]
    assert len(kept) == len(lines) - 1
    (place / f"{event}.sql").write_text("".join(kept))
    head, *columns = (place / f"{event}.yml").read_text().split("      - name: ")
    assert any(column.startswith(f"{name}\n") for column in columns)
    columns = [one for one in columns if not one.startswith(f"{name}\n")]
    (place / f"{event}.yml").write_text("      - name: ".join((head, *columns)))


def told(found: Difference) -> dict[str, tuple[str, ...]]:
    """The kind and the details of each change, by event and property."""
    changes = [one.change for one in found.consequences]
    return {
        f"{one.event.name} {one.path or ''}".strip(): (one.kind, *one.details)
        for one in changes
        if one.event
    }


def published(data_dir: Path, rows: list[dict[str, Any]]) -> None:
    """Publish a database that stores these events and nothing else."""
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    with duckdb.connect(data_dir / "warehouse.duckdb") as connection:
        connection.execute("create schema staging")
        connection.register("events", table)
        connection.execute("create table staging.stg_events as from events")
    publish(data_dir / "warehouse.duckdb", data_dir / "published")


def order(days_ago: int, **properties: Any) -> dict[str, Any]:
    return {
        "message_id": str(properties),
        "type": "track",
        "event": "Order Completed",
        "received_at": datetime.now(UTC) - timedelta(days=days_ago),
        "properties": json.dumps(properties),
    }


def test_a_used_property_that_is_removed_fails_and_names_who_reads_it(
    project: Path,
    edit: Callable[[str, str, str], None],
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryDirectory", lambda **_: nullcontext(place))
    monkeypatch.setattr("orchestration.project.DBT_PROJECT", project)
    monkeypatch.setenv("KITH_DATA_DIR", str(tmp_path))
    rows = [
        order(1, total=5),
        order(2, total=None),
        order(3, total=7),
        order(9, total=1),
    ]
    published(tmp_path, rows)
    without_property(project, "order_completed", "total")

    done = CliRunner().invoke(app, ["plan", "diff", "HEAD", "--json"])
    assert done.exit_code == 1, done.output
    (change,) = json.loads(done.stdout)["changes"]
    assert (change["kind"], change["event"], change["property"]) == (
        "removed",
        "Order Completed",
        "total",
    )
    assert change["events_last_7_days"] == 2
    assert change["is_breaking"]
    value = ["lifetime_value", "average_order_value"]
    lately = ["spent_last_90_days", "largest_order"]
    assert [list(one.values()) for one in change["readers"]] == [
        ["model", "accounts", ["spent"], False],
        ["model", "conditions_order_completed", ["sum_of_total"], False],
        ["trait", "traits_of_accounts", ["spent"], False],
        ["trait", "traits_orders", value, False],
        ["trait", "traits_shopping", lately, False],
        ["profile", "profiles", [*value, *lately], False],
        ["audience", "buying_teams", [], True],
        ["audience", "vip_customers", [], True],
        ["sync", "crm__vip_customers", ["lifetime_value"], True],
    ]


def test_what_a_change_takes_from_its_readers(
    project: Path,
    edit: Callable[[str, str, str], None],
    workplace: Workplace,
    committed: Compiled,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Nothing reads these, or what they lose.
    edit("events/signed_up.yml", "[email, google, apple]", "[email, google]")
    edit("events/product_viewed.sql", "decimal(12, 2)", "varchar")
    edit("events/product_viewed.yml", "decimal(12, 2)", "varchar")
    edit("events/product_viewed.yml", ", minimum: 0", "")
    for kind in (".sql", ".yml"):
        model = project / "models" / "events" / "signed_in"
        text = model.with_suffix(kind).read_text()
        text = text.replace("Signed In", "Signed Out")
        text = text.replace("signed_in", "signed_out")
        model.with_name("signed_out").with_suffix(kind).write_text(text)
    # One reader of this is taken along by the change, the other is not.
    without_property(project, "product_viewed", "category")
    engagement = "traits/traits_engagement.sql"
    edit(engagement, "category is not null", "true")
    edit(engagement, "profile_id, category\n", "profile_id\n")
    edit(engagement, "count(*) desc, category", "count(*) desc")
    edit(engagement, "        category,\n", "")
    edit(engagement, "category_views.category as", "cast(null as varchar) as")
    # These are read.
    without_property(project, "order_completed", "coupon")
    edit("events/order_refunded.sql", "decimal(12, 2)", "varchar")
    edit("events/order_refunded.yml", "decimal(12, 2)", "varchar")
    edit("events/order_refunded.yml", ", minimum: 0", "")
    for kind in (".sql", ".yml"):
        (project / "models" / "events" / "product_added").with_suffix(kind).unlink()

    found = difference(committed, workplace.compile_current(committed))
    retyped = ("type: number → string", "column: decimal(12, 2) → varchar")
    assert told(found) == {
        "Order Completed coupon": ("removed",),
        "Order Refunded total": ("retyped", *retyped, "minimum: 0 → none"),
        "Product Added": ("removed",),
        "Product Viewed category": ("removed",),
        "Product Viewed price": ("retyped", *retyped, "minimum: 0 → none"),
        "Signed Out": ("added",),
        "Signed Up method": ("tightened", "enum: without apple"),
    }
    value = ("lifetime_value", "average_order_value")
    seen = ("categories_viewed", "first_category_viewed")
    added = ("last_product_added_at",)
    assert {
        one.change.event.name: [
            (who.kind, who.model, who.columns) for who in one.readers
        ]
        for one in found.consequences
        if one.change.event and one.is_breaking
    } == {
        "Order Completed": [
            ("trait", "traits_shopping", ("coupons",)),
            ("profile", "profiles", ("coupons",)),
        ],
        "Product Viewed": [
            ("trait", "traits_shopping", seen),
            ("profile", "profiles", seen),
        ],
        "Order Refunded": [
            ("trait", "traits_orders", value),
            ("profile", "profiles", value),
            ("audience", "vip_customers", ()),
            ("sync", "crm__vip_customers", ("lifetime_value",)),
        ],
        "Product Added": [
            ("trait", "traits_engagement", added),
            ("profile", "profiles", added),
            ("audience", "cart_abandoners", ()),
            ("audience", "quick_deciders", ()),
        ],
    }
    assert not found.unclear

    show("HEAD", found, None)
    lines = capsys.readouterr().out.splitlines()
    assert "removed  Product Added" in lines
    assert "  read by audience cart_abandoners: who is in it" in lines
    assert (
        "  read by sync crm__vip_customers: lifetime_value; whom it is about" in lines
    )
    assert lines[-2] == "not counted: nothing was published to count events in"
    assert lines[-1].endswith("take away what something reads: 4")
    assert not any("events of the last" in line for line in lines)


def test_a_revision_that_git_does_not_have(workplace: Workplace) -> None:
    with pytest.raises(RevisionError, match="no dbt project at 'nowhere'"):
        workplace.compile_revision("nowhere")
    with pytest.raises(RevisionError, match="no revision"):
        workplace.compile_revision("--output=x")


def test_no_published_database_is_not_zero_events(tmp_path: Path) -> None:
    change = Change(kind="added", current=SIGN_UP)
    found = Difference((Consequence(change, ()),), {})
    assert count(tmp_path / "published", found, old=Plan(), new=Plan()) is None


SIGN_UP = PlannedEvent(
    name="Signed Up",
    properties={"method": Rule(types=("string",)), "plan": Rule(types=("string",))},
    model="signed_up",
)


def changes_to(event: PlannedEvent, *others: PlannedEvent) -> list[tuple[str, ...]]:
    """What becomes of the sign-up when these are planned instead."""
    return [
        (one.kind, f"{one.event.name} {one.path or ''}".strip(), *one.details)
        for one in compare(Plan(events=(SIGN_UP,)), Plan(events=(event, *others)))
        if one.event
    ]


def test_what_is_renamed_is_not_removed() -> None:
    by_name = replace(SIGN_UP, name="Registered")
    assert changes_to(by_name) == [("removed", "Signed Up"), ("added", "Registered")]
    known = replace(by_name, aliases=("Signed Up",))
    assert changes_to(known) == [("renamed", "Registered", "was Signed Up")]
    properties = {"method": Rule(types=("string",)), "tier": Rule(types=("number",))}
    moved = replace(SIGN_UP, properties=properties)
    assert changes_to(moved) == [
        ("removed", "Signed Up plan"),
        ("added", "Signed Up tier"),
    ]
    assert changes_to(replace(moved, renames={"plan": "tier"})) == [
        ("renamed", "Signed Up tier", "was plan"),
        ("retyped", "Signed Up tier", "type: string → number"),
    ]


def test_another_version_stands_beside_the_first() -> None:
    second = replace(SIGN_UP, version=2, properties={}, model="signed_up_v2")
    assert changes_to(SIGN_UP, second) == [("added", "Signed Up")]
    assert changes_to(second) == [("removed", "Signed Up"), ("added", "Signed Up")]
    instead = replace(SIGN_UP, version=2)
    assert changes_to(instead) == [("changed", "Signed Up", "version: 1 → 2")]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (Rule(), Rule(required=True), "tightened"),
        (Rule(required=True), Rule(), "loosened"),
        (Rule(enum=("a",)), Rule(enum=("a", "b")), "loosened"),
        (Rule(enum=("a", "b")), Rule(enum=("b", "c")), "tightened"),
        (Rule(), Rule(enum=("a",)), "tightened"),
        (Rule(minimum=1), Rule(minimum=2), "tightened"),
        (Rule(minimum=1), Rule(minimum=0), "loosened"),
        (Rule(maximum=1), Rule(maximum=2), "loosened"),
        (Rule(), Rule(maximum=2), "tightened"),
        (Rule(pattern="a"), Rule(pattern="b"), "tightened"),
        (Rule(format="email"), Rule(), "loosened"),
        (Rule(types=("string",)), Rule(types=("string", "null")), "loosened"),
        (Rule(types=("integer",)), Rule(types=("number",)), "retyped"),
        (Rule(types=("number",)), Rule(types=("integer",)), "tightened"),
        (Rule(types=("object", "array")), Rule(types=("array",)), "tightened"),
        (Rule(types=("array",)), Rule(types=("object", "array")), "retyped"),
        (Rule(), Rule(types=("array",)), "tightened"),
        (Rule(types=("array",)), Rule(), "retyped"),
        (Rule(data_type="decimal(12,2)"), Rule(data_type="double"), "retyped"),
        (Rule(data_type="decimal(12,2)"), Rule(data_type="DECIMAL(12, 2)"), None),
        (Rule(description="a"), Rule(description="b"), None),
        (Rule(), Rule(pii=True), "changed"),
        (Rule(minimum=1), Rule(required=True), "tightened"),
        (Rule(), Rule(items=Rule()), "tightened"),
    ],
)
def test_the_gravest_difference_names_a_change(
    old: Rule, new: Rule, kind: str | None
) -> None:
    found = compare(Plan(common={"context.x": old}), Plan(common={"context.x": new}))
    assert [one.kind for one in found] == ([kind] if kind else [])


def test_what_is_inside_comes_and_goes_with_what_is_around_it() -> None:
    inner = Rule(properties={"city": Rule(), "lines": Rule(items=Rule())})
    address = {"address": inner}
    found = compare(Plan(common={}), Plan(common=address))
    assert [(one.kind, one.path) for one in found] == [("added", "address")]
    fewer = {"address": Rule(properties={"lines": Rule(items=Rule(required=True))})}
    found = compare(Plan(common=address), Plan(common=fewer))
    assert [(one.kind, one.path) for one in found] == [
        ("removed", "address.city"),
        ("tightened", "address.lines[]"),
    ]


def test_events_are_counted_by_what_they_carry(tmp_path: Path) -> None:
    rows = [
        order(1, total=5, lines=[{"price": 1}, {}]),
        order(2, total="5", lines=[]),
        order(3, total=None, lines=[{"name": "a"}]),
        order(8, total="old"),
        order(1, total=9) | {"context": '{"protocols":{"event_version":2}}'},
        order(1) | {"event": "Order Paid", "properties": None},
    ]
    published(tmp_path, rows)
    lines = Rule(items=Rule(properties={"price": Rule()}))
    first = PlannedEvent(
        name="Order Completed",
        properties={"total": Rule(types=("number", "string")), "lines": lines},
    )
    second = replace(first, version=2, properties={"total": Rule()})
    now = replace(
        first,
        aliases=("Order Paid",),
        properties={"total": Rule(types=("number",), required=True)},
    )
    old, new = Plan(events=(first, second)), Plan(events=(now, second))
    changes = compare(old, new)
    assert [(one.kind, one.path) for one in changes] == [
        ("removed", "lines"),
        ("tightened", "total"),
    ]
    prices = Change(kind="removed", path="lines[].price", former=first)
    library = Change(kind="added", path="context.protocols.event_version")
    itself = Change(kind="removed", former=second)
    found = Difference(
        tuple(Consequence(one, ()) for one in (*changes, prices, library, itself)), {}
    )
    counted = count(tmp_path / "published", found, old=old, new=new)
    assert counted == [
        Touched(3),
        Touched(2, broken=3, checked=5),
        Touched(1),
        Touched(1),
        Touched(1),
    ]
