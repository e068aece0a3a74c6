"""Guards: what is held when the input is not what it was, and how people let it go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pydantic import ValidationError

from activations.errors import PayloadError, RequestError
from activations.guards import Guards
from activations.runs import SyncRun, run_sync
from activations.sync_runs import find_held_run
from profiles.published import current_build, publish
from tests.activations.bench import Bench, email
from tests.activations.scripted import Destination, Give


@pytest.fixture
def crm(crm: Bench) -> Bench:
    """A mirror whose guards are those that every sync has by default."""
    crm.configure(guards=Guards())
    return crm


def empty(crm: Bench) -> None:
    crm.people([])


def shrunk(crm: Bench) -> None:
    crm.people(range(24))


def keyless(crm: Bench) -> None:
    crm.con.execute("update syncs.acct__people set email = null where rowid > 20")


def missing(crm: Bench) -> None:
    crm.con.execute("drop table syncs.acct__people")


def renamed(crm: Bench) -> None:
    """Another way to write keys: everybody leaves, and as many come."""
    crm.con.execute("update syncs.acct__people set email = upper(email)")


@pytest.mark.parametrize("disaster", [empty, shrunk, keyless, missing, renamed])
def test_disasters_remove_nobody(
    crm: Bench,
    destination: Destination,
    disaster: Callable[[Bench], None],
) -> None:
    crm.people(range(60))
    crm.run()
    before = dict(destination.held)
    disaster(crm)
    for _ in range(2):
        try:
            run = crm.run()
        except PayloadError:
            assert crm.runs()[-1]["stop_code"] == "payload"
        else:
            assert run.status == "held"
            assert run.planned.delete == run.planned.update == 0
    assert before.items() <= destination.held.items()
    assert {got.json[0]["operation"] for got in destination.requests} == {"insert"}


@pytest.mark.parametrize(
    ("was", "now", "guard"),
    [
        (range(40), range(20), None),  # 20 always may, and half is not too few
        (range(44), range(20), "mass_delete,shrunk"),
        (range(30), range(11), "shrunk"),
        (range(20), range(1), None),
        (range(300), range(270), None),  # a tenth may
        (range(300), range(269), "mass_delete"),
        (range(5), range(0), "empty"),  # nobody left: never without a word
    ],
)
def test_removals_are_held_and_the_rest_goes_out(
    crm: Bench,
    destination: Destination,
    was: range,
    now: range,
    guard: str | None,
) -> None:
    crm.people(was)
    crm.run()
    crm.people([*now, 999])
    if not now:
        crm.people(now)
    run = crm.run()
    assert run.guard == guard
    gone = len(was) - len(now)
    assert run.held.delete == (gone if guard else 0)
    assert len(destination.held) == (
        (len(was) if guard else len(now)) + (1 if now else 0)
    )


def test_a_change_of_most_rows_is_held_and_new_ones_go_out(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(50))
    crm.run()
    crm.people(range(2, 53), plan="")
    run = crm.run()
    assert (run.guard, run.status) == ("mass_change", "held")
    assert (run.held.update, run.held.delete, run.succeeded.insert) == (48, 2, 3)
    assert destination.held[email(2)]["plan"] == "free"
    crm.configure(guards=Guards(max_change_share=1))
    run = crm.run()
    assert (run.guard, run.succeeded.update, run.succeeded.delete) == (None, 48, 2)


def test_fewer_rows_than_agreed_send_nothing(
    crm: Bench, destination: Destination
) -> None:
    crm.configure(guards=Guards(min_rows=10), mode="upsert")
    crm.people(range(9))
    run = crm.run()
    assert (run.guard, run.held.insert, destination.requests) == ("min_rows", 9, [])
    crm.people(range(10))
    assert crm.run().succeeded.insert == 10


def published(crm: Bench, *, hours: int) -> SyncRun:
    """A run over a published build of this age."""
    crm.data_dir.mkdir(parents=True, exist_ok=True)
    warehouse = crm.data_dir / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as con:
        con.execute("create schema if not exists syncs")
        con.execute(
            "create or replace table syncs.acct__people as "
            "select 'a@x' as email, 'free' as plan"
        )
    publish(warehouse, crm.data_dir / "published")
    then = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    build = current_build(crm.data_dir / "published")
    os.utime(build, (then, then))
    return run_sync(crm.sync, data_dir=crm.data_dir, retry=crm.retry)


def test_an_old_build_sends_nothing(crm: Bench, destination: Destination) -> None:
    run = published(crm, hours=27)
    assert (run.guard, run.held.insert, destination.requests) == ("stale", 1, [])
    assert "27 hours old (max_age 26 hours)" in str(run.held_reason)
    crm.configure(guards=Guards(max_age="2 days"))
    assert published(crm, hours=27).succeeded.insert == 1
    crm.configure(guards=Guards(max_age=None))
    assert published(crm, hours=900).status == "succeeded"


def test_a_lost_log_is_noticed(crm: Bench, destination: Destination) -> None:
    crm.people(range(3))
    crm.run()
    shutil.rmtree(crm.data_dir / "raw" / "sync_log")
    crm.people(range(1, 4))
    run = crm.run()
    assert (run.guard, run.held.insert) == ("lost_log", 3)
    crm.ask("release", inserts=3)
    run = crm.run()
    assert (run.guard, run.succeeded.insert) == (None, 3)
    # Whom the log has forgotten the destination keeps.
    assert len(destination.held) == 4
    assert crm.run().status == "succeeded"


def test_without_its_column_nobody_is_known_to_consent(
    crm: Bench, destination: Destination
) -> None:
    crm.configure(consent=("_may_mail",))
    crm.people(range(3))
    run = crm.run()
    assert (run.guard, run.held.insert) == ("consent", 3)
    with pytest.raises(RequestError, match="cannot be released: The payload has no"):
        find_held_run(crm.data_dir / "raw", run.run_id)
    crm.ask("release", inserts=3)
    assert crm.run().guard == "consent"
    assert destination.requests == []


def test_held_rows_are_logged_once_and_released_up_to_a_ceiling(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(30))
    crm.run()
    crm.people([])
    for _ in range(2):
        run = crm.run()
        assert (run.held.delete, run.planned.total) == (30, 0)
        assert run.held_reason is not None
        assert "payload is empty" in run.held_reason
        assert "kith sync release " + run.run_id in run.describe()
    assert [row["outcome"] for row in crm.log()].count("held") == 30
    assert crm.run(allow_deletes=29).held.delete == 30
    assert len(destination.held) == 30
    assert crm.run(allow_deletes=30).succeeded.delete == 30
    assert destination.held == {}
    assert crm.plan().planned == 0


def test_a_release_counts_once(crm: Bench, destination: Destination) -> None:
    crm.people(range(30))
    crm.run()
    crm.people([])
    crm.run(allow_deletes=30)
    crm.people(range(30))
    crm.run()
    crm.people([])
    assert crm.run().held.delete == 30
    assert len(destination.held) == 30


def test_a_release_outlives_a_run_that_was_stopped(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(30))
    crm.run()
    crm.people([])
    usual = destination.answer
    destination.answer = lambda got: Give(401)
    assert crm.run(allow_deletes=30).status == "stopped"
    destination.answer = usual
    assert crm.plan().is_released
    assert crm.run().succeeded.delete == 30


def test_only_the_latest_run_can_be_released(crm: Bench) -> None:
    raw = crm.data_dir / "raw"
    crm.people(range(30))
    fine = crm.run()
    crm.people([])
    first, second = crm.run(), crm.run()
    with pytest.raises(RequestError, match="no finished run 'x'"):
        find_held_run(raw, "x")
    with pytest.raises(RequestError, match=r"nothing of the run \S+ is held"):
        find_held_run(raw, fine.run_id)
    with pytest.raises(RequestError, match="acct__people has run since"):
        find_held_run(raw, first.run_id)
    held = find_held_run(raw, second.run_id)
    assert (held.sync, held.guard, held.deletes) == ("acct__people", "empty", 30)


@pytest.mark.parametrize(
    "wrong", [{"max_age": "a day"}, {"max_delete_share": 2}, {"min_row": 1}]
)
def test_wrong_limits_are_told(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Guards.model_validate(wrong)


def test_facts_tell_of_every_run(crm: Bench, tmp_path: Path) -> None:
    crm.people(range(3))
    run = crm.run()
    (fact,) = crm.runs()
    assert (fact["run_id"], fact["status"]) == (run.run_id, "succeeded")
    assert fact["planned_insert"] == fact["succeeded_insert"] == 3
    assert (fact["primary_key"], fact["action"], fact["mode"]) == (
        *("email", "rows"),
        "mirror",
    )
