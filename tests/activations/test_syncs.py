"""Syncs: `meta.sync` is checked against accounts, catalog and model, all at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from activations.cron import cron_problem
from activations.errors import ConfigError
from activations.runs import run_sync
from activations.syncs import dbt_manifest, find_problems, load_syncs
from collector.errors import ObjectStorageError
from profiles.published import PublishedDatabaseMissing, publish
from tests.object_storage import ObjectServer, refusal

GOOD = {"destination": "files", "action": "file", "mode": "mirror", "key": "email"}
ACCOUNTS = """
files:
  manifest: files
  settings: {location: "{{ env_var('OUT', 'out') }}"}
hub:
  manifest: hubspot
  settings: {access_token: "{{ env_var('TOKEN') }}"}
"""


class Project:
    """A data directory with dbt's manifest of some models, and a destinations file."""

    def __init__(self, tmp_path: Path) -> None:
        self.data_dir = tmp_path / "data"
        self.file = tmp_path / "destinations.yml"
        self.file.write_text(ACCOUNTS, encoding="utf-8")
        self._nodes: dict[str, Any] = {}
        self._write()

    def add(
        self,
        name: str,
        sync: Any,
        *,
        folder: str = "models/syncs",
        materialized: str = "sync",
        sql: str = "select profile_id as _profile_id, email, plan",
    ) -> None:
        meta = {} if sync is None else {"sync": sync}
        self._nodes[f"model.kith.{name}"] = {
            "resource_type": "model",
            "unique_id": f"model.kith.{name}",
            "name": name,
            "alias": name,
            "schema": "syncs",
            "original_file_path": f"{folder}/{name}.sql",
            "patch_path": f"kith://{folder}/{name}.yml",
            "raw_code": sql,
            "config": {"meta": meta, "materialized": materialized},
            "columns": {"email": {}, "plan": {}},
        }
        self._write()

    def _write(self) -> None:
        path = dbt_manifest(self.data_dir)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"nodes": self._nodes}), encoding="utf-8")

    def problems(self) -> str:
        found = find_problems(self.data_dir, destinations_file=self.file, environ={})
        return "\n".join(found)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_a_sync_is_read_from_its_model(project: Project) -> None:
    project.add("files__people", GOOD | {"schedule": "*/15 6-22 * * mon-fri"})
    project.add("profiles", None, folder="models/profiles")
    syncs = load_syncs(project.data_dir, destinations_file=project.file, environ={})
    (sync,) = syncs.values()
    assert (sync.name, sync.model) == ("files__people", "model.kith.files__people")
    assert (sync.mode, sync.key, sync.leave) == ("mirror", "email", "delete")
    assert sync.guards.max_delete_share == 0.1
    assert sync.action.connector == "files"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"destination": "fils"}, "no account 'fils'. Accounts: files, hub."),
        ({"action": "rows"}, "'files' has no 'rows'. Actions: file, changes."),
        ({"mode": "sync"}, "meta.sync.mode: "),
        ({"key": "mail"}, "'mail' is not a column of the model. Columns: email, plan."),
        ({"schedule": "61 * * * *"}, "'61' is not a minute (0-59)"),
        ({"guards": {"max_delete_share": 1.5}}, "sync.guards.max_delete_share: "),
        ({"guards": {"max_share": 1}}, "Keys: max_delete_share, max_change_share"),
        ({"guards": {"max_age": "a day"}}, "'a day' is not an age. Write '26 hours'"),
        ({"control_group": "no"}, "meta.sync.control_group: "),
        ({"on_leave": "forget"}, "meta.sync.on_leave"),
        ({"on_leave": {"set": {"vip": False}}}, "'vip' is not a column of the model."),
        ({"on_leave": {"set": {"email": None}}}, "'email' is the key; it stays what"),
        ({"on_leave": {"set": {}}}, "meta.sync.on_leave"),
        ({"on_leave": {"set": {"plan": float("inf")}}}, "finite number"),
        ({"consent": ["may_mail"]}, "meta.sync.consent: 'may_mail' is not a column"),
        ({"watermark": "plan"}, "meta.sync.watermark: only the mode append has one."),
        ({"mode": "append"}, "meta.sync.watermark: append needs it"),
        (
            {"mode": "append", "watermark": "plan", "on_leave": "delete"},
            "meta.sync.on_leave: append never changes what it sent.",
        ),
        ({"mode": "audience"}, "meta.sync.mode: 'file' cannot audience. Modes: "),
        ({"priority": "urgent"}, "meta.sync.priority: "),
        ({"colour": 1}, "meta.sync.colour: there is no such key. Keys: destination,"),
        ({"key": "plan", "destination": "hub", "action": "contacts"}, "by 'email'"),
    ],
)
def test_wrong_words_are_told_with_the_right_ones(
    project: Project, change: dict[str, Any], expected: str
) -> None:
    project.add("a", GOOD | change)
    with pytest.raises(ConfigError) as caught:
        load_syncs(project.data_dir, destinations_file=project.file, environ={})
    assert expected in str(caught.value)
    assert str(caught.value).startswith("models/syncs/a.yml: a: meta.sync.")


def test_the_key_is_one_by_which_members_are_found(project: Project) -> None:
    settings = "{access_token: \"{{ env_var('TOKEN') }}\", ad_account_id: '42'}"
    ads = f"ads:\n  manifest: meta_audiences\n  settings: {settings}\n"
    project.file.write_text(ACCOUNTS + ads, encoding="utf-8")
    sync = {"destination": "ads", "action": "audience", "mode": "audience"}
    project.add("a", sync | {"key": "plan", "options": {"audience": "VIPs"}})
    assert "'audience' finds records by 'email' or 'phone' or" in project.problems()


