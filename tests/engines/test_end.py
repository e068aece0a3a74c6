"""A process that has used Spark ends without complaints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What is registered first runs last: by then nothing of Spark may be asleep.
PROGRAM = """
import atexit, sys, threading
from pathlib import Path
atexit.register(lambda: print([type(one).__name__ for one in threading.enumerate()]))
from orchestration.project import DBT_PROJECT
from orchestration.targets import read_target, require
require(read_target(DBT_PROJECT, "spark"), Path(sys.argv[1]))
from pyspark.sql import SparkSession
SparkSession.builder.master("local[1]").config("spark.ui.enabled", False).getOrCreate()
print("begun")
"""


def test_nothing_of_spark_is_asleep_when_python_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    begun, threads = done.stdout.splitlines()
    assert begun == "begun", done.stderr
    assert "FinalizerWorker" not in threads
    assert "_MainThread" in threads
