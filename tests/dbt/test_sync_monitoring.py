"""What monitoring tells of syncs, from facts about their runs and rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

import duckdb
import pytest

from activations.cron import ticks_before
from activations.syncs import load_syncs
from collector.datasets import SYNC_LOG
from orchestration.project import DESTINATIONS
from orchestration.sync_health import read_health
from tests.dbt.conftest import Project, invoke_dbt, parsed
from tests.orchestration.sync_facts import write_run

CRM, FILES = "crm__vip_customers", "files__newsletter_subscribers"
MINUTE = timedelta(minutes=1)
SCHEDULES = (
    *("*/15 * * * *", "0 6 * * mon-fri", "30 12 * * 7", "0 3 1 * *"),
    *("0 0 29 2 *", "5/20 9-10 * * *", "0 0 13 * fri", "15,45 0-6/2 1-7 JAN,jul *"),
)


def test_what_alerts_judge_by_is_what_monitoring_shows(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    now = datetime.now(UTC)
    # Due at one of the last two quarters of an hour; it was last done long before.
    write_run(project.data_dir, CRM, at=now - 3 * 24 * 60 * MINUTE)
    write_run(
        project.data_dir,
        CRM,
        at=now - MINUTE,
        status="held",
        guard="empty",
        held_reason="The payload is empty.",
        destination_rows=80,
        held_delete=40,
        left_out=3,
    )
    write_run(
        project.data_dir,
        FILES,
        at=now - 2 * MINUTE,
        payload_rows=50,
        planned_insert=9,
        succeeded_insert=3,
        rejected_insert=4,
        failed_insert=2,
        refused=1,
    )
    killed = write_run(project.data_dir, FILES, at=now - 9 * MINUTE, status=None)
    project.land(
        [sync_log_row("ada", killed, at=now - 8 * MINUTE)],
        segment="killed",
        dataset=SYNC_LOG,
        partition={"sync": FILES, "dt": f"{now:%Y-%m-%d}"},
    )

    selection = ("--select", "+sync_health", "sync_snapshot", "stg_alerts")
    project.dbt("build", *selection, with_artifacts=True)

    syncs = load_syncs(project.data_dir, destinations_file=DESTINATIONS)
    health = read_health(syncs.values(), data_dir=project.data_dir, now=now)
    columns = (
        *("state", "problem", "reason", "last_run_id", "last_run_status"),
        *("last_run_at", "last_success_at", "due_since", "rejected_share"),
        *("failed_share", "held_share"),
    )
    shown = {
        sync: dict(zip(columns, row, strict=True))
        for sync, *row in project.query(
            # Names written above.
            f"select sync_id, {', '.join(columns)} "  # noqa: S608 - see above
            "from monitoring.sync_health"
        )
    }
    assert shown == {
        name: {column: getattr(each, column) for column in columns}
        for name, each in health.items()
    }
    assert (shown[CRM]["state"], shown[CRM]["problem"]) == ("critical", "overdue")
    assert (shown[FILES]["state"], shown[FILES]["rejected_share"]) == ("warning", 0.1)
    assert project.query(
        """
        select sync_run_id, status, num_attempted_add, num_succeeded_add, error
        from monitoring.sync_runs
        where status = 'killed'
        """
    ) == [(killed, "killed", 1, 1, "The process ended before the run did.")]
    assert project.query(
        "select sync_id, row_id, status, is_in_destination "
        "from monitoring.sync_snapshot"
    ) == [(FILES, "ada", "succeeded", True)]


def test_builds_and_dagster_agree_on_when_a_schedule_fell_due(
    make_project: Callable[[], Project],
) -> None:
    make_project()
    ticks = "\n".join(
        f"{{% for tick in ticks_before('{schedule}', run_started_at, 2) %}}"
        "{{ tick.isoformat() }} {% endfor %}"
        for schedule in SCHEDULES
    )
    sql = f"{{{{ run_started_at.isoformat() }}}}\n{ticks}"
    (started_at,), *shown = (
        [datetime.fromisoformat(time) for time in line.split()]
        for line in compiled(sql).splitlines()
    )
    assert shown == [
        list(islice(ticks_before(schedule, started_at), 2)) for schedule in SCHEDULES
    ]


@pytest.mark.parametrize(
    ("column", "values", "counts"),
    [
        (
            "billing_email",
            [
                *("ada@example.com", " Ada@Example.com", "o'neil+x@mail.example.co.uk"),
                *("", None, "ada", "ada@localhost", "a@b@example.com", "a b@c.de"),
                *("ada@example..com", "ada@.com"),
            ],
            (11, 9, 3, 2),
        ),
        (
            "mobile_number",
            [
                *("+4930123456", "+49 30 123-456", "+1 (212) 555.0100"),
                *("030 123456", "+0000", "+49", None, "phone", "+491234567890123456"),
            ],
            (9, 8, 3, 2),
        ),
    ],
)
def test_addresses_and_numbers_that_no_destination_can_use_are_counted(
    make_project: Callable[[], Project],
    column: str,
    values: list[str | None],
    counts: tuple[int, ...],
) -> None:
    make_project()
    sql = compiled(f"{{{{ quality_of_column('given', '{column}') }}}}")
    with duckdb.connect() as con:
        con.execute(f"create table given as select unnest($1) as {column}", [values])
        (found,) = con.execute(sql).fetchall()
    kind = "email" if "mail" in column else "phone"
    # rows, with a value, valid, different
    assert found == (column, kind, *counts)


def compiled(sql: str) -> str:
    """What dbt makes of SQL that calls the project's macros."""
    result = invoke_dbt("compile", "--inline", sql, manifest=parsed(()).deepcopy())
    assert result.success, result.exception
    (made,) = getattr(result.result, "results", [])
    return str(made.node.compiled_code)


def sync_log_row(key: str, run_id: str, *, at: datetime) -> dict[str, object]:
    return {
        "sync": FILES,
        "run_id": run_id,
        "at": at,
        "key": key,
        "operation": "insert",
        "outcome": "succeeded",
        "destination": "files",
        "action": "file",
        "attempts": 1,
    }