def test_all_problems_of_all_files_are_told_at_once(project: Project) -> None:
    project.add("a", GOOD | {"key": "mail", "schedule": "hourly"})
    project.add("b", None)
    project.add("c", GOOD, folder="models/audiences")
    project.add("d", {"destination": "hub"})
    found = project.problems()
    for expected in (
        "a: meta.sync.key: 'mail'",
        "a: meta.sync.schedule: 'hourly' has 1 fields",
        "b: meta.sync: the model has no `meta.sync`",
        "c: meta.sync: a sync lives in models/syncs/",
        "d: meta.sync.action: Field required",
        "d: meta.sync.mode: Field required",
        "destinations.yml:7: hub.settings.access_token",
    ):
        assert expected in found, f"{expected!r} is missing in\n{found}"


def test_a_sync_tells_whose_its_rows_are(project: Project) -> None:
    project.add("a", GOOD, sql="select email, plan, a_profile_id from people")
    project.add("b", GOOD | {"control_group": "ignore"}, sql="select email, plan")
    project.add("c", GOOD, materialized="table")
    a, c, *_ = project.problems().splitlines()
    assert a.startswith(
        "models/syncs/a.yml: a: meta.sync.control_group: the rows do not tell whose "
        "they are, so nobody could be left out. Select `profile_id as _profile_id`"
    )
    assert c == (
        "models/syncs/c.yml: c: meta.sync: a sync is materialized as sync, not as "
        "table."
    )


def test_a_broken_destinations_file_blames_no_sync(project: Project) -> None:
    project.add("a", GOOD)
    project.file.write_text("files: {manifest: cvs}\n", encoding="utf-8")
    assert project.problems().count("\n") == 0


def test_an_unset_variable_stops_only_the_run_that_needs_it(project: Project) -> None:
    sync = {
        "destination": "hub",
        "action": "contacts",
        "mode": "upsert",
        "key": "email",
    }
    project.add("hub__people", sync)
    syncs = load_syncs(project.data_dir, destinations_file=project.file, environ={})
    with pytest.raises(ConfigError, match="TOKEN is not set"):
        run_sync(syncs["hub__people"], data_dir=project.data_dir)


def test_without_a_build_the_next_command_is_named(
    tmp_path: Path, project: Project
) -> None:
    with pytest.raises(ConfigError, match="kith build"):
        load_syncs(tmp_path / "none", destinations_file=project.file, environ={})
    project.add("files__people", GOOD)
    syncs = load_syncs(project.data_dir, destinations_file=project.file, environ={})
    with pytest.raises(PublishedDatabaseMissing, match="kith build"):
        run_sync(syncs["files__people"], data_dir=project.data_dir)


def test_the_payload_comes_from_the_published_database(
    project: Project, tmp_path: Path
) -> None:
    """Runs as the command line runs it, with a build published in between."""
    project.add("files__people", GOOD)
    environ = {"OUT": str(tmp_path / "out")}
    syncs = load_syncs(
        project.data_dir, destinations_file=project.file, environ=environ
    )
    for emails in (["a@x", "b@x"], ["b@x", "c@x"]):
        _build(project.data_dir, emails)
        run = run_sync(syncs["files__people"], data_dir=project.data_dir)
        assert run.is_complete
        text = (tmp_path / "out" / "files__people.csv").read_text(encoding="utf-8")
        assert text.splitlines() == ["email,plan", *(f"{e},free" for e in emails)]
        again = run_sync(syncs["files__people"], data_dir=project.data_dir)
        assert again.planned.total == 0


def test_what_was_sent_is_remembered_on_object_storage(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ObjectServer()
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    project.add("files__people", GOOD)
    syncs = load_syncs(
        project.data_dir, destinations_file=project.file, environ={"OUT": str(tmp_path)}
    )
    _build(project.data_dir, ["a@x", "b@x"])
    first = run_sync(syncs["files__people"], data_dir=project.data_dir)
    assert first.succeeded.insert == 2
    again = run_sync(syncs["files__people"], data_dir=project.data_dir)
    assert (again.planned.total, again.payload_rows) == (0, 2)
    assert not (project.data_dir / "raw").exists()
    server.fault = refusal("403 Forbidden", "AccessDenied")
    with pytest.raises(ObjectStorageError, match="access is denied"):
        run_sync(syncs["files__people"], data_dir=project.data_dir)
    server.stop()


def _build(data_dir: Path, emails: list[str]) -> None:
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as con:
        con.execute("create schema if not exists syncs")
        con.execute(
            "create or replace table syncs.files__people as "
            "select unnest($emails) as email, 'free' as plan",
            {"emails": emails},
        )
    publish(data_dir / "warehouse.duckdb", data_dir / "published")


@pytest.mark.parametrize(
    "expression",
    ["* * * * *", "*/15 * * * *", "0 6-22/2 1,15 jan-mar mon", "59 23 31 12 7"],
)
def test_schedules_are_taken(expression: str) -> None:
    assert cron_problem(expression) is None


@pytest.mark.parametrize(
    "expression",
    [
        "* * * *",
        "61 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "- * * * *",
        "1, * * * *",
        "@hourly",
        "",
    ],
)
def test_schedules_are_refused(expression: str) -> None:
    assert cron_problem(expression) is not None
