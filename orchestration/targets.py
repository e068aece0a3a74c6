"""Which engine builds the warehouse: `KITH_TARGET`, an output of `profiles.yml`.

It is read here, once, and handed to dbt by the environment.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

DUCKDB = "duckdb"
VARIABLE = "KITH_TARGET"
# The oldest Java that the pinned Spark runs on.
_JAVA = 17
_ENDS_WITHIN = 5.0
_INSTALL = (
    ".venv/bin/python -m pip install --require-hashes --no-deps "
    "-r requirements-spark.lock"
)


class TargetProblem(Exception):
    """There is no such target, or something that it needs is missing."""


@dataclass(frozen=True)
class Target:
    """An output of `profiles.yml`: its name, its `type`, and how it is reached."""

    name: str
    type: str
    method: str | None = None

    @property
    def is_duckdb(self) -> bool:
        """Whether the warehouse is one DuckDB file."""
        return self.type == "duckdb"


def read_target(project_dir: Path, name: str | None = None) -> Target:
    """The target called `name`, or the one that `KITH_TARGET` says.

    Raises `TargetProblem` when the project has no such target.
    """
    name = name or os.environ.get(VARIABLE) or DUCKDB
    outputs = _outputs(project_dir)
    if name not in outputs:
        raise TargetProblem(
            f"there is no target '{name}' in {project_dir / 'profiles.yml'}; "
            f"its targets are {', '.join(outputs)}"
        )
    output = outputs[name]
    return Target(name, output["type"], output.get("method"))


def _outputs(project_dir: Path) -> dict[str, dict[str, str]]:
    """The outputs of the project's profile; what Jinja stands in is not looked at."""
    project = yaml.safe_load((project_dir / "dbt_project.yml").read_text("utf-8"))
    profiles = yaml.safe_load((project_dir / "profiles.yml").read_text("utf-8"))
    outputs: dict[str, dict[str, str]] = profiles[project["profile"]]["outputs"]
    return outputs


def require(target: Target, data_dir: Path) -> None:
    """Raise `TargetProblem` when the target cannot build `data_dir` in this process."""
    if target.type != "spark":
        return
    if importlib.util.find_spec("dbt.adapters.spark") is None:
        raise TargetProblem(
            f"the target '{target.name}' needs dbt-spark, which is not installed. "
            f"Run: {_INSTALL}"
        )
    if target.method == "session":
        _require_session(target)
        _require_own_session(data_dir)
        _end_session_at_exit()
        # Where Spark keeps its tables; the log of its catalog needs it from the start.
        (data_dir / target.type).mkdir(parents=True, exist_ok=True)


def _require_session(target: Target) -> None:
    """What Spark needs that runs in this process."""
    if importlib.util.find_spec("pyspark") is None:
        raise TargetProblem(
            f"the target '{target.name}' needs pyspark, which is not installed. "
            f"Run: {_INSTALL}"
        )
    if "SPARK_REMOTE" in os.environ:
        return  # Spark Connect: Java is where the server is
    java, version = _java()
    hint = "On Debian: apt-get install openjdk-17-jre-headless"
    if java is None:
        raise TargetProblem(
            f"the target '{target.name}' needs Java {_JAVA} or 21, and there is none, "
            f"neither in JAVA_HOME nor on the PATH. {hint}"
        )
    if version is None or version < _JAVA:
        found = "which cannot be run" if version is None else f"which is {version}"
        raise TargetProblem(
            f"the target '{target.name}' needs Java {_JAVA} or 21; it would take "
            f"{java}, {found}. {hint}, or set JAVA_HOME"
        )


def _java() -> tuple[str | None, int | None]:
    """The program that Spark would start, and its major version."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not Path(java).exists():
        return None, None
    try:
        told = subprocess.run(  # noqa: S603 - the Java that Spark is about to start
            [java, "-version"], capture_output=True, text=True, check=True
        ).stderr
    except (OSError, subprocess.CalledProcessError):
        return java, None
    # "17.0.15", or "1.8.0_392" as it was called until Java 9
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    return java, int(version[1]) if version else None


def _require_own_session(data_dir: Path) -> None:
    """A session that this process has already must keep its tables in `data_dir`.

    Spark fixes the place with the first session of a process, and would go on to write
    there whatever the next build asks for.
    """
    pyspark = sys.modules.get("pyspark")
    context = pyspark and pyspark.SparkContext._active_spark_context
    if context is None:
        return
    place = Path(context.getConf().get("spark.sql.warehouse.dir", ""))
    if place.resolve() != (data_dir / "spark" / "warehouse").resolve():
        raise TargetProblem(
            f"Spark runs in this process already and keeps its tables in {place}; "
            f"a build of {data_dir} needs a process of its own"
        )


@cache
def _end_session_at_exit() -> None:
    atexit.register(_end_session)


def _end_session() -> None:
    """End the way to Spark, if there is one, and wait for the thread that tidies it.

    Asleep while Python ends, that thread keeps what it knows of: DuckDB's module would
    be among it, and complain on standard error.
    """
    pyspark = sys.modules.get("pyspark")
    gateway = pyspark and pyspark.SparkContext._gateway
    if not gateway:
        return
    gateway.shutdown()
    for thread in threading.enumerate():
        if type(thread).__name__ == "FinalizerWorker":
            thread.join(timeout=_ENDS_WITHIN)
