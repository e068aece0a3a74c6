"""Runs of syncs, as facts in `raw/sync_runs`: one when a run starts, one when it ends.

A run without the second was killed. Plans remember by them what no row of the sync log
can tell: the watermark, and that there was something to forget.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from activations.errors import ActivationError, RequestError, SyncRunning
from activations.facts import fact_files, view_facts
from activations.payload import first
from activations.sync import Sync
from collector.datasets import SYNC_RUNS
from collector.errors import ObjectStorageError
from collector.landing import write_file
from collector.object_storage import RawPlace, register
from collector.raw import reading

_ENDED = "event = 'finished' and status not in ('stopped', 'overlap')"


@dataclass(frozen=True)
class RunFacts:
    """Writes the facts about one run."""

    raw: RawPlace
    sync: Sync
    run_id: str
    started_at: datetime

    def started(self) -> None:
        """Append that the run has started; durable when this returns."""
        self._append("started", {})

    def finished(self, result: dict[str, Any]) -> None:
        """Append how the run ended: the columns that this is known for."""
        self._append("finished", {"finished_at": datetime.now(UTC), **result})

    def ended(self, error: BaseException) -> None:
        """Append how a run ended that came to no result."""
        status, code = "stopped", "interrupted"
        if isinstance(error, SyncRunning):
            status, code = "overlap", error.stop_code
        elif isinstance(error, ActivationError):
            code = error.stop_code
        elif isinstance(error, Exception):
            code = "error"
        message = self.sync.account.redact(str(error) or type(error).__name__)
        result = {"status": status, "stop_code": code, "stopped": message}
        # What ended the run may keep this from being told too; then it says why.
        with contextlib.suppress(OSError, ObjectStorageError):
            self.finished(result)

    def _append(self, event: str, values: dict[str, Any]) -> None:
        row = {
            "sync": self.sync.name,
            "run_id": self.run_id,
            "at": datetime.now(UTC),
            "event": event,
            "model": self.sync.model,
            "destination": self.sync.account.name,
            "action": self.sync.target,
            "mode": self.sync.mode,
            "primary_key": self.sync.key,
            "started_at": self.started_at,
            **values,
        }
        write_file(
            self.raw,
            SYNC_RUNS,
            pa.Table.from_pylist([row], schema=SYNC_RUNS.schema),
            partition={"sync": self.sync.name, "dt": f"{row['at']:%Y-%m-%d}"},
            name=f"{self.run_id}-{event}",
        )


def last_watermark(con: duckdb.DuckDBPyConnection, sync: Sync) -> str | None:
    """The watermark up to which all rows were sent; None where there is none yet."""
    row = first(
        con,
        """
        select watermark
        from sync_runs_rows as runs
        where
            runs.watermark is not null
            and runs.destination = $destination
            and runs.action = $action
        order by runs.at desc
        limit 1
        """,
        {"destination": sync.account.name, "action": sync.target},
    )
    return None if row is None else str(row[0])


def remembered_rows(con: duckdb.DuckDBPyConnection, sync: Sync) -> int:
    """How many rows runs left in the destination, where the log has forgotten all."""
    if first(con, "select 1 from sync_states limit 1"):
        return 0
    row = first(
        con,
        f"""
        select destination_rows + succeeded_insert - succeeded_delete
        from sync_runs_rows as runs
        where
            {_ENDED}
            and runs.destination = $destination
            and runs.action = $action
        order by runs.at desc
        limit 1
        """,  # noqa: S608 - a condition written above
        {"destination": sync.account.name, "action": sync.target},
    )
    return 0 if row is None else max(int(row[0]), 0)


@dataclass(frozen=True)
class HeldRun:
    """A run that guards held something of, and how much."""

    sync: str
    run_id: str
    guard: str
    held_reason: str
    inserts: int
    updates: int
    deletes: int


def find_held_run(raw: RawPlace, run_id: str) -> HeldRun:
    """The run of this id; raises `RequestError` where it cannot be released."""
    with duckdb.connect() as con, reading(raw, SYNC_RUNS):
        register(con, raw)
        view_facts(con, SYNC_RUNS, list(fact_files(raw, SYNC_RUNS)))
        found = first(
            con,
            """
            select
                sync,
                run_id,
                guard,
                held_reason,
                held_insert,
                held_update,
                held_delete,
                status,
                runs.at = max(runs.at) filter (status <> 'overlap')
                    over (partition by sync)
            from sync_runs_rows as runs
            where event = 'finished'
            qualify run_id = $run_id
            """,
            {"run_id": run_id},
        )
    if found is None:
        raise RequestError(f"there is no finished run '{run_id}'.")
    *values, status, is_latest = found
    run = HeldRun(*values)
    if status != "held":
        raise RequestError(f"nothing of the run {run_id} is held: it {status}.")
    if "consent" in run.guard.split(","):
        raise RequestError(f"{run.sync} cannot be released: {run.held_reason}")
    if not is_latest:
        raise RequestError(
            f"{run.sync} has run since {run_id}; look at the latest run, which tells "
            "what is held now."
        )
    return run
