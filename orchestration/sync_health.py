"""How each sync is doing, by the facts of its runs, at any moment between builds.

The rules are those of the model `monitoring.sync_health`; a test holds the two to each
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

import duckdb

from activations.cron import ticks_before
from activations.sync import Sync
from collector.datasets import SYNC_RUNS
from collector.object_storage import RawPlace, parquet_files, register
from collector.raw import reading
from collector.settings import CollectorSettings

State = Literal["healthy", "warning", "critical"]

MOST_REJECTED = 0.05
"""The share of rows that may be refused, or fail, before that is a problem."""
KILLED_AFTER = timedelta(days=1)
"""A run that neither ended nor was followed by another was killed, after so long."""
_LOOK_BACK = timedelta(days=35)
_SUCCESSES = ("succeeded", "completed_with_errors")
_OPERATIONS = ("insert", "update", "delete")
_DATE = re.compile(r"/dt=(\d{4}-\d\d-\d\d)/")
# Somebody ended the run, or another one took its place: nothing has to be mended.
_CUT_OFF = ("interrupted", "lease_lost")
_CRITICAL = ("stopped", "overdue")
_REASONS = {
    "never_run": "It has not run yet.",
    "stopped": "The last run was stopped.",
    "overdue": "No run has succeeded for longer than it may take.",
    "unavailable": "The destination did not answer.",
    "killed": "The last run was cut off; the next one goes on from there.",
    "held": "A guard holds rows back.",
    "dead_letters": "Rows failed so often that they are not sent any more.",
    "rejected": "The destination refuses too many of the rows.",
    "failed": "Too many of the rows could not be delivered.",
}


@dataclass(frozen=True)
class Health:
    """The state of a sync; `problem` is the worst of what is wrong, in a word."""

    sync: str
    state: State
    problem: str | None
    reason: str | None
    last_run_id: str | None = None
    last_run_at: datetime | None = None
    last_run_status: str | None = None
    last_success_at: datetime | None = None
    due_since: datetime | None = None
    rejected_share: float = 0.0
    failed_share: float = 0.0
    held_share: float = 0.0
    held: int = 0
    dead: int = 0
    left_out: int = 0


def read_health(
    syncs: Iterable[Sync], *, data_dir: Path, now: datetime
) -> dict[str, Health]:
    """The health of each sync by its name."""
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    with closing(duckdb.connect()) as con:
        con.execute("set TimeZone = 'UTC'")
        register(con, raw)
        with reading(raw, SYNC_RUNS):
            return {
                sync.name: judge(
                    sync.name,
                    _runs(con, raw, sync.name, now=now),
                    due_since=due_since(sync, now=now),
                )
                for sync in syncs
            }


def due_since(sync: Sync, *, now: datetime) -> datetime | None:
    """Since when a run must have succeeded: the last time but one of the schedule.

    Without a schedule, what the sync itself says of how old its input may be: what is
    so in every sync is not meant for those that somebody runs now and then.
    """
    if sync.schedule is not None:
        ticks = list(islice(ticks_before(sync.schedule, now), 2))
        return ticks[1] if len(ticks) == 2 else None
    if "max_age" in sync.guards.model_fields_set and sync.guards.oldest is not None:
        return now - sync.guards.oldest
    return None


def judge(
    sync: str, runs: list[dict[str, Any]], *, due_since: datetime | None
) -> Health:
    """What the runs that have ended, the latest first, say of a sync."""
    if not runs:
        reason = _REASONS["never_run"]
        return Health(sync, "healthy", "never_run", reason, due_since=due_since)
    last = runs[0]
    successes = [run["finished_at"] for run in runs if run["status"] in _SUCCESSES]
    last_success_at = max(successes, default=None)
    rejected = _sum(last, "rejected") + _number(last, "refused")
    attempted = sum(_sum(last, name) for name in ("succeeded", "rejected", "failed"))
    rows = max(_number(last, "payload_rows"), attempted + _number(last, "refused"), 1)
    held = _sum(last, "held")
    shares = {
        "rejected_share": rejected / rows,
        "failed_share": _sum(last, "failed") / rows,
        "held_share": held / max(_number(last, "destination_rows"), held, 1),
    }
    since = last_success_at or min(run["started_at"] for run in runs)
    problem = _problem(
        last,
        is_overdue=due_since is not None and since < due_since,
        **shares,
    )
    return Health(
        sync=sync,
        state=_state(problem),
        problem=problem,
        reason=_reason(problem, last),
        last_run_id=last["run_id"],
        last_run_at=last["started_at"],
        last_run_status=last["status"],
        last_success_at=last_success_at,
        due_since=due_since,
        held=held,
        dead=_number(last, "dead"),
        left_out=_number(last, "left_out"),
        **shares,
    )


def _problem(
    last: dict[str, Any],
    *,
    is_overdue: bool,
    rejected_share: float,
    failed_share: float,
    held_share: float,
) -> str | None:
    """The first of these that holds is why the sync is not healthy."""
    status = last["status"]
    is_stopped = status == "stopped"
    code = last["stop_code"]
    found = (
        ("stopped", is_stopped and code not in (*_CUT_OFF, "unavailable")),
        ("overdue", is_overdue),
        ("unavailable", is_stopped and code == "unavailable"),
        ("killed", is_stopped or status == "killed"),
        ("held", status == "held"),
        ("dead_letters", _number(last, "dead") > 0),
        ("rejected", rejected_share > MOST_REJECTED),
        ("failed", failed_share > MOST_REJECTED),
    )
    return next((problem for problem, holds in found if holds), None)


def _state(problem: str | None) -> State:
    if problem is None:
        return "healthy"
    return "critical" if problem in _CRITICAL else "warning"


def _reason(problem: str | None, last: dict[str, Any]) -> str | None:
    if problem is None:
        return None
    told = {
        "stopped": last["stopped"],
        "unavailable": last["stopped"],
        "held": last["held_reason"],
    }
    return told.get(problem) or _REASONS[problem]


def _runs(
    con: duckdb.DuckDBPyConnection, raw: RawPlace, sync: str, *, now: datetime
) -> list[dict[str, Any]]:
    """The runs of a sync that have ended, the latest first: back to the last that
    succeeded, but not further than is worth telling."""
    found: dict[str, dict[str, Any]] = {}
    for facts in _days(con, raw, sync, now=now):
        for fact in facts:
            if fact["event"] == "finished":
                found[fact["run_id"]] = fact
            else:
                found.setdefault(fact["run_id"], fact)
        if any(fact["status"] in _SUCCESSES for fact in facts):
            break
    runs = sorted(
        found.values(),
        key=lambda run: (run["started_at"], run["run_id"]),
        reverse=True,
    )
    last_started_at = max(
        (run["started_at"] for run in runs if run["status"] != "overlap"), default=now
    )
    ended = []
    for run in runs:
        if run["status"] is None and (
            run["started_at"] < last_started_at
            or run["started_at"] < now - KILLED_AFTER
        ):
            run = run | {"status": "killed"}
        if run["status"] not in (None, "overlap"):
            ended.append(run)
    return ended


def _days(
    con: duckdb.DuckDBPyConnection, raw: RawPlace, sync: str, *, now: datetime
) -> Iterator[list[dict[str, Any]]]:
    """The facts about a sync's runs, the latest day first."""
    dated = []
    for file in parquet_files(raw, f"{SYNC_RUNS.name}/sync={sync}"):
        if (date := _DATE.search(file)) and date[1] >= f"{now - _LOOK_BACK:%F}":
            dated.append((date[1], file))
    dated.sort(reverse=True)
    for _, files in groupby(dated, key=lambda each: each[0]):
        relation = con.read_parquet(
            [file for _, file in files], hive_partitioning=False
        )
        names = relation.columns
        yield [dict(zip(names, row, strict=True)) for row in relation.fetchall()]


def _sum(run: dict[str, Any], counted: str) -> int:
    return sum(_number(run, f"{counted}_{name}") for name in _OPERATIONS)


def _number(run: dict[str, Any], name: str) -> int:
    return int(run[name] or 0)
