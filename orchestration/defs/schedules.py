"""When what runs: the build every quarter of an hour, each sync as its model says.

Schedules are off until somebody switches them on (in the UI, or with
`dagster schedule start`), so that looking at a project never sends anything.
"""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
from typing import Any

import dagster as dg

from orchestration.defs.syncs import asset_key, check_keys, declared_syncs

BUILD_CRON = "*/15 * * * *"
CHECKS_CRON = "*/15 * * * *"

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.definitions
def defs() -> dg.Definitions:
    """The build, the checks of syncs, and one job per sync, each with its schedule."""
    syncs = declared_syncs()
    deliveries = dg.AssetSelection.assets(*(asset_key(sync) for sync in syncs))
    build = dg.define_asset_job(
        "build",
        selection=dg.AssetSelection.all() - deliveries,
        description="Land, transform and test everything, and publish it when green.",
    )
    checks = dg.define_asset_job(
        "sync_checks",
        selection=dg.AssetSelection.checks(
            *(key for sync in syncs for key in check_keys(sync))
        ),
        description="Check that syncs succeed on time, also those that do not run.",
    )
    schedules = [
        _schedule(build, cron=BUILD_CRON),
        _schedule(checks, cron=CHECKS_CRON),
    ]
    jobs = [build, checks]
    for sync in syncs:
        job = dg.define_asset_job(
            f"sync_{sync.name}",
            selection=dg.AssetSelection.assets(asset_key(sync)),
            description=f"Deliver {sync.name} from the published database.",
        )
        jobs.append(job)
        if sync.schedule is not None:
            schedules.append(_schedule(job, cron=sync.schedule))
    return dg.Definitions(jobs=jobs, schedules=schedules)


def _schedule(job: Any, *, cron: str) -> dg.ScheduleDefinition:
    """Runs `job` by `cron` in UTC, unless its last run is still under way."""

    @dg.schedule(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
    )
    def unless_running(
        context: dg.ScheduleEvaluationContext,
    ) -> dg.RunRequest | dg.SkipReason:
        running = dg.RunsFilter(job_name=job.name, statuses=UNFINISHED)
        if context.instance.get_run_records(running, limit=1):
            return dg.SkipReason(f"The last run of {job.name} is still under way.")
        return dg.RunRequest()

    return unless_running
