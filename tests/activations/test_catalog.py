"""The catalog: what its connectors do, what partial answers mean, and what is wrong.

`test_tools.py` has the tools that speak HTTP.
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
from tests.activations.scripted import Destination, Give, Got
from tests.activations.tools.hubspot import refusing

LOADED = load_catalog()


@pytest.fixture
def contacts(destination: Destination, tmp_path: Path) -> Bench:
    """A mirror of people in HubSpot."""
    return bench(
        tmp_path,
        "hubspot",
        {"access_token": "{{ env_var('TOKEN') }}"},
        action="contacts",
        catalog=catalog_at(destination.url, "hubspot"),
        environ={"TOKEN": "value-of-access_token"},
    )


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_hubspot_takes_a_batch_in_part(
    destination: Destination, contacts: Bench, named: bool
) -> None:
    """Errors that name no input make the untold records go again, each alone."""
    refused = [email(2), email(5)]
    destination.answer = refusing(refused, named=named)
    contacts.people(range(9))
    run = contacts.run()
    assert (run.rejected.insert, run.succeeded.insert) == (2, 7)
    rejected = [row for row in contacts.log() if row["outcome"] == "rejected"]
    assert [row["key"] for row in rejected] == refused
    assert {row["code"] for row in rejected} == {"VALIDATION_ERROR"}
    refs = {row["key"]: row["destination_ref"] for row in contacts.log()}
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
    destination: Destination, contacts: Bench, body: Any
) -> None:
    """A 200 that does not speak of the records is no success: they stay planned."""
    destination.answer = lambda got: Give(200, body)
    contacts.people(range(3))
    run = contacts.run()
    assert run.succeeded.total == 0
    assert run.failed.insert == 3
    assert {row["code"] for row in contacts.log()} == {"no_result"}


def test_hubspot_may_answer_in_lower_case(
    destination: Destination, contacts: Bench
) -> None:
    people = ["Ada@Example.com", "bob@example.com"]

    def answer(got: Got) -> Give:
        properties = [{"email": i["id"].lower()} for i in got.json["inputs"]]
        return Give(
            200, {"results": [{"id": "1", "properties": p} for p in properties]}
        )

    destination.answer = answer
    contacts.payload([{"email": address} for address in people])
    assert contacts.run().succeeded.insert == 2
    assert len(destination.requests) == 1


def test_every_connector_is_in_the_catalog() -> None:
    used = {a.connector for m in LOADED.values() for a in m.actions.values()} - {None}
    assert used == set(connector_names())


WRONG: dict[str, dict[str, Any]] = {
    "requester.base_ur: there is no such key here": {"requester": {"base_ur": "x"}},
    "needs either 'operations' or a 'connector'": {
        "actions": {"a": {"description": "d"}}
    },
    "there is no connector 'xls'. Connectors: ": {
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
    account, manifest, *_ = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
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
