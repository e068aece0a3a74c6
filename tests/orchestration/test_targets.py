"""What a target needs of the machine, and what is said when it is not there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.project import DBT_PROJECT
from orchestration.targets import Target, TargetProblem, read_target, require

SPARK = Target("spark", "spark", "session")


@pytest.fixture
def with_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if requirements-spark.lock were installed; what matters here is Java."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def java(directory: Path, told: str) -> None:
    """A program that says what a Java of some version says."""
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    program.chmod(0o755)


def test_the_targets_of_the_project(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KITH_TARGET", raising=False)
    assert read_target(DBT_PROJECT) == Target("duckdb", "duckdb")
    assert read_target(DBT_PROJECT, "spark") == SPARK
    monkeypatch.setenv("KITH_TARGET", "spark")
    assert read_target(DBT_PROJECT) == SPARK
    require(Target("duckdb", "duckdb"), tmp_path)


@pytest.mark.usefixtures("with_packages")
def test_no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        TargetProblem, match=r"needs Java 17 .* on the PATH\. On Debian"
    ):
        require(SPARK, tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TargetProblem, match="neither in JAVA_HOME"):
        require(SPARK, tmp_path)


@pytest.mark.usefixtures("with_packages")
@pytest.mark.parametrize(
    ("told", "found"),
    [
        ('openjdk version "11.0.22" 2024-01-16', "which is 11"),
        ('java version "1.8.0_392"', "which is 8"),
        ("Error: could not find libjava.so", "which cannot be run"),
    ],
)
def test_java_of_the_wrong_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str, found: str
) -> None:
    java(tmp_path, told)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TargetProblem, match=f"{tmp_path}/bin/java, {found}"):
        require(SPARK, tmp_path)


@pytest.mark.usefixtures("with_packages")
@pytest.mark.parametrize("version", ["17.0.15", "21", "21.0.2"])
def test_java_of_the_right_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    java(tmp_path, f'openjdk version "{version}" 2025-04-15')
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    require(SPARK, tmp_path)


@pytest.mark.parametrize(
    ("missing", "said"),
    [("dbt.adapters.spark", "needs dbt-spark"), ("pyspark", "needs pyspark")],
)
def test_packages_that_are_not_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: str, said: str
) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else name
    )
    with pytest.raises(TargetProblem, match=rf"{said}.*requirements-spark\.lock"):
        require(SPARK, tmp_path)


def test_a_cluster_needs_no_java_here(
    monkeypatch: pytest.MonkeyPatch, with_packages: None, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    require(Target("cluster", "spark", "thrift"), tmp_path)


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    java(tmp_path, 'openjdk version "11.0.22" 2024-01-16')
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed, which is what would be said")
    kith = shutil.which("kith", path=str(Path(sys.executable).parent))
    assert kith is not None
    result = subprocess.run(
        [kith, "build", "--target", "spark"],
        env={**os.environ, "KITH_DATA_DIR": str(tmp_path), "JAVA_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("kith: the target 'spark' needs Java 17")
    assert result.stderr.count("\n") == 1
