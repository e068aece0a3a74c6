"""A weekly scrub: reads everything raw, and fails when something is damaged."""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
import dagster as dg

from collector.scrub import scrub as scrub_files
from collector.settings import CollectorSettings
from orchestration.project import data_dir

SCRUB_CRON = "0 3 * * 0"


@dg.op
def read_everything(context: dg.OpExecutionContext) -> None:
    """Read all raw datasets and the log with their checksums; change nothing."""
    settings = CollectorSettings(data_dir=data_dir())
    report = scrub_files(settings.log_dir, settings.raw_place())
    for finding in report.findings:
        context.log.error(f"{finding.file}: {finding.problem}. {finding.mend}")
    metadata = {
        "files": report.files,
        "segments": report.segments,
        "rows": report.rows,
        "bytes": report.bytes,
    }
    if report.findings:
        raise dg.Failure(f"{len(report.findings)} findings", metadata=metadata)
    context.add_output_metadata(metadata)


@dg.job(description="Read all raw datasets and the log; fail when bits were lost.")
def scrub() -> None:
    """One step."""
    read_everything()


@dg.definitions
def defs() -> dg.Definitions:
    """The job and its schedule, off until somebody switches it on."""
    weekly = dg.ScheduleDefinition(
        name="scrub_schedule",
        job=scrub,
        cron_schedule=SCRUB_CRON,
        execution_timezone="UTC",
    )
    return dg.Definitions(jobs=[scrub], schedules=[weekly])
