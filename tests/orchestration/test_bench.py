"""`kith bench`: a short run measures; a missing load generator is said in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.identity_graphs import SHAPES, more
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


@pytest.mark.slow
def test_kith_and_its_peers_find_the_same_profiles(tmp_path: Path) -> None:
    """The run itself fails when a result differs."""
    kith = Kith(tmp_path / "data")
    figures = kith.json("bench", "identity", "--links=20000", "--chain=500")
    measured = [(row["shape"], row["program"]) for row in figures["graphs"]]
    ours = ("kith, graph", "kith, profiles", "kith, all")
    programs = (*ours, "scipy", "splink", *(f"{name} +1 %" for name in ours))
    assert measured == [(shape, name) for shape in SHAPES for name in programs]
    assert [row["order"] for row in figures["chains"]] == ["sorted", "random"]
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.slow
def test_a_build_is_measured_as_a_whole_and_model_by_model(tmp_path: Path) -> None:
    kith = Kith(tmp_path / "data")
    figures = kith.json("bench", "scale", "--engines=duckdb", "--events=2000")
    builds = figures["builds"]
    assert [(build["events"], build["kind"]) for build in builds] == [
        (2_000, "full"),
        (2_000, "+1 %"),
    ]
    for build in builds:
        models = {node["name"] for node in build["nodes"] if node["kind"] == "model"}
        assert {"stg_events", "profiles", "vip_customers"} < models
        assert build["seconds"] > sum(node["seconds"] for node in build["nodes"])
        assert build["peak_mb"] >= max(node["peak_mb"] for node in build["nodes"]) > 0
        assert build["cpu_seconds"] > 0
        assert build["disk_mb"] > 0
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.slow
def test_audiences_are_the_same_people_as_those_found_by_hand(tmp_path: Path) -> None:
    """The run itself fails when somebody differs."""
    kith = Kith(tmp_path / "data")
    figures = kith.json("bench", "audiences", "--events=20000", "--people=2000")
    assert [build["kind"] for build in figures["builds"]] == ["full", "+1 %"]
    for build in figures["builds"]:
        assert build["seconds"] > build["by_hand_seconds"] > 0
        assert len(build["members"]) == 20
        assert sum(size > 0 for size in build["members"].values()) > 15
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("shape", SHAPES)
def test_accounts_and_devices_are_drawn_as_many_as_asked(shape: str) -> None:
    """No number stands for both, and what comes later is of old and new ones."""
    links = SHAPES[shape](20_000, np.random.default_rng(1))
    later = more(links, 200, np.random.default_rng(1))
    accounts, devices = (
        np.concatenate(ends) for ends in zip(links, later, strict=True)
    )
    assert 0.95 < len(links[0]) / 20_000 < 1.05
    assert not np.intersect1d(accounts, devices).size
    known = [np.isin(new, old).sum() for new, old in zip(later, links, strict=True)]
    assert known == [150, 50]


def test_a_missing_load_generator_is_said(tmp_path: Path) -> None:
    kith = Kith(tmp_path / "data", {"PATH": str(tmp_path)})
    result = kith.run("bench", "collector")
    assert result.returncode == 2
    assert "install it (Debian: apt-get install wrk" in result.stderr


@pytest.mark.slow
def test_plans_and_deliveries_are_measured_beside_their_limits(tmp_path: Path) -> None:
    """The run itself fails when changes are missed or requests are left out."""
    kith = Kith(tmp_path / "data")
    options = ("--diff=2000", "--rows=1000", "--runs=1")
    figures = kith.json("bench", "activations", *options)
    diffs = [(row["program"], row["changed"]) for row in figures["diffs"]]
    assert diffs == [("stored hash", 20), ("kith", 20)]
    assert [row["requests"] for row in figures["deliveries"]] == [10] * 5
    for row in (*figures["diffs"], *figures["deliveries"]):
        assert row["seconds"] > 0
        assert row["cpu_seconds"] > 0
    assert list((tmp_path / "data").iterdir()) == []
