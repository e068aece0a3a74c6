"""A build publishes what is proven, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration.dbt_runs import NodeResult
from orchestration.project import BuildError, build, prepare_manifest
from orchestration.targets import Target, TargetProblem
from orchestration.warehouse import (
    NotGreen,
    WarehouseBusy,
    publish_warehouse,
    unproven,
    warehouse_lock,
)
from profiles.published import CURRENT, connect

PROJECT = {
    "dbt_project.yml": """
name: shop
profile: shop
flags: {send_anonymous_usage_stats: false}
models: {shop: {+materialized: table}}
""",
    "profiles.yml": """
shop:
  target: duckdb
  outputs:
    duckdb:
      type: duckdb
      path: "{{ env_var('KITH_DATA_DIR') }}/warehouse.duckdb"
      threads: 2
""",
    "models/numbers.sql": "select 1 as number",
    "models/doubled.sql": "select 2 * number as number from {{ ref('numbers') }}",
    "models/other.sql": "select 7 as number",
    "models/schema.yml": """
models:
  - name: numbers
    columns: [{name: number, data_tests: [not_null]}]
unit_tests:
  - name: doubles
    model: doubled
    given: [{input: ref('numbers'), rows: [{number: 4}]}]
    expect: {rows: [{number: 8}]}
""",
}
NODES = 4
DUCKDB = Target("duckdb", "duckdb")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A dbt project of three models and two tests."""
    directory = tmp_path / "dbt_project"
    (directory / "models").mkdir(parents=True)
    for name, text in PROJECT.items():
        (directory / name).write_text(text)
    return directory


def published_number(data_dir: Path) -> int:
    with connect(data_dir / "published") as connection:
        row = connection.execute("select number from doubled").fetchone()
    assert row is not None
    return int(row[0])


