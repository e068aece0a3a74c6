"""How syncs are judged by the facts of their runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from activations.guards import Guards
from activations.sync import Sync
from orchestration.sync_health import Health, due_since, read_health
from tests.activations.bench import bench
from tests.orchestration.sync_facts import write_run

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def sync(tmp_path: Path) -> Sync:
    made = bench(
        tmp_path, "webhook", {"url": "http://127.0.0.1:8013"}, action="rows"
    ).sync
    return replace(made, schedule="0 * * * *")


def health(data_dir: Path, sync: Sync) -> Health:
    return read_health([sync], data_dir=data_dir, now=NOW)[sync.name]


def test_a_sync_that_never_ran_is_no_reason_to_worry(
    tmp_path: Path, sync: Sync
) -> None:
    found = health(tmp_path, sync)
    assert (found.state, found.problem) == ("healthy", "never_run")
    assert found.last_success_at is None


def test_a_run_that_succeeded_in_time_is_healthy(tmp_path: Path, sync: Sync) -> None:
    run_id = write_run(tmp_path, sync.name, at=NOW - HOUR, left_out=4)
    found = health(tmp_path, sync)
    assert (found.state, found.problem, found.reason) == ("healthy", None, None)
    assert found.last_run_id == run_id
    assert found.last_success_at == NOW - HOUR + timedelta(minutes=1)
    assert found.left_out == 4


@pytest.mark.parametrize(
    ("values", "state", "problem"),
    [
        ({"status": "stopped", "stop_code": "credential"}, "critical", "stopped"),
        ({"status": "stopped", "stop_code": "unavailable"}, "warning", "unavailable"),
        ({"status": "stopped", "stop_code": "interrupted"}, "warning", "killed"),
        ({"status": "stopped", "stop_code": "lease_lost"}, "warning", "killed"),
        ({"status": "held", "held_delete": 40}, "warning", "held"),
        ({"dead": 1}, "warning", "dead_letters"),
        (
            {"payload_rows": 100, "rejected_insert": 2, "refused": 4},
            *["warning", "rejected"],
        ),
        ({"payload_rows": 100, "rejected_insert": 2, "refused": 3}, *["healthy", None]),
        ({"payload_rows": 10, "failed_update": 1}, "warning", "failed"),
        ({"status": "completed_with_errors", "payload_rows": 100}, "healthy", None),
    ],
)
def test_the_last_run_tells_how_a_sync_is(
    tmp_path: Path, sync: Sync, values: dict[str, Any], state: str, problem: str | None
) -> None:
    write_run(tmp_path, sync.name, at=NOW - 2 * HOUR + timedelta(minutes=40))
    write_run(tmp_path, sync.name, at=NOW - HOUR / 2, **values)
    found = health(tmp_path, sync)
    assert (found.state, found.problem) == (state, problem)


def test_what_stopped_or_held_a_run_is_the_reason(tmp_path: Path, sync: Sync) -> None:
    write_run(tmp_path, sync.name, at=NOW - 2 * HOUR + timedelta(minutes=40))
    told = {"stop_code": "credential", "stopped": "crm does not accept the key (401)."}
    write_run(tmp_path, sync.name, at=NOW - HOUR / 2, status="stopped", **told)
    assert health(tmp_path, sync).reason == "crm does not accept the key (401)."


def test_a_sync_is_overdue_when_two_times_of_its_schedule_passed_without_success(
    tmp_path: Path, sync: Sync
) -> None:
    # Due at 11:00 and at 12:00.
    write_run(tmp_path, sync.name, at=NOW - 2 * HOUR)
    write_run(tmp_path, sync.name, at=NOW - HOUR / 2, status="held")
    found = health(tmp_path, sync)
    assert (found.state, found.problem) == ("critical", "overdue")
    unscheduled = replace(sync, schedule=None)
    assert health(tmp_path, unscheduled).problem == "held"


@pytest.mark.parametrize(
    ("schedule", "since"),
    [
        ("*/15 * * * *", "2026-11-22 12:15"),
        ("0 6 * * mon-fri", "2026-11-19 06:00"),  # a Thursday; today is Sunday
        ("30 12 * * 7", "2026-11-15 12:30"),  # due this very minute
        ("0 3 1 * *", "2026-10-01 03:00"),
        ("0 0 29 2 *", "2020-02-29 00:00"),
        ("5/20 9-10 * * *", "2026-11-22 10:25"),
        ("0 0 13 * fri", "2026-11-13 00:00"),  # the 13th or a Friday
    ],
)
def test_a_success_is_due_since_the_last_time_but_one(
    sync: Sync, schedule: str, since: str
) -> None:
    found = due_since(replace(sync, schedule=schedule), now=NOW)
    assert found == datetime.fromisoformat(since).replace(tzinfo=UTC)


def test_without_a_schedule_a_success_is_due_for_as_long_as_the_sync_says(
    sync: Sync,
) -> None:
    unscheduled = replace(sync, schedule=None)
    assert due_since(unscheduled, now=NOW) is None
    weekly = replace(unscheduled, guards=Guards(max_age="7 days"))
    assert due_since(weekly, now=NOW) == NOW - 7 * 24 * HOUR
    assert due_since(replace(weekly, guards=Guards(max_age=None)), now=NOW) is None


def test_a_run_that_was_killed_is_told_from_one_under_way(
    tmp_path: Path, sync: Sync
) -> None:
    write_run(tmp_path, sync.name, at=NOW - 2 * HOUR + timedelta(minutes=40))
    under_way = NOW - HOUR / 4
    write_run(tmp_path, sync.name, at=under_way, status=None)
    assert health(tmp_path, sync).problem is None
    # A run that found it under way says nothing of its end.
    write_run(tmp_path, sync.name, at=NOW - HOUR / 6, status="overlap")
    assert health(tmp_path, sync).problem is None
    later = NOW - HOUR / 60
    write_run(tmp_path, sync.name, at=later, status=None)
    found = health(tmp_path, sync)
    assert (found.state, found.problem) == ("warning", "killed")
    assert found.last_run_at == under_way


def test_the_last_success_is_found_on_earlier_days(tmp_path: Path, sync: Sync) -> None:
    weekly = replace(sync, schedule="0 6 * * sun")
    write_run(tmp_path, sync.name, at=NOW - 6 * 24 * HOUR)
    write_run(tmp_path, sync.name, at=NOW - 30 * HOUR, status="held")
    found = health(tmp_path, weekly)
    assert (found.problem, found.last_run_status) == ("held", "held")
    assert found.last_success_at == NOW - 6 * 24 * HOUR + timedelta(minutes=1)
