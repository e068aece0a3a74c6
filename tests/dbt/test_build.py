"""`dbt build` in the project's folder, as an analytics engineer types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from collector.datasets import SYNC_LOG
from tests.dbt.conftest import DAY, PROJECT_DIR, START, Project, event_row

IDENTIFY = {"email": "Ada@example.com", "first_name": "Ada", "marketing_consent": True}
CART = {"cart_id": "c-1", "product_id": "p-1", "quantity": 2}


def test_a_fresh_clone_builds_and_running_again_adds_nothing(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    # Without rows a generic test cannot fail, and unit tests bring their own.
    dbt_build(project, "--exclude", "test_type:generic", "test_type:unit")
    assert project.query("select count(*) from profiles.profiles") == [(0,)]

    project.land(
        [
            event_row(message_id="view", properties={"path": "/"}),
            event_row(message_id="cart", event="Product Added", properties=CART),
            event_row(
                message_id="who", type="identify", user_id="ada", traits=IDENTIFY
            ),
        ],
        segment="s1",
    )
    project.land(
        [sync_log_row("succeeded"), sync_log_row("held", key="b@example.com")],
        segment="run",
        dataset=SYNC_LOG,
        partition={"sync": "files__newsletter_subscribers", "dt": DAY},
    )
    dbt_build(project)
    assert project.query(
        """
        select email, first_name, has_marketing_consent, identifier_count, event_count
        from profiles.profiles
        """
    ) == [("ada@example.com", "Ada", True, 3, 3)]
    assert project.query("select email from syncs.files__newsletter_subscribers") == [
        ("ada@example.com",)
    ]
    assert project.query(
        "select num_planned_add, num_succeeded_add, num_held from monitoring.sync_runs"
    ) == [(2, 1, 1)]

    assert project.query(
        "select sync, identifier_type, row_count, valid_count "
        "from monitoring.sync_identifier_quality where row_count > 0"
    ) == [("files__newsletter_subscribers", "email", 1, 1)]

    counts = row_counts(project)
    project.dbt("run")
    assert row_counts(project) == counts


def dbt_build(project: Project, *arguments: str) -> None:
    """Run the command itself, in the folder; it must not warn of anything."""
    result = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "--no-use-colors", "build", *arguments],
        cwd=PROJECT_DIR,
        env=os.environ | {"KITH_DATA_DIR": str(project.data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert not re.search(r"\[WARNING\]|Deprecat", result.stdout), result.stdout


def row_counts(project: Project) -> dict[str, int]:
    tables = project.query(
        "select table_schema || '.' || table_name from information_schema.tables"
    )
    return {
        table: project.query(f"select count(*) from {table}")[0][0]  # noqa: S608 -- ours
        for (table,) in tables
    }


def sync_log_row(outcome: str, *, key: str = "ada@example.com") -> dict[str, object]:
    return {
        "sync": "files__newsletter_subscribers",
        "run_id": "run",
        "at": START,
        "key": key,
        "operation": "insert",
        "outcome": outcome,
        "destination": "files",
        "action": "file",
        "attempts": 1,
    }
