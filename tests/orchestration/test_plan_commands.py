"""The commands of `kith plan`: what they write, what they leave alone, how they end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import typer
import yaml

from collector.plan import Plan, Rule, load_plan
from orchestration.cli import main
from orchestration.cli.plan_files import finish
from orchestration.plans.importing import files_for, with_common
from orchestration.plans.segment_json import from_segment, to_segment
from orchestration.plans.spreadsheet import from_csv, to_csv
from orchestration.project import DBT_PROJECT

Call = Callable[..., "subprocess.CompletedProcess[str]"]

PAYLOAD = {
    "type": "object",
    "properties": {"Video ID": {"type": "string"}, "seconds": {"type": "integer"}},
    "required": ["Video ID"],
}
DOCUMENT = {
    "rules": {
        "global": {
            "properties": {
                "context": {"properties": {"locale": {"type": "string"}}},
            }
        },
        "events": [
            {
                "name": "Video Played",
                "description": "Somebody watched.",
                "rules": {"properties": {"properties": PAYLOAD}},
            }
        ],
    }
}


@pytest.fixture
def call(
    tmp_path: Path,
    give_manifest: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """Runs the command in this process, on a data directory without events."""
    give_manifest(tmp_path / "data")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = ["kith", "plan", *arguments]
        with (
            patch.dict(os.environ, {"KITH_DATA_DIR": str(tmp_path / "data")}),
            patch.object(sys, "argv", line),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(line, ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def plan(manifest: Path) -> Plan:
    """The plan of this project."""
    return load_plan(manifest)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the event models, to write to."""
    models = tmp_path / "dbt" / "models"
    shutil.copytree(DBT_PROJECT / "models" / "events", models / "events")
    return tmp_path / "dbt"


def _finish(wanted: list[Any], *, force: bool = False, dry_run: bool = False) -> int:
    """How the command ends after writing these files."""
    try:
        finish(wanted, force=force, dry_run=dry_run, as_json=False)
    except typer.Exit as ended:
        return ended.exit_code
    return 0


def test_what_was_exported_is_planned_already(plan: Plan, project: Path) -> None:
    left: list[str] = []
    forms = (
        from_segment(json.loads(json.dumps(to_segment(plan, name="Shop"))), left),
        from_csv(to_csv(plan), left),
    )
    for imported in forms:
        models = [event.model for event in plan.events]
        wanted = files_for(imported, plan, left, models=models, project_dir=project)
        assert wanted == []
    assert left == []


