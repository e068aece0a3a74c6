"""Field diffs: told where an earlier build has what was sent, else not claimed."""

from __future__ import annotations

from contextlib import closing

import duckdb

from activations.explain import explain, find_troubles
from activations.field_diffs import FieldChange, field_changes
from activations.payload import open_published
from activations.plan import make_plan
from activations.runs import run_sync
from profiles.published import publish
from tests.activations.bench import Bench
from tests.activations.scripted import Destination


def build(crm: Bench, rows: str, columns: str = "email, plan, seats, _score") -> None:
    """Publish a build whose sync model has these rows."""
    crm.data_dir.mkdir(parents=True, exist_ok=True)
    warehouse = crm.data_dir / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as con:
        con.execute("create schema if not exists syncs")
        rows_of_it = f"(values {rows}) as given ({columns})"
        con.execute(f"create or replace table syncs.acct__people as from {rows_of_it}")
    publish(warehouse, crm.data_dir / "published")


def changes(crm: Bench, *keys: str) -> dict[str, list[FieldChange] | None]:
    published = crm.data_dir / "published"
    with closing(open_published(published)) as con:
        plan = make_plan(crm.sync, data_dir=crm.data_dir, con=con)
        found = field_changes(plan, keys, published_dir=published)
    return {key: None if told is None else list(told) for key, told in found.items()}


def test_a_change_is_told_field_by_field(crm: Bench, destination: Destination) -> None:
    build(crm, "('a@x', 'free', 1, 1), ('b@x', 'free', 2, 2)")
    run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)
    build(crm, "('a@x', 'pro', null, 7), ('b@x', 'free', 2, 8)")
    assert changes(crm, "a@x", "b@x") == {
        "a@x": [FieldChange("plan", "free", "pro"), FieldChange("seats", 1, None)],
        "b@x": [],
    }
    assert str(FieldChange("plan", "free", None)) == 'plan: "free" → null'


def test_the_last_of_many_digits_is_a_change(
    crm: Bench, destination: Destination
) -> None:
    row = "('a@x', [1234567890123456.7{}::decimal(38, 2)])"
    build(crm, row.format(1), "email, fortune")
    run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)
    build(crm, row.format(2), "email, fortune")
    told = changes(crm, "a@x")["a@x"]
    assert [str(change) for change in told or ()] == [
        "fortune: [1234567890123456.71] → [1234567890123456.72]"
    ]


def test_a_column_more_or_less_is_a_change(
    crm: Bench, destination: Destination
) -> None:
    build(crm, "('a@x', 'free', 1, 1)")
    run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)
    build(crm, "('a@x', 'free', 'Oslo', 1)", "email, plan, city, _score")
    assert changes(crm, "a@x") == {
        "a@x": [FieldChange("city", None, "Oslo"), FieldChange("seats", 1, None)]
    }


def test_what_no_build_remembers_is_not_claimed(
    crm: Bench, destination: Destination
) -> None:
    build(crm, "('a@x', 'free', 1, 1)")
    run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)
    for seats in (2, 3, 4):
        build(crm, f"('a@x', 'free', {seats}, 1), ('new@x', 'free', 1, 1)")
    assert changes(crm, "a@x", "new@x") == {"a@x": None, "new@x": None}


def test_errors_and_stories_read_the_published_build(
    crm: Bench, destination: Destination
) -> None:
    build(crm, "('a@x', 'free', 1, 1)")
    run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)
    with closing(open_published(crm.data_dir / "published")) as con:
        plan = make_plan(crm.sync, data_dir=crm.data_dir, con=con)
        assert find_troubles(plan, data_dir=crm.data_dir) == []
        told = explain(plan, "a@x", data_dir=crm.data_dir)
    assert told.conclusion == "Nothing is to be done: acct holds the row as it is."
    assert told.record == {"email": "a@x", "plan": "free", "seats": 1}
