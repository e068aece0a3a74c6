"""Spark for all tests of this folder: one Java, one session, one catalog.

The first session of a process fixes where its tables and its catalog are, so everything
here shares one data directory's `spark/`, and tests keep apart by their schemas or by
building the project anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from orchestration.project import DBT_PROJECT
from orchestration.targets import TargetProblem, read_target, require

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONF = Path(__file__).parent / "conf"


@pytest.fixture(scope="session", autouse=True)
def _needs_spark(spark_data_dir: Path) -> None:
    """Skip where Spark cannot run; where CI runs, that is a failure."""
    try:
        require(read_target(DBT_PROJECT, "spark"), spark_data_dir)
    except TargetProblem as problem:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def spark_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data directory of every build on Spark, with the environment that says so."""
    data_dir = tmp_path_factory.mktemp("spark-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KITH_DATA_DIR", str(data_dir))
        patch.setenv("KITH_SPARK_MEMORY", os.environ.get("KITH_SPARK_MEMORY", "2g"))
        patch.setenv("SPARK_CONF_DIR", str(_CONF))
        yield data_dir


@pytest.fixture(scope="session")
def spark(spark_data_dir: Path) -> Iterator[SparkSession]:
    """The session that dbt uses as well, made from the project's profile."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.enableHiveSupport()
    for name, value in _spark_settings().items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.conf.set("spark.sql.ansi.enabled", "false")  # as dbt-spark has it
    yield session
    session.stop()


def _spark_settings() -> dict[str, Any]:
    """The settings of the target `spark`, as dbt would render them."""
    from dbt.clients.jinja import get_rendered

    profiles = yaml.safe_load((DBT_PROJECT / "profiles.yml").read_text("utf-8"))
    settings = profiles["kith"]["outputs"]["spark"]["server_side_parameters"]
    context = {"env_var": lambda name, default: os.environ.get(name, default)}
    return {name: get_rendered(str(value), context) for name, value in settings.items()}
