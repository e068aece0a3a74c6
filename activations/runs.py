"""Runs a sync: locks it, plans it, delivers it, and tells what happened."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from activations.connectors import Outcome, Planned
from activations.delivery import deliver
from activations.errors import ActivationError, ConfigError, SyncRunning
from activations.payload import open_published
from activations.plan import Plan, make_plan
from activations.retries import Retry
from activations.sync_log import SyncLog
from activations.syncs import Sync
from collector.files import make_directories, try_lock
from collector.settings import CollectorSettings

OPERATIONS: tuple[Planned, ...] = ("insert", "update", "delete")


@dataclass(frozen=True)
class Counts:
    """Rows by operation; true where there is any."""

    insert: int = 0
    update: int = 0
    delete: int = 0

    @property
    def total(self) -> int:
        return self.insert + self.update + self.delete

    def __bool__(self) -> bool:
        return self.total > 0

    def __str__(self) -> str:
        parts = {name: number for name, number in asdict(self).items() if number}
        return ", ".join(f"{number:,} {name}" for name, number in parts.items())


@dataclass(frozen=True)
class SyncRun:
    """What a run did: rows by operation. `stopped` says what ended it before its end.

    planned = succeeded + rejected + failed + left; what is left stays planned. `held`
    are the deletes kept back for `held_reason`, `refused` the rows that are not sent
    because the destination has refused exactly them before.
    """

    sync: str
    run_id: str
    started_at: datetime
    finished_at: datetime
    planned: Counts
    succeeded: Counts
    rejected: Counts
    failed: Counts
    held: Counts
    held_reason: str | None
    refused: int
    payload_rows: int
    stopped: str | None = None

    @property
    def left(self) -> int:
        """Planned rows that were not tried, or whose outcome nobody knows."""
        done = self.succeeded.total + self.rejected.total + self.failed.total
        return self.planned.total - done

    @property
    def is_complete(self) -> bool:
        """Whether everything planned was tried and nothing has to be tried again."""
        return self.stopped is None and not self.failed and self.left == 0

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values, for JSON."""
        times = {
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
        }
        return asdict(self) | times | {"left": self.left}

    def describe(self) -> str:
        """The run in a few lines, for people."""
        if not self.planned and not self.held:
            lines = [f"{self.sync}: nothing to send for {self.payload_rows:,} rows."]
        else:
            lines = [f"{self.sync}: {self.planned or 'nothing'} planned"]
        for name in ("succeeded", "rejected", "failed", "held"):
            if counts := getattr(self, name):
                lines.append(f"  {name}: {counts}")
        if self.held_reason:
            lines.append(f"  {self.held_reason}")
        if self.refused:
            lines.append(f"  {self.refused:,} rows stay refused until they change.")
        if self.stopped:
            lines.append(f"  stopped: {self.stopped}")
        if self.left:
            lines.append(f"  {self.left:,} rows stay planned for the next run.")
        return "\n".join(lines)


def run_sync(
    sync: Sync,
    *,
    data_dir: Path,
    allow_deletes: int | None = None,
    con: duckdb.DuckDBPyConnection | None = None,
    retry: Retry | None = None,
) -> SyncRun:
    """Make the destination hold the payload, as far as guards and answers allow.

    Raises `ConfigError`, `PayloadError` or `SyncRunning` where nothing could start; a
    run that was stopped on its way (credential, address, outage) says so in `stopped`.
    """
    if sync.account.unresolved:
        raise ConfigError(sync.account.unresolved)
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    stopped: str | None = None
    with _only_run(data_dir, sync), contextlib.ExitStack() as stack:
        if con is None:
            con = stack.enter_context(open_published(data_dir / "published"))
        plan = make_plan(sync, data_dir=data_dir, con=con, allow_deletes=allow_deletes)
        raw = CollectorSettings(data_dir=data_dir).raw_place()
        log = SyncLog(raw, sync, run_id=run_id, after=plan.last_logged_at)
        _log_held(plan, log)
        if plan.planned:
            try:
                deliver(plan, log, retry=retry)
            except ActivationError as error:
                stopped = sync.account.redact(str(error))
    return SyncRun(
        sync=sync.name,
        run_id=run_id,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        planned=Counts(*(plan.counts[name] for name in OPERATIONS)),
        succeeded=_counts(log, "succeeded"),
        rejected=_counts(log, "rejected"),
        failed=_counts(log, "failed"),
        held=Counts(delete=plan.held),
        held_reason=plan.held_reason,
        refused=plan.refused,
        payload_rows=plan.payload_rows,
        stopped=stopped,
    )


@contextlib.contextmanager
def _only_run(data_dir: Path, sync: Sync) -> Iterator[None]:
    """Hold the sync's lock, which ends with this process whatever happens to it."""
    path = data_dir / "log" / f"sync-{sync.name}.lock"
    make_directories(path.parent)
    lock = try_lock(path)
    if lock is None:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise SyncRunning(
            f"{sync.name} is being run already, by process {holder}. "
            "This run did nothing."
        )
    with lock:
        yield


def _log_held(plan: Plan, log: SyncLog) -> None:
    for row in plan.newly_held():
        outcome = Outcome(
            row=row, outcome="held", code="guard", message=plan.held_reason, ref=row.ref
        )
        log.add(outcome)
    log.flush()


def _counts(log: SyncLog, outcome: str) -> Counts:
    return Counts(*(log.counts[outcome, name] for name in OPERATIONS))