def test_a_green_build_is_published(project: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    seen: list[NodeResult] = []
    report = build(data_dir, project_dir=project, on_node=seen.append)
    assert report.counts == {"ok": NODES, "warn": 0, "error": 0, "skipped": 0}
    assert [(node.number, node.total) for node in seen] == [
        (number, NODES) for number in range(1, NODES + 1)
    ]
    assert {node.path for node in report.nodes if node.kind == "test"} == {
        "models/schema.yml"
    }
    assert report.published == data_dir / "published" / CURRENT
    assert published_number(data_dir) == 2
    assert (data_dir / "dbt" / "target" / "manifest.json").exists()
    assert (data_dir / "raw" / "events").is_dir()
    assert not {"target", "logs"} & {entry.name for entry in project.iterdir()}


def test_unit_tests_run_when_they_are_asked_for(project: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    report = build(data_dir, project_dir=project, unit_tests=True)
    assert report.counts["ok"] == NODES + 1
    seven = "select 7 as number from {{ ref('numbers') }}"
    (project / "models/doubled.sql").write_text(seven)
    build(data_dir, project_dir=project)
    with pytest.raises(BuildError, match="unit_test doubles"):
        build(data_dir, project_dir=project, unit_tests=True)


def test_a_failed_build_is_not_published_until_it_is_mended(
    project: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    build(data_dir, project_dir=project)
    (project / "models/numbers.sql").write_text("select cast(null as int) as number")
    with pytest.raises(BuildError) as caught:
        build(data_dir, project_dir=project)
    message = str(caught.value)
    assert "nothing was published" in message
    assert "- test not_null_numbers_number (models/schema.yml):" in message
    assert "1 more were skipped" in message
    assert [node.kind for node in caught.value.nodes] == ["test"]
    assert published_number(data_dir) == 2

    # The table that failed its test is in the warehouse; a green build of another
    # model must not carry it out.
    with pytest.raises(BuildError, match="not_null_numbers_number"):
        build(data_dir, project_dir=project, select="other")
    assert published_number(data_dir) == 2

    (project / "models/numbers.sql").write_text("select 5 as number")
    build(data_dir, project_dir=project, select="numbers+")
    assert published_number(data_dir) == 10


def test_a_project_that_dbt_cannot_read_is_explained(
    project: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    build(data_dir, project_dir=project)
    (project / "models/broken.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(BuildError, match="nowhere"):
        build(data_dir, project_dir=project)
    with pytest.raises(BuildError, match="nowhere"):
        prepare_manifest(data_dir, project_dir=project)
    assert not unproven(data_dir, DUCKDB), "nothing ran, so what was proven still is"


def test_a_selection_on_a_new_data_directory_needs_everything_first(
    project: Path, tmp_path: Path
) -> None:
    with pytest.raises(BuildError, match=r"Run `\./kith build`"):
        build(tmp_path / "data", project_dir=project, select="other")


def test_a_build_that_was_killed_is_not_published(
    project: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    build(data_dir, project_dir=project)
    (project / "models/numbers.sql").write_text(
        "select sum(length(md5(cast(i as varchar)))) as number "
        "from range(100000000000) as a(i)"
    )
    (project / "models/other.sql").write_text("select 8 as number")
    script = (
        "import sys; from pathlib import Path\n"
        "from orchestration.project import build\n"
        "build(Path(sys.argv[1]), project_dir=Path(sys.argv[2]), "
        "on_node=lambda node: print(node.name, flush=True))"
    )
    command = [sys.executable, "-c", script, str(data_dir), str(project)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    ) as building:
        assert building.stdout is not None
        first_finished = building.stdout.readline()
        building.kill()
    assert first_finished == b"other\n"
    with warehouse_lock(data_dir), pytest.raises(NotGreen, match="interrupted"):
        publish_warehouse(data_dir, DUCKDB)
    assert published_number(data_dir) == 2


def test_a_target_that_the_project_does_not_have_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_TARGET", "sparkle")
    with pytest.raises(
        TargetProblem, match=r"no target 'sparkle'.* targets are duckdb"
    ):
        build(tmp_path / "data", project_dir=project)
    assert build(tmp_path / "data", project_dir=project, target="duckdb")


def test_what_one_target_proved_says_nothing_of_another(
    project: Path, tmp_path: Path
) -> None:
    profiles = project / "profiles.yml"
    lines = profiles.read_text().replace("/warehouse.", "/other.").splitlines()
    other = "\n".join(lines[lines.index("    duckdb:") + 1 :])
    profiles.write_text(f"{PROJECT['profiles.yml']}    other:\n{other}\n")
    data_dir = tmp_path / "data"
    build(data_dir, project_dir=project)
    assert not unproven(data_dir, DUCKDB)
    with pytest.raises(BuildError, match=r"Run `\./kith build`"):
        build(data_dir, project_dir=project, target="other", select="numbers")


def test_models_take_the_moment_that_is_given_for_now(
    project: Path, tmp_path: Path
) -> None:
    (project / "models/moment.sql").write_text(
        "select '{{ run_started_at.isoformat() }}' as started_at"
    )
    moment = datetime(2026, 11, 1, 12, 30, 0, 5, tzinfo=UTC)
    build(tmp_path / "data", project_dir=project, moment=moment)
    with connect(tmp_path / "data" / "published") as connection:
        row = connection.execute("select started_at from moment").fetchone()
    assert row == (moment.isoformat(),)


def test_builds_do_not_overlap(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from orchestration.warehouse import warehouse_lock\n"
        "with warehouse_lock(Path(sys.argv[1])):\n"
        "    print(flush=True); time.sleep(float(sys.argv[2]))"
    )

    def hold(seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, str(tmp_path), str(seconds)]
        environment = {**os.environ, "PYTHONPATH": "."}
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert holder.stdout is not None
        holder.stdout.readline()
        return holder

    with hold(60) as holder:
        try:
            with (
                pytest.raises(WarehouseBusy, match=f"process {holder.pid}"),
                warehouse_lock(tmp_path, seconds=0.2),
            ):
                pass
        finally:
            holder.kill()
    messages: list[str] = []
    with hold(0.5) as holder, warehouse_lock(tmp_path, on_wait=messages.append):
        assert holder.wait() == 0
    assert messages == [f"Waiting for another build (process {holder.pid}) to finish."]


def test_the_manifest_is_parsed_only_after_a_change(
    project: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    manifest = prepare_manifest(data_dir, project_dir=project)
    first = manifest.stat().st_mtime_ns
    (project / "logs").mkdir()
    prepare_manifest(data_dir, project_dir=project)
    assert manifest.stat().st_mtime_ns == first

    (project / "models/new.sql").write_text("select 1 as number")
    prepare_manifest(data_dir, project_dir=project)
    assert "model.shop.new" in manifest.read_text()

    (project / "models/new.sql").unlink()
    prepare_manifest(data_dir, project_dir=project)
    assert "model.shop.new" not in manifest.read_text()


@pytest.mark.parametrize(
    "described",
    [
        "- name: late\n    description: Compiled from its yml.\n",
        "- {name: late, description: Compiled from its yml.}\n",
        "- description: Compiled from its yml.\n    name:   'late' # later\n",
    ],
)
def test_a_model_that_comes_after_its_yml_is_described_by_it(
    project: Path, tmp_path: Path, described: str
) -> None:
    (project / "models/late.yml").write_text(f"models:\n  {described}")
    prepare_manifest(tmp_path / "data", project_dir=project)
    (project / "models/late.sql").write_text("select 1 as number")
    manifest = prepare_manifest(tmp_path / "data", project_dir=project)
    late = json.loads(manifest.read_bytes())["nodes"]["model.shop.late"]
    assert late["description"] == "Compiled from its yml."


def test_what_a_model_says_while_it_is_built_is_a_warning_of_its_own(
    project: Path, tmp_path: Path
) -> None:
    warning = "{% if execute %}{% do exceptions.warn('seven is late') %}{% endif %}"
    (project / "models/other.sql").write_text(f"select 7 as number {warning}")
    report = build(tmp_path / "data", project_dir=project)
    assert report.counts == {"ok": NODES - 1, "warn": 1, "error": 0, "skipped": 0}
    assert [
        (node.name, node.message) for node in report.nodes if node.status == "warn"
    ] == [("other", "seven is late")]


def test_each_build_notes_what_its_nodes_took(project: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    before = datetime.now(UTC)
    report = build(data_dir, project_dir=project)
    (project / "models/numbers.sql").write_text("select cast(null as int) as number")
    with pytest.raises(BuildError):
        build(data_dir, project_dir=project)

    rows = read_builds(data_dir)
    first, second = sorted({row["started_at"] for row in rows})
    assert before <= first < second <= datetime.now(UTC)
    assert {
        (row["node"], row["seconds"]) for row in rows if row["started_at"] == first
    } == {(node.unique_id, node.seconds) for node in report.nodes}
    assert {
        (row["kind"], row["name"], row["status"], row["target"])
        for row in rows
        if row["started_at"] == second
    } == {
        ("model", "numbers", "ok", "duckdb"),
        ("model", "other", "ok", "duckdb"),
        ("test", "not_null_numbers_number", "error", "duckdb"),
    }, "what was skipped took nothing"
    assert len({row["build_id"] for row in rows}) == 2


def read_builds(data_dir: Path) -> list[dict[str, Any]]:
    files = (data_dir / "raw" / "builds").rglob("*.parquet")
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
