"""Every tool of the catalog, action by action, against a scripted server.

A new manifest is tested by being there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from activations.connectors import connector_names
from activations.destinations import load_destinations
from activations.errors import ConfigError
from activations.manifest import CATALOG, Manifest, load_catalog
from tests.activations.bench import Bench, bench, catalog_at, email
from tests.activations.fakes import FAKES, hubspot, takes_all
from tests.activations.scripted import Destination, Give, Got

LOADED = load_catalog()
# Real servers of their own kind answer these, in test files of their own.
SERVED = {"postgres"}
ACTIONS = [
    pytest.param(tool, action, id=f"{tool}-{action}")
    for tool, manifest in LOADED.items()
    for action in manifest.actions
    if tool not in SERVED
]
HTTP_ACTIONS = [
    pytest.param(tool, action, id=f"{tool}-{action}")
    for tool, manifest in LOADED.items()
    for action, definition in manifest.actions.items()
    if definition.operations
]


def tool_at(
    destination: Destination, tmp_path: Path, tool: str, action: str, **changes: Any
) -> Bench:
    """A workbench for an action; every required setting has a value of its type."""
    settings: dict[str, Any] = {}
    environ: dict[str, str] = {}
    for name, setting in LOADED[tool].settings.items():
        if setting.secret and setting.is_required:
            settings[name] = f"{{{{ env_var('SECRET_{name}') }}}}"
            environ[f"SECRET_{name}"] = f"value-of-{name}"
        elif name == "url":
            settings[name] = destination.url
        elif setting.is_required:
            settings[name] = str(tmp_path / name)
    destination.answer = FAKES.get(tool, takes_all)
    catalog = catalog_at(destination.url, tool, **changes)
    return bench(
        tmp_path, tool, settings, action=action, catalog=catalog, environ=environ
    )


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_inserts_updates_and_deletes_arrive(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work = tool_at(destination, tmp_path, tool, action)
    if not work.sync.action.can_delete:
        work.configure(mode="upsert")
    work.people(range(5))
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (5, None)
    work.people(range(1, 7), plan="pro")
    run = work.run()
    assert (run.succeeded.insert, run.succeeded.update) == (2, 4)
    assert run.succeeded.delete == (1 if work.sync.action.can_delete else 0)
    assert run.stopped is None
    assert work.run().planned.total == 0
    for got in destination.requests:
        assert got.headers["content-type"] == "application/json"
        json.loads(got.body)


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_nulls_and_odd_values_are_rendered(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work = tool_at(destination, tmp_path, tool, action)
    odd = {"text": "{{ 7 }} é\n\0", "none": None, "yes": True, "list": [1, None]}
    work.payload([{"email": "o'neil+x@example.com", **odd}])
    assert work.run().succeeded.insert == 1
    if destination.requests:
        body = destination.requests[0].body.decode("utf-8")
        assert "{{ 7 }} é" in body


@pytest.mark.parametrize(("tool", "action"), HTTP_ACTIONS)
def test_requests_keep_to_the_batch_size(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work = tool_at(destination, tmp_path, tool, action)
    size = work.sync.action.operation("insert").batch_size
    rows = min(2 * size + 1, 1_001)
    work.people(range(rows))
    assert work.run().succeeded.insert == rows
    assert len(destination.requests) == -(-rows // size)
    work.people([])
    if work.sync.action.can_delete:
        assert work.run(allow_deletes=rows).succeeded.delete == rows


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("tool", "action"), HTTP_ACTIONS)
def test_a_refused_credential_stops_the_run(
    destination: Destination, tmp_path: Path, tool: str, action: str, status: int
) -> None:
    work = tool_at(destination, tmp_path, tool, action)
    destination.answer = lambda got: Give(status, {"message": "no"})
    work.people([1])
    run = work.run()
    assert run.stopped is not None
    assert "credential" in run.stopped
    assert (len(destination.requests), work.log()) == (1, [])


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("tool", "action"), HTTP_ACTIONS)
def test_what_may_pass_is_tried_again(
    destination: Destination, tmp_path: Path, tool: str, action: str, status: int
) -> None:
    work = tool_at(destination, tmp_path, tool, action)
    destination.script = [Give(status, headers={"Retry-After": "0"})] * 2
    work.people([1])
    assert work.run().succeeded.insert == 1
    assert len(destination.requests) == 3


@pytest.mark.parametrize(("tool", "action"), HTTP_ACTIONS)
def test_a_rejection_is_one_records_own(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    """A 400 for whatever contains one record: it is rejected, the others arrive."""
    work = tool_at(destination, tmp_path, tool, action)
    usual = destination.answer
    bad = email(3).encode()
    destination.answer = lambda got: (
        Give(400, {"category": "VALIDATION_ERROR", "message": "bad e-mail"})
        if bad in got.body
        else usual(got)
    )
    work.people(range(8))
    run = work.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 7)
    assert work.outcomes()[email(3)] == "rejected"
    (message,) = [r["message"] for r in work.log() if r["outcome"] == "rejected"]
    assert "bad e-mail" in message
    assert work.run().planned.total == 0


def test_hubspot_sends_what_its_api_wants(
    destination: Destination, tmp_path: Path
) -> None:
    work = tool_at(destination, tmp_path, "hubspot", "contacts")
    work.payload([{"email": email(1), "firstname": "Ada", "vip": True, "city": None}])
    work.run()
    work.con.execute("delete from syncs.acct__people")
    work.run(allow_deletes=1)
    upsert, archive = destination.requests
    assert (upsert.method, upsert.path) == (
        "POST",
        "/crm/v3/objects/contacts/batch/upsert",
    )
    assert upsert.headers["authorization"] == "Bearer value-of-access_token"
    properties = {"email": email(1), "firstname": "Ada", "vip": True}
    assert upsert.json == {
        "inputs": [
            {
                "idProperty": "email",
                "id": email(1),
                "objectWriteTraceId": email(1),
                "properties": properties,
            }
        ]
    }
    assert archive.path == "/crm/v3/objects/contacts/batch/archive"
    assert archive.json == {"inputs": [{"id": f"id-{email(1)}"}]}


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_hubspot_takes_a_batch_in_part(
    destination: Destination, tmp_path: Path, named: bool
) -> None:
    """Errors that name no input make the untold records go again, each alone."""
    work = tool_at(destination, tmp_path, "hubspot", "contacts")
    refused = [email(2), email(5)]
    destination.answer = hubspot(refused, named=named)
    work.people(range(9))
    run = work.run()
    assert (run.rejected.insert, run.succeeded.insert) == (2, 7)
    rejected = [row for row in work.log() if row["outcome"] == "rejected"]
    assert [row["key"] for row in rejected] == refused
    assert {row["code"] for row in rejected} == {"VALIDATION_ERROR"}
    refs = {row["key"]: row["destination_ref"] for row in work.log()}
    assert refs[email(1)] == f"id-{email(1)}"
    assert len(destination.requests) == (1 if named else 3)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"results": []},
        {"results": None, "errors": None},
        {"results": [{"id": "1"}, {"id": "2"}]},
        {"results": [{"id": "1", "objectWriteTraceId": "somebody@else"}] * 9},
        [],
        "text",
    ],
    ids=["empty", "no-results", "nulls", "nameless", "others", "list", "text"],
)
def test_hubspot_saying_nothing_counts_as_nothing_done(
    destination: Destination, tmp_path: Path, body: Any
) -> None:
    """A 200 that does not speak of the records is no success: they stay planned."""
    work = tool_at(destination, tmp_path, "hubspot", "contacts")
    destination.answer = lambda got: Give(200, body)
    work.people(range(3))
    run = work.run()
    assert run.succeeded.total == 0
    assert run.failed.insert == 3
    assert {row["code"] for row in work.log()} == {"no_result"}


def test_hubspot_may_answer_in_lower_case(
    destination: Destination, tmp_path: Path
) -> None:
    work = tool_at(destination, tmp_path, "hubspot", "contacts")
    people = ["Ada@Example.com", "bob@example.com"]

    def answer(got: Got) -> Give:
        properties = [{"email": i["id"].lower()} for i in got.json["inputs"]]
        return Give(
            200, {"results": [{"id": "1", "properties": p} for p in properties]}
        )

    destination.answer = answer
    work.payload([{"email": address} for address in people])
    assert work.run().succeeded.insert == 2
    assert len(destination.requests) == 1


def test_every_connector_is_in_the_catalog() -> None:
    used = {a.connector for m in LOADED.values() for a in m.actions.values()} - {None}
    assert used == set(connector_names())


WRONG: dict[str, dict[str, Any]] = {
    "requester.base_ur: there is no such key here": {"requester": {"base_ur": "x"}},
    "needs either 'operations' or a 'connector'": {
        "actions": {"a": {"description": "d"}}
    },
    "there is no connector 'xls'. Connectors: csv, postgres": {
        "actions": {"a": {"description": "d", "connector": "xls"}}
    },
    "uses recrod. Names here: ": {
        "requester": {"base_url": "https://x.example"},
        "actions": {
            "a": {
                "description": "d",
                "operations": {
                    "upsert": {"request": {"method": "POST"}, "entry": "{{ recrod }}"}
                },
            }
        },
    },
    "needs the operation 'upsert', 'insert' or 'add'": {
        "requester": {"base_url": "https://x.example"},
        "actions": {
            "a": {
                "description": "d",
                "operations": {"delete": {"request": {"method": "POST"}}},
            }
        },
    },
}


@pytest.mark.parametrize("expected", WRONG)
def test_a_wrong_manifest_is_told_with_its_line(tmp_path: Path, expected: str) -> None:
    manifest = {"name": "X", "documentation": "d"} | WRONG[expected]
    manifest.setdefault("actions", {})
    # JSON is YAML.
    (tmp_path / "x.yml").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_catalog(tmp_path)
    assert expected in str(caught.value)
    assert all(line.startswith("catalog/x.yml:") for line in caught.value.problems)


def test_the_readme_shows_what_works(tmp_path: Path) -> None:
    text = (CATALOG.parent / "README.md").read_text(encoding="utf-8")
    account, manifest = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "example.yml").write_text(manifest, encoding="utf-8")
    assert list(load_catalog(tmp_path)["example"].actions) == ["contacts"]
    file = tmp_path / "destinations.yml"
    file.write_text(account, encoding="utf-8")
    environ = {"NEWSLETTER_TOKEN": "t", "NEWSLETTER_SIGNING_SECRET": "s"}
    accounts = load_destinations(file, catalog=LOADED, environ=environ)
    assert accounts["newsletter_hook"].unresolved == ()
    assert all(f"`{tool}`" in text for tool in LOADED)


def test_manifests_are_found_by_their_place() -> None:
    names = {path.stem for path in CATALOG.glob("*.yml")}
    assert set(LOADED) == names
    assert all(isinstance(manifest, Manifest) for manifest in LOADED.values())
