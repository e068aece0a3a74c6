"""Raw files stay few and sound: before each build, by command, and every week."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from collector import compaction
from collector.files import ExchangeUnsupported
from collector.raw import ensure_datasets
from collector.settings import CollectorSettings
from orchestration.defs.scrub import scrub as scrub_job
from orchestration.project import DBT_PROJECT, BuildError, build
from orchestration.raw_files import compact_before_build
from tests.collector.small_files import files, write_events
from tests.kith import Kith


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Nine small files of one day, and what every dataset has."""
    ensure_datasets(tmp_path / "raw")
    for number in range(9):
        write_events(tmp_path / "raw", f"s{number}", 2)
    return tmp_path


def damage_one(data_dir: Path) -> Path:
    path = data_dir / "raw" / "events" / "dt=2026-11-01" / "s3.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    return path


def test_a_build_compacts_first(data_dir: Path, tmp_path: Path) -> None:
    # A project that dbt refuses at once: it has no name.
    project = tmp_path / "project"
    project.mkdir()
    (project / "dbt_project.yml").write_text("profile: kith\n")
    shutil.copy(DBT_PROJECT / "profiles.yml", project)
    with pytest.raises(BuildError, match="name"):
        build(data_dir, project_dir=project)
    assert len(files(data_dir / "raw" / "events")) == 2


def test_a_build_goes_on_without_compaction(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(one: Path, other: Path) -> None:
        raise ExchangeUnsupported(errno.EINVAL, "it cannot exchange", str(other))

    settings = CollectorSettings(data_dir=data_dir)
    warnings: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(compaction, "exchange", refuse)
        compact_before_build(settings, on_warning=warnings.append)
    assert "were not compacted" in warnings[0]
    assert "it cannot exchange" in warnings[0]
    assert len(files(data_dir / "raw" / "events")) == 10
    path = damage_one(data_dir)
    compact_before_build(settings, on_warning=warnings.append)
    assert str(path) in warnings[1]
    assert "./kith raw scrub" in warnings[1]
    assert len(files(data_dir / "raw" / "events")) == 3


def test_the_commands_tell_what_they_did_and_found(data_dir: Path) -> None:
    kith = Kith(data_dir, in_process=True)
    assert kith.json("raw", "scrub")["findings"] == []
    path = damage_one(data_dir)
    result = kith.run("raw", "compact")
    assert result.returncode == 1
    assert str(path) in result.stderr
    assert "merged 8 files" in result.stdout
    result = kith.run("raw", "scrub")
    assert result.returncode == 1
    assert "events/dt=2026-11-01/s3.parquet" in result.stdout
    assert "backup" in result.stdout
    assert "findings: 1" in result.stdout
    path.unlink()
    report = kith.json("raw", "compact")
    assert (report["partitions"], report["damaged"]) == (0, {})
    report = kith.json("raw", "scrub")
    assert (report["rows"], report["findings"]) == (16, [])


def test_object_storage_is_told_not_to_be_compacted(data_dir: Path) -> None:
    kith = Kith(data_dir, {"KITH_RAW_URL": "s3://bucket/raw"}, in_process=True)
    result = kith.run("raw", "compact")
    assert result.returncode == 2
    assert "s3://bucket/raw" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(files(data_dir / "raw" / "events")) == 10


def test_the_weekly_scrub_fails_on_damage(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_DATA_DIR", str(data_dir))
    assert scrub_job.execute_in_process().success
    damage_one(data_dir)
    run = scrub_job.execute_in_process(raise_on_error=False)
    assert not run.success
