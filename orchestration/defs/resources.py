"""What runs share: dbt on this checkout's project, and one process per run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource

from orchestration.project import DBT_PROJECT, data_dir


@dg.definitions
def defs() -> dg.Definitions:
    """The resources, and the executor of all jobs."""
    # dbt runs in its project's directory, so the path it reads has to be absolute.
    os.environ["KITH_DATA_DIR"] = str(data_dir())
    dbt = DbtCliResource(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        # The one installed beside this Python, whether or not PATH knows it.
        dbt_executable=str(Path(sys.executable).with_name("dbt")),
    )
    # Steps of a run follow each other anyway; a process for each would only add the
    # seconds that loading dbt and Dagster takes.
    return dg.Definitions(resources={"dbt": dbt}, executor=dg.in_process_executor)
