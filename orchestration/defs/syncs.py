"""One asset per sync: delivers its rows from the published database to its tool."""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
from collections.abc import Iterator

import dagster as dg

from activations.runs import SyncRun, run_sync
from activations.syncs import Sync, load_syncs
from orchestration.defs.warehouse import PUBLISHED
from orchestration.project import data_dir, destinations_file, prepare_manifest

ACCEPTED = "rows_are_accepted"
NOT_HELD = "nothing_is_held_back"
MOST_REJECTED = 0.05
"""A larger share of rejected rows points at the payload, not at single rows."""


def asset_key(sync: Sync) -> dg.AssetKey:
    """The key of a sync's asset; its model has the key `syncs/<name>`."""
    return dg.AssetKey(["deliveries", sync.name])


def declared_syncs() -> list[Sync]:
    """The syncs of the dbt project; raises with all problems of their files."""
    prepare_manifest(data_dir())
    syncs = load_syncs(data_dir(), destinations_file=destinations_file())
    return list(syncs.values())


@dg.definitions
def defs() -> dg.Definitions:
    """The syncs' assets."""
    return dg.Definitions(assets=[_delivery(sync) for sync in declared_syncs()])


def _delivery(sync: Sync) -> dg.AssetsDefinition:
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
    def delivery() -> Iterator[dg.MaterializeResult[None]]:
        run = run_sync(sync, data_dir=data_dir())
        if run.stopped is not None:
            raise dg.Failure(run.stopped, metadata=_counts(run))
        yield dg.MaterializeResult(
            metadata=_counts(run),
            check_results=[_rows_are_accepted(run), _nothing_is_held_back(run)],
        )

    return delivery


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
    }


def _rows_are_accepted(run: SyncRun) -> dg.AssetCheckResult:
    tried = run.planned.total + run.refused
    share = (run.rejected.total + run.refused) / max(tried, 1)
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
