"""`kith bench`: a short run measures; a missing load generator is said in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.kith import Kith


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs the program wrk")
def test_a_short_run_measures_everything(tmp_path: Path) -> None:
    kith = Kith(tmp_path / "data")
    figures = kith.json("bench", "collector", "--seconds=1", "--runs=1")
    assert len(figures["http"]) == 12
    for row in figures["http"]:
        assert row["events_per_second"] > 0
        assert (row["refused"], row["broken"]) == (0, 0)
        assert (row["log_bytes_per_event"] is None) == (row["server"] == "read only")
    assert figures["landing"]["of_duckdb"] > 0
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.slow
def test_the_cost_of_the_plan_is_measured_and_nothing_left_behind(
    tmp_path: Path,
) -> None:
    kith = Kith(tmp_path / "data")
    figures = kith.json("bench", "plan", "--events=1000")
    assert figures["live"]["microseconds_per_event"] > 0
    assert figures["warehouse"]["seconds_per_million_events"] > 0
    assert figures["warehouse"]["violations"] == 300
    assert list((tmp_path / "data").iterdir()) == []


def test_a_missing_load_generator_is_said(tmp_path: Path) -> None:
    kith = Kith(tmp_path / "data", {"PATH": str(tmp_path)})
    result = kith.run("bench", "collector")
    assert result.returncode == 2
    assert "install it (Debian: apt-get install wrk" in result.stderr