def test_an_imported_event_becomes_a_pair_and_nobodys_work_is_lost(
    plan: Plan, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left: list[str] = []
    document = {"rules": {"events": DOCUMENT["rules"]["events"]}}
    imported = from_segment(document, left)

    def wanted() -> list[Any]:
        return files_for(imported, plan, left, models=(), project_dir=project)

    sql = project / "models" / "events" / "video_played.sql"
    assert _finish(wanted(), dry_run=True) == 0
    assert "+where event = 'Video Played'" in capsys.readouterr().out
    assert not sql.exists()

    assert _finish(wanted()) == 0
    assert "property('Video ID') }} as video_id" in sql.read_text("utf-8")
    [model] = yaml.safe_load(sql.with_suffix(".yml").read_text("utf-8"))["models"]
    assert model["description"] == "Somebody watched. One row per event."
    assert model["columns"][-2]["config"]["meta"] == {
        "property": "Video ID",
        "required": True,
    }
    assert _finish(wanted()) == 0

    capsys.readouterr()
    edited = sql.read_text("utf-8") + "-- by hand\n"
    sql.write_text(edited, encoding="utf-8")
    assert _finish(wanted()) == 1
    assert "--force writes over it" in capsys.readouterr().err
    assert sql.read_text("utf-8") == edited
    assert _finish(wanted(), force=True) == 0
    assert "by hand" not in sql.read_text("utf-8")


def test_common_rules_go_where_the_plan_has_them(plan: Plan, project: Path) -> None:
    left: list[str] = []
    imported = from_segment({"rules": {"global": DOCUMENT["rules"]["global"]}}, left)
    [wanted] = files_for(imported, plan, left, models=(), project_dir=project)
    assert wanted.path.name == "events.yml"
    before = yaml.safe_load(wanted.before or "")["models"][0]
    after = yaml.safe_load(wanted.text)["models"][0]
    meta = after.pop("config")["meta"]
    assert meta["common"] == {"context.locale": {"type": "string"}}
    before.pop("config", None)
    assert after == before
    again = with_common(wanted.text, {"userId": Rule(required=True)})
    assert yaml.safe_load(again)["models"][0]["config"]["meta"]["common"] == {
        "userId": {"required": True}
    }
    assert "# a note" in with_common(
        "models:\n  - name: events\n    config: {tags: [x]}\n    # a note\n"
        "    description: All.\n",
        {"userId": Rule(required=True)},
    )


def test_a_further_version_asks_for_the_first_one_to_be_narrowed(
    plan: Plan, project: Path
) -> None:
    left: list[str] = []
    entry = {"name": "Signed In", "version": 2, "rules": {}}
    imported = from_segment({"rules": {"events": [entry]}}, left)
    models = [event.model for event in plan.events]
    sql, yml = files_for(imported, plan, left, models=models, project_dir=project)
    assert sql.path.name == "signed_in_v2.sql"
    assert "where event = 'Signed In' and event_version = 2" in sql.text
    assert "version: 2" in yml.text
    [told] = left
    assert "models/events/signed_in.sql" in told
    assert "add `and event_version = 1`" in told


def test_lint_names_file_and_line(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "src" / "shop.ts"
    file.parent.mkdir()
    source = 'analytics.track("Signed Up", {\n  method: "fax",\n});\n'
    file.write_text(f"{source}analytics.track(name);\n", encoding="utf-8")
    result = call("lint", str(file.parent))
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        f"{file}:2: enum: 'Signed Up': 'method' must be one of email, google, apple, "
        'here it is "fax"'
    ]
    assert "2 tracking calls in 1 files: 1 problems, 1 not checked" in result.stderr
    verbose = call("lint", "--verbose", str(file.parent))
    assert f"{file}:4: not_checked: the name" in verbose.stdout
    found = json.loads(call("lint", "--json", str(file.parent)).stdout)
    assert [one["line"] for one in found["problems"]] == [2]
    file.write_text('analytics.track("Signed Up", {method: "email"});\n', "utf-8")
    assert call("lint", str(file.parent)).returncode == 0


def test_a_plan_is_exported_and_found_to_be_planned(call: Call, tmp_path: Path) -> None:
    for name in ("plan.json", "plan.csv"):
        file = tmp_path / name
        assert call("export", str(file)).returncode == 0
        result = call("import", "--dry-run", "--json", str(file))
        assert result.returncode == 0, result.stderr
        told = json.loads(result.stdout)
        assert told == {"new": [], "replaced": [], "kept": [], "left_to_you": []}
    assert json.loads(call("export").stdout)["rules"]["events"]
    assert call("export", "--format", "csv").stdout.startswith("Rule Type,")


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("python", "def order_completed("),
        ("typescript", "export function orderCompleted("),
    ],
)
def test_types_are_shown_or_written(
    call: Call, tmp_path: Path, language: str, told: str
) -> None:
    shown = call("types", "--language", language)
    assert told in shown.stdout
    file = tmp_path / "tracking"
    assert call("types", "--language", language, "-o", str(file)).returncode == 0
    assert file.read_text("utf-8") == shown.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["infer", "--since", "a week"], "no length of time: 30m, 24h, 7d, 2w"),
        (["infer"], "Run `./kith build`"),
        (["import", "plan.txt"], "a plan is a .json or a .csv file"),
        (["import", "plan.json"], "is no tracking plan: there are no 'rules'"),
        (["types", "--language", "cobol"], "'python', 'typescript'"),
        (["lint", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_a_mistake_is_told(
    call: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.txt").write_text("")
    (tmp_path / "plan.json").write_text("{}")
    result = call(*arguments)
    assert result.returncode == 2
    assert told in result.stderr
