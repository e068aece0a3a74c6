"""Every HTTP tool of the catalog, action by action, against a scripted server.

A manifest is tested by being there, and must have its module in `tools`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa
import pytest
import yaml

from activations.checks import check_account
from activations.errors import AuthenticationError
from activations.manifest import CATALOG, Manifest, json_schema, load_catalog
from tests.activations.bench import QUICK, Bench, bench
from tests.activations.scripted import Destination, Give, Got, run_destination
from tests.activations.tools import Example, Sent, Tool, load_tool, tool_names

LOADED = {
    name: manifest
    for name, manifest in load_catalog().items()
    if manifest.requester is not None
}
ACTIONS = [
    pytest.param(tool, action, id=f"{tool}-{action}")
    for tool, manifest in LOADED.items()
    for action in manifest.actions
]
STOPPING, PASSING = (
    [
        pytest.param(tool, path, give, id=f"{tool}-{number}")
        for tool in LOADED
        for number, (path, give) in enumerate(getattr(load_tool(tool), name))
    ]
    for name in ("stopping", "passing")
)
REFUSING = [case for case in ACTIONS if load_tool(str(case.values[0])).refusing]


@pytest.fixture(scope="module")
def server() -> Iterator[Destination]:
    """One server for all, so that a manifest is read once for its address."""
    with run_destination() as running:
        yield running


@pytest.fixture
def destination(server: Destination) -> Destination:
    server.forget()
    return server


def test_every_tool_has_its_examples() -> None:
    assert tool_names() == tuple(sorted(LOADED))
    for name, manifest in LOADED.items():
        assert load_tool(name).examples.keys() == manifest.actions.keys()


def test_editors_know_the_manifests_schema() -> None:
    """`kith destination schema` prints it."""
    committed = (CATALOG / "manifest.schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == json_schema()


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_requests_are_exactly_these(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work, _, example = at_work(destination, tmp_path, tool, action)
    load(work, example.rows)
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (len(example.rows), None)
    compare(destination, example.requests)
    destination.requests.clear()
    assert work.run().planned.total == 0
    if {"mirror", "audience"} & {*work.sync.action.modes}:
        load(work, [], like=example.rows)
        run = work.run(allow_deletes=len(example.rows))
        assert run.succeeded.delete == len(example.rows)
        assert run.stopped is None
        compare(destination, example.leaving)
    secrets = [row for row in work.log() if "s3cret" in str(row)]
    assert secrets == []


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_requests_keep_to_the_batch_size(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work, _, example = at_work(destination, tmp_path, tool, action)
    operation = work.sync.action.operation("insert")
    rows = min(2 * operation.batch_size + 1, 1_001)
    load(work, [example.row(number) for number in range(rows)])
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (rows, None)
    batches = -(-rows // operation.batch_size)
    # What is asked before the records is among the requests of the example.
    besides = (operation.find, operation.job)
    most = len(example.requests) + batches * (1 + sum(map(bool, besides)))
    by_bytes = sum(len(got.body) for got in destination.requests)
    most += by_bytes // operation.batch_bytes
    assert batches <= len(destination.requests) <= most
    for got in destination.requests:
        assert len(got.body) <= operation.batch_bytes + 2_000


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_a_refused_credential_stops_the_run(
    destination: Destination, tmp_path: Path, tool: str, action: str, status: int
) -> None:
    work, _, example = at_work(destination, tmp_path, tool, action)
    destination.answer = lambda got: Give(status, {"message": "no"})
    load(work, example.rows)
    run = work.run()
    assert run.stopped is not None
    assert (run.succeeded.total, run.rejected.total) == (0, 0)
    assert work.log() == []
    # A token is renewed once before its account counts as refused.
    assert 1 <= len(destination.requests) <= 2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_what_may_pass_is_tried_again(
    destination: Destination, tmp_path: Path, tool: str, action: str, status: int
) -> None:
    work, _, example = at_work(destination, tmp_path, tool, action)
    destination.script = [Give(status, headers={"Retry-After": "0"})] * 2
    load(work, example.rows)
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (len(example.rows), None)
    assert len(destination.requests) == len(example.requests) + 2


@pytest.mark.parametrize(("tool", "path", "give"), STOPPING)
def test_an_answer_that_blames_no_record_stops_the_run(
    destination: Destination, tmp_path: Path, tool: str, path: str, give: Give
) -> None:
    action = next(iter(LOADED[tool].actions))
    work, known, example = at_work(destination, tmp_path, tool, action)
    destination.answer = lambda got: give if path in got.path else known.answer(got)
    load(work, example.rows)
    run = work.run()
    assert run.stopped is not None
    assert (run.succeeded.total, run.rejected.total) == (0, 0)
    assert work.log() == []


@pytest.mark.parametrize(("tool", "path", "give"), PASSING)
def test_an_answer_that_may_pass_is_tried_again(
    destination: Destination, tmp_path: Path, tool: str, path: str, give: Give
) -> None:
    action = next(iter(LOADED[tool].actions))
    work, known, example = at_work(destination, tmp_path, tool, action)
    given: list[Got] = []

    def answer(got: Got) -> Give:
        if path in got.path and not given:
            given.append(got)
            return give
        return known.answer(got)

    destination.answer = answer
    load(work, example.rows)
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (len(example.rows), None)
    assert len(destination.requests) == len(example.requests) + 1


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_a_refusal_is_one_records_own(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    """A 400 for whatever speaks of one record: it is rejected, the others arrive."""
    work, known, example = at_work(destination, tmp_path, tool, action)
    rows = [example.row(number) for number in range(5)]
    bad = key_of(example, rows[3])
    mark = example.mark(bad)

    def answer(got: Got) -> Give:
        if mark in got.path or mark in got.body.decode("utf-8"):
            return Give(400, {"message": "bad record"})
        return known.answer(got)

    destination.answer = answer
    load(work, rows)
    run = work.run()
    assert run.stopped is None
    assert (run.rejected.insert, run.succeeded.insert) == (1, 4)
    assert work.outcomes()[bad] == "rejected"
    assert work.run().planned.total == 0


@pytest.mark.parametrize(("tool", "action"), REFUSING)
def test_a_batch_can_be_taken_in_part(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work, known, example = at_work(destination, tmp_path, tool, action)
    rows = [example.row(number) for number in range(6)]
    bad = [key_of(example, rows[number]) for number in (1, 4)]
    assert known.refusing is not None
    destination.answer = known.refusing(bad)
    load(work, rows)
    run = work.run()
    assert run.stopped is None
    refused = [key for key, outcome in work.outcomes().items() if outcome == "rejected"]
    # What an action cannot be refused in part it takes whole.
    assert sorted(refused) in (sorted(bad), [])
    assert run.succeeded.insert == len(rows) - len(refused)
    assert all(row["message"] for row in work.log() if row["key"] in refused)


@pytest.mark.parametrize(("tool", "action"), ACTIONS)
def test_nulls_and_odd_texts_are_no_accident(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> None:
    work, _, example = at_work(destination, tmp_path, tool, action)
    fields = work.sync.action.fields
    kept = {name for name, f in fields.items() if f.required}
    kept |= {example.key, *work.sync.action.needs_one_of}
    row = example.row(1)
    empty = {name: v if name in kept else None for name, v in row.items()}
    odd = {
        name: "{{ 7 }} é\n" if isinstance(v, str) and name not in kept else v
        for name, v in example.row(2).items()
    }
    load(work, [empty, odd], like=[example.row(0)])
    run = work.run()
    assert run.stopped is None
    assert run.succeeded.insert + run.rejected.insert == 2
    assert work.outcomes()[key_of(example, row)] == "succeeded"


@pytest.mark.parametrize("tool", [name for name, m in LOADED.items() if m.check])
def test_an_account_is_checked(
    destination: Destination, tmp_path: Path, tool: str
) -> None:
    action = next(iter(LOADED[tool].actions))
    work, _, _ = at_work(destination, tmp_path, tool, action)
    assert check_account(work.sync.account, retry=QUICK)
    destination.answer = lambda got: Give(401, {"message": "no"})
    with pytest.raises(AuthenticationError):
        check_account(work.sync.account, retry=QUICK)


def at_work(
    destination: Destination, tmp_path: Path, tool: str, action: str
) -> tuple[Bench, Tool, Example]:
    """A workbench for an action, at a server that answers like the tool."""
    known = load_tool(tool)
    example = known.examples[action]
    destination.answer = known.answer
    work = bench(
        tmp_path,
        tool,
        _placed(known.settings, destination.url),
        action=action,
        catalog={tool: _manifest_at(destination.url, tool)},
        environ={"SECRET": "s3cret", "SECRET_URL": f"{destination.url}/s3cret"},
    )
    manifest = work.sync.action
    options = {name: o.default for name, o in manifest.options.items()}
    mode = next(
        m for m in ("mirror", "audience", "upsert", "insert") if m in manifest.modes
    )
    work.configure(key=example.key, mode=mode, options=options | dict(example.options))
    return work, known, example


def load(
    work: Bench,
    rows: Sequence[Mapping[str, Any]],
    *,
    like: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Make these rows the payload, with the columns that the rows `like` have."""
    schema = pa.Table.from_pylist(list(like or rows)).schema
    work.payload(rows, schema)


