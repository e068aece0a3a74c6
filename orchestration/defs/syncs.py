"""One asset per sync: delivers its rows from the published database to its tool."""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import dagster as dg

from activations.errors import SyncRunning
from activations.retries import Retry
from activations.runs import SyncRun, run_sync
from activations.sync import Sync
from activations.syncs import load_syncs
from orchestration.defs.warehouse import PUBLISHED
from orchestration.project import data_dir, destinations_file, prepare_manifest
from orchestration.sync_health import MOST_REJECTED, Health, read_health

ACCEPTED = "rows_are_accepted"
NOT_HELD = "nothing_is_held_back"
ON_TIME = "runs_succeed_on_time"
NO_DEAD = "no_rows_are_given_up"

UNAVAILABLE = "unavailable"
LATER = (600.0, 1800.0)
"""After so many seconds a run is tried again, once each, whose destination did not
answer. It has been patient itself by then; nothing else that stops it will pass."""


def asset_key(sync: Sync) -> dg.AssetKey:
    """The key of a sync's asset; its model has the key `syncs/<name>`."""
    return dg.AssetKey(["deliveries", sync.name])


def declared_syncs() -> list[Sync]:
    """The syncs of the dbt project; raises with all problems of their files."""
    return list(_syncs(data_dir(), destinations_file()))


@cache  # several files ask while the definitions load, and the catalog takes a second
def _syncs(data_dir: Path, destinations_file: Path) -> tuple[Sync, ...]:
    prepare_manifest(data_dir)
    syncs = load_syncs(data_dir, destinations_file=destinations_file)
    return tuple(syncs.values())


@dg.definitions
def defs() -> dg.Definitions:
    """The syncs' assets, and the checks that hold between runs too."""
    syncs = declared_syncs()
    return dg.Definitions(
        assets=[delivery_of(sync) for sync in syncs],
        asset_checks=[checks_of(sync) for sync in syncs],
    )


def delivery_of(sync: Sync, *, retry: Retry | None = None) -> dg.AssetsDefinition:
    """The asset that runs a sync; `retry` is the patience of the delivery itself."""
    key = asset_key(sync)

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([sync.schema, sync.table]), PUBLISHED],
        group_name="syncs",
        # Limit 1 as for every pool: two runs of one sync do not overlap.
        pool=f"sync_{sync.name}",
        kinds={sync.account.tool},
        description=(
            f"Rows of {sync.schema}.{sync.table} in the account "
            f"{sync.account.name}, action {sync.action_name}, mode {sync.mode}."
        ),
        check_specs=[
            dg.AssetCheckSpec(ACCEPTED, asset=key),
            dg.AssetCheckSpec(NOT_HELD, asset=key),
        ],
    )
    def delivery(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None]]:
        try:
            run = run_sync(sync, data_dir=data_dir(), retry=retry)
        except SyncRunning as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        if run.stopped is not None:
            raise _failure(context, run)
        yield dg.MaterializeResult(
            metadata=_counts(run),
            check_results=[_rows_are_accepted(run), _nothing_is_held_back(run)],
        )

    return delivery


def checks_of(sync: Sync) -> dg.AssetChecksDefinition:
    """What is checked after a sync's runs, and between them by `sync_checks`."""
    key = asset_key(sync)

    @dg.multi_asset_check(
        name=f"checks_of_{sync.name}",
        specs=[
            dg.AssetCheckSpec(
                ON_TIME,
                asset=key,
                description="A run has succeeded since the last time but one.",
            ),
            dg.AssetCheckSpec(
                NO_DEAD,
                asset=key,
                description="No row has failed so often that it is sent no more.",
            ),
        ],
    )
    def checks() -> Iterator[dg.AssetCheckResult]:
        now = datetime.now(UTC)
        health = read_health([sync], data_dir=data_dir(), now=now)[sync.name]
        yield _runs_succeed_on_time(key, health)
        yield _no_rows_are_given_up(key, health)

    return checks


def check_keys(sync: Sync) -> list[dg.AssetCheckKey]:
    """The checks of a sync that can be made without running it."""
    return [dg.AssetCheckKey(asset_key(sync), name) for name in (ON_TIME, NO_DEAD)]


def _failure(context: dg.AssetExecutionContext, run: SyncRun) -> Exception:
    """How a run ends that was stopped: tried again later, if that may help."""
    if run.stop_code == UNAVAILABLE and context.retry_number < len(LATER):
        context.log.warning(run.stopped)
        wait = LATER[context.retry_number]
        return dg.RetryRequested(max_retries=len(LATER), seconds_to_wait=wait)
    return dg.Failure(run.stopped, metadata=_counts(run), allow_retries=False)


def _counts(run: SyncRun) -> dict[str, int | str]:
    """Rows by what became of them; planned = succeeded + rejected + failed + left."""
    return {
        "run_id": run.run_id,
        "payload_rows": run.payload_rows,
        "planned": run.planned.total,
        "succeeded": run.succeeded.total,
        "rejected": run.rejected.total,
        "failed": run.failed.total,
        "left": run.left,
        "held": run.held.total,
        "refused": run.refused,
        "given_up": run.dead,
        "without_consent": run.left_out,
        "capped": run.capped,
    }


def _rows_are_accepted(run: SyncRun) -> dg.AssetCheckResult:
    refused = run.rejected.total + run.refused
    tried = run.succeeded.total + run.failed.total + refused
    share = refused / max(run.payload_rows, tried, 1)
    return dg.AssetCheckResult(
        check_name=ACCEPTED,
        passed=share <= MOST_REJECTED,
        metadata={"rejected_share": share},
    )


def _nothing_is_held_back(run: SyncRun) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=NOT_HELD,
        passed=run.held_reason is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=run.held_reason,
    )


def _runs_succeed_on_time(key: dg.AssetKey, health: Health) -> dg.AssetCheckResult:
    since, last = health.due_since, health.last_success_at
    is_late = since is not None and (last is None or last < since)
    told = f"{last:%Y-%m-%d %H:%M} UTC" if last else "never"
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=ON_TIME,
        passed=not is_late,
        description=f"Last success: {told}.",
        metadata={"last_success": told},
    )


def _no_rows_are_given_up(key: dg.AssetKey, health: Health) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=NO_DEAD,
        passed=health.dead == 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"rows": health.dead},
    )
