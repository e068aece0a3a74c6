"""What people ask of a sync: rows that failed again, everything again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from activations.connectors import Outcome
from activations.plan import DEAD_AFTER_RUNS
from tests.activations.bench import Bench, email
from tests.activations.scripted import Destination, Give


def fail(crm: Bench, *, runs: int, at: datetime | None = None) -> None:
    """Log that every planned row fails, in so many runs."""
    for number in range(runs):
        plan = crm.plan()
        log = crm.write_log(
            f"run-{datetime.now(UTC):%f}-{number}",
            plan.last_logged_at,
            lambda: at or datetime.now(UTC),
        )
        for row in list(plan.rows()):
            log.add(Outcome(row=row, outcome="failed", code="no_result"))
        log.flush()


def test_a_row_that_fails_in_five_runs_is_not_sent_until_it_changes(
    crm: Bench, destination: Destination
) -> None:
    crm.people([1, 2])
    fail(crm, runs=DEAD_AFTER_RUNS - 1)
    assert (crm.plan().planned, crm.plan().dead) == (2, 0)
    fail(crm, runs=1)
    plan = crm.plan()
    assert (plan.planned, plan.dead) == (0, 2)
    run = crm.run()
    assert (run.planned.total, run.dead, destination.requests) == (0, 2, [])
    assert crm.runs()[-1]["dead"] == 2
    crm.people([1], plan="pro")
    assert crm.run().succeeded.insert == 1


@pytest.mark.parametrize(("days", "dead"), [(13, 0), (15, 1)])
def test_a_row_that_fails_for_two_weeks_is_not_sent_any_more(
    crm: Bench, days: int, dead: int
) -> None:
    crm.people([1])
    fail(crm, runs=1, at=datetime.now(UTC) - timedelta(days=days))
    plan = crm.plan()
    assert (plan.planned, plan.dead) == (1 - dead, dead)


def test_outages_make_no_dead_letters(crm: Bench, destination: Destination) -> None:
    crm.retry = replace(crm.retry, attempts=1)
    crm.people([1, 2])
    usual = destination.answer
    destination.answer = lambda got: Give(503)
    for _ in range(DEAD_AFTER_RUNS + 1):
        assert crm.run().failed.insert == 2
    destination.answer = usual
    crm.is_back()
    assert crm.run().succeeded.insert == 2


@pytest.mark.parametrize("key", [None, email(2)])
def test_a_retry_brings_dead_rows_back(
    crm: Bench, destination: Destination, key: str | None
) -> None:
    crm.people([1, 2])
    fail(crm, runs=DEAD_AFTER_RUNS)
    crm.ask("retry", key=key)
    plan = crm.plan()
    assert (plan.planned, plan.dead) == ((2, 0) if key is None else (1, 1))
    fail(crm, runs=DEAD_AFTER_RUNS)
    assert crm.plan().dead == 2
    crm.ask("retry")
    assert crm.run().succeeded.insert == 2


def test_rejected_rows_are_tried_again_when_asked_for(
    crm: Bench, destination: Destination
) -> None:
    crm.configure(action_name="row")
    crm.people([1, 2])
    usual = destination.answer
    destination.answer = lambda got: Give(400)
    assert crm.run().rejected.insert == 2
    crm.ask("retry")
    assert crm.plan().refused == 2
    crm.ask("retry", key=email(1))
    assert (crm.plan().planned, crm.plan().refused) == (1, 1)
    assert crm.run().rejected.insert == 1
    crm.ask("retry", rejected=True)
    destination.answer = usual
    assert crm.run().succeeded.insert == 2


def test_a_resync_sends_everything_once_more(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(30))
    crm.run()
    crm.people(range(29))
    crm.ask("resync")
    plan = crm.plan()
    assert plan.counts == {"insert": 0, "update": 29, "delete": 1}
    assert plan.held_reason is None
    assert crm.run().succeeded.total == 30
    assert crm.run().planned.total == 0
    keys = [
        entry["idempotency_key"] for got in destination.requests for entry in got.json
    ]
    assert len(set(keys)) == len(keys) == 60


def test_a_resync_that_is_interrupted_goes_on(
    crm: Bench, destination: Destination
) -> None:
    crm.configure(action_name="row")
    crm.people(range(6))
    crm.run()
    crm.ask("resync")
    destination.script = [Give(), Give(), Give(401)]
    run = crm.run()
    assert run.stop_code == "credential"
    assert crm.run().succeeded.update == 6 - run.succeeded.update
    assert crm.run().planned.total == 0