def key_of(example: Example, row: Mapping[str, Any]) -> str:
    return str(row[example.key])


def compare(destination: Destination, expected: Sequence[Sent]) -> None:
    """The requests that arrived are these, one by one."""
    told = [f"{got.method} {got.path}" for got in destination.requests]
    assert len(told) == len(expected), told
    pairs = zip(destination.requests, expected, strict=True)
    found = [_as_sent(got, want) for got, want in pairs]
    assert found == [_plain(want) for want in expected]


def _as_sent(got: Got, want: Sent) -> dict[str, Any]:
    sent = {
        "method": got.method,
        "path": got.path,
        "headers": {name: got.headers.get(name) for name in want.headers},
    }
    if "form" in got.headers.get("content-type", ""):
        return sent | {"form": dict(parse_qsl(got.body.decode()))}
    return sent | {"json": _masked(got.json, want.json) if got.body else None}


def _plain(want: Sent) -> dict[str, Any]:
    sent = {"method": want.method, "path": want.path, "headers": dict(want.headers)}
    return sent | ({"form": dict(want.form)} if want.form else {"json": want.json})


def _masked(found: Any, wanted: Any) -> Any:
    """The JSON that was sent, with `<any>` where that is what is wanted."""
    if wanted == "<any>":
        return wanted if found else found
    if isinstance(found, dict) and isinstance(wanted, dict):
        return {name: _masked(v, wanted.get(name)) for name, v in found.items()}
    if isinstance(found, list) and isinstance(wanted, list):
        pairs = zip(found, wanted, strict=False)
        rest = found[len(wanted) :]
        return [_masked(one, other) for one, other in pairs] + rest
    return found


def _placed(settings: Mapping[str, Any], url: str) -> dict[str, Any]:
    return {
        name: value.replace("{url}", url) if isinstance(value, str) else value
        for name, value in settings.items()
    }


@cache
def _manifest_at(url: str, tool: str) -> Manifest:
    """The manifest with the server in the place of every address, and no waiting."""
    raw = yaml.load(
        (CATALOG / f"{tool}.yml").read_text(encoding="utf-8"), yaml.CSafeLoader
    )
    raw["requester"].pop("rate_limit", None)
    raw["requester"]["rates"] = {name: [] for name in raw["requester"].get("rates", ())}
    # One after the other, so that requests arrive in the order in which they are made.
    raw["requester"]["in_flight"] = 1
    return Manifest.model_validate(_moved(raw, url))


def _moved(part: Any, url: str) -> Any:
    if isinstance(part, dict):
        return {
            name: _at(value, url)
            if name in ("base_url", "token_url") and isinstance(value, str)
            else _moved(value, url)
            for name, value in part.items()
            if name != "wait_seconds"
        }
    if isinstance(part, list):
        return [_moved(each, url) for each in part]
    return part


def _at(address: str, url: str) -> str:
    return re.sub(r"https://[^/]+", url, address)
