"""Runs a sync: leases it, plans it, delivers it, and tells what happened."""

from __future__ import annotations

import contextlib
import logging
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from activations import digest
from activations.caps import caps_to_itself
from activations.connectors import Outcome
from activations.counts import OPERATIONS, Counts
from activations.delivery import deliver
from activations.errors import ActivationError, ConfigError
from activations.facts import facts_of
from activations.leases import LEASE_SECONDS, Together, hold_lease
from activations.payload import open_published
from activations.plan import Plan, make_plan
from activations.retries import Retry
from activations.sync import Sync
from activations.sync_log import SyncLog, land_what_is_left
from activations.sync_runs import RunFacts
from collector.object_storage import RawPlace
from collector.settings import CollectorSettings

_LOGGER = logging.getLogger(__name__)

Status = Literal["succeeded", "completed_with_errors", "held", "stopped"]


@dataclass(frozen=True)
class SyncRun:
    """What a run did: rows by operation. `stopped` says what ended it before its end.

    planned = succeeded + rejected + failed + left; what is left stays planned. `held`
    are the rows that `guard` keeps back for `held_reason`. Not sent are the `refused`
    rows, which the destination has refused just so before, the `dead` ones, which
    failed too often, those `left_out` for want of consent, and those that a frequency
    cap lets wait, `capped`.
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
    guard: str | None
    held_reason: str | None
    refused: int
    dead: int
    left_out: int
    capped: int
    payload_rows: int
    destination_rows: int
    watermark: str | None = None
    stopped: str | None = None
    stop_code: str | None = None

    @property
    def left(self) -> int:
        """Planned rows that were not tried, or whose outcome nobody knows."""
        done = self.succeeded.total + self.rejected.total + self.failed.total
        return self.planned.total - done

    @property
    def is_complete(self) -> bool:
        """Whether everything planned was tried and nothing has to be tried again."""
        return self.stopped is None and not self.failed and self.left == 0

    @property
    def status(self) -> Status:
        if self.stopped is not None:
            return "stopped"
        if self.guard is not None:
            return "held"
        has_errors = self.rejected or self.failed or self.left
        return "completed_with_errors" if has_errors else "succeeded"

    def as_dict(self) -> dict[str, Any]:
        """The run as plain values, for JSON."""
        times = {
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
        }
        return asdict(self) | times | {"left": self.left, "status": self.status}

    def as_fact(self) -> dict[str, Any]:
        """The run as columns of `raw/sync_runs`."""
        names = (
            *("finished_at", "status", "stop_code", "stopped", "guard", "held_reason"),
            *("payload_rows", "destination_rows", "refused", "dead", "watermark"),
        )
        counts = {
            f"{name}_{operation}": getattr(getattr(self, name), operation)
            for name in ("planned", "succeeded", "rejected", "failed", "held")
            for operation in OPERATIONS
        }
        left_out = {"left_out": self.left_out + self.capped}
        return {name: getattr(self, name) for name in names} | left_out | counts

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
        if self.held:
            lines.append(f"  To let them go: ./kith sync release {self.run_id}")
        if self.refused:
            lines.append(f"  {self.refused:,} rows stay refused until they change.")
        if self.dead:
            lines.append(
                f"  {self.dead:,} rows failed too often and are not tried any more: "
                f"./kith sync errors {self.sync}"
            )
        if self.left_out:
            lines.append(f"  {self.left_out:,} rows lack consent.")
        if self.capped:
            lines.append(f"  {self.capped:,} rows wait for a frequency cap.")
        if self.stopped:
            lines.append(f"  stopped: {self.stopped}")
        if self.left:
            lines.append(f"  {self.left:,} rows stay planned for the next run.")
        return "\n".join(lines)


def run_sync(
    sync: Sync,
    *,
    data_dir: Path,
    con: duckdb.DuckDBPyConnection | None = None,
    retry: Retry | None = None,
    lease_seconds: float = LEASE_SECONDS,
) -> SyncRun:
    """Make the destination hold the payload, as far as guards and answers allow.

    Raises `ConfigError`, `PayloadError`, `SyncRunning` or `CapHeld` where nothing could
    start; a run that was stopped on its way (credential, address, outage) says so in
    `stopped`. However it ends, short of a kill, a fact tells of it.
    """
    started_at = datetime.now(UTC)
    run_id = f"{started_at:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    log_dir = data_dir / "log"
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    facts = RunFacts(raw, sync, run_id, started_at)
    try:
        if sync.account.unresolved:
            raise ConfigError(sync.account.unresolved)
        with contextlib.ExitStack() as stack:
            lease = stack.enter_context(
                hold_lease(log_dir, sync.name, seconds=lease_seconds)
            )
            facts.started()
            if con is None:
                con = stack.enter_context(open_published(data_dir / "published"))
            land_what_is_left(raw, log_dir, sync.name, lease=lease)
            caps = stack.enter_context(
                caps_to_itself(
                    con,
                    sync.name,
                    log_dir,
                    seconds=lease_seconds,
                    within=(retry or Retry()).seconds,
                )
            )
            plan = make_plan(sync, data_dir=data_dir, con=con)
            log = SyncLog(
                raw,
                sync,
                run_id=run_id,
                log_dir=log_dir,
                lease=Together(lease, caps),
                after=plan.last_logged_at,
            )
            run = _run(plan, log, started_at, retry)
            if log.counts or plan.digest is None:
                _digest(plan, raw, log_dir)
            # Before the lease goes: the next run reads what this one tells.
            facts.finished(run.as_fact())
    except BaseException as error:
        facts.ended(error)
        raise
    return run


def _run(
    plan: Plan, log: SyncLog, started_at: datetime, retry: Retry | None
) -> SyncRun:
    """Deliver what the plan says, and tell what came of it."""
    stopped: ActivationError | None = None
    _log_held(plan, log)
    if plan.planned:
        try:
            deliver(plan, log, retry=retry)
        except ActivationError as error:
            stopped = error
    run = SyncRun(
        sync=plan.sync.name,
        run_id=log.run_id,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        planned=Counts.of(plan.counts),
        succeeded=_counts(log, "succeeded"),
        rejected=_counts(log, "rejected"),
        failed=_counts(log, "failed"),
        held=Counts.of(plan.held),
        guard=plan.guard,
        held_reason=plan.held_reason,
        refused=plan.refused,
        dead=plan.dead,
        left_out=plan.left_out,
        capped=plan.capped,
        payload_rows=plan.payload_rows,
        destination_rows=plan.destination_rows,
        stopped=plan.sync.account.redact(str(stopped)) if stopped else None,
        stop_code=stopped.stop_code if stopped else None,
    )
    # What was not tried must be looked at again, so the watermark stays below it.
    is_tried = stopped is None and not (run.left or run.held or run.capped)
    return replace(run, watermark=plan.watermark) if is_tried else run


def _digest(plan: Plan, raw: RawPlace, log_dir: Path) -> None:
    """Leave the next plan less to read. It could do without."""
    if max(plan.payload_rows, plan.destination_rows) < digest.WORTH_KEYS:
        return
    try:
        with facts_of(plan.con, raw, plan.sync.name):
            digest.write_digest(plan.con, plan.sync, log_dir, plan.digest)
    except (duckdb.Error, OSError) as error:
        _LOGGER.warning("%s: no digest was written: %s", plan.sync.name, error)


def _log_held(plan: Plan, log: SyncLog) -> None:
    for row in plan.newly_held():
        outcome = Outcome(
            row=row,
            outcome="held",
            code=plan.guard,
            message=plan.held_reason,
            ref=row.ref,
        )
        log.add(outcome)
    log.flush()


def _counts(log: SyncLog, outcome: str) -> Counts:
    return Counts(*(log.counts[outcome, name] for name in OPERATIONS))
