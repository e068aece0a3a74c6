"""Answers that speak of single records, as wrong as a destination can make them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activations.answers import read_answer
from activations.client import Answer
from activations.connectors import Row
from activations.manifest import Manifest
from activations.rendering import make_entry
from activations.sync_log import MESSAGE_LENGTH
from tests.activations.bench import Bench, bench, email
from tests.activations.made_up import SECRET, upsert, work_with
from tests.activations.scripted import Destination, Give

DONE, BAD = "{{ response.done }}", "{{ response.bad }}"
KEY, INDEX, POSITION = "{{ item.key }}", "{{ item.index }}", "{{ position }}"
RULES: dict[str, dict[str, dict[str, str]]] = {
    "by key": {
        "accepted": {"items": DONE, "key": KEY, "ref": "{{ item.id }}"},
        "rejected": {"items": BAD, "key": KEY, "message": "{{ item.why }}"},
    },
    "by index": {
        "accepted": {"items": DONE, "index": INDEX},
        "rejected": {"items": BAD, "index": INDEX},
    },
    "by position": {
        "accepted": {"items": DONE, "when": "{{ item.ok }}", "index": POSITION},
        "rejected": {"items": DONE, "when": "{{ not item.ok }}", "index": POSITION},
    },
    "culprits only": {"rejected": {"items": BAD, "key": KEY}},
}
ROWS = [
    Row(operation="insert", key=email(n), fingerprint="f", record={"email": email(n)})
    for n in range(5)
]
KEYS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([row.key for row in ROWS]),
    st.sampled_from([email(99), ROWS[0].key.upper(), "", None, 3, {}, [email(1)]]),
)
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3), st.just([])
)
ITEM = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "key": KEYS,
            "index": st.one_of(st.integers(-3, 7), JUNK, st.just(1.0)),
            "ok": st.one_of(st.booleans(), JUNK),
            "id": JUNK,
            "why": JUNK,
        },
    ),
    JUNK,
)
ITEMS = st.one_of(st.lists(ITEM, max_size=8), JUNK, st.dictionaries(st.text(), JUNK))
BODY = st.one_of(
    st.fixed_dictionaries({}, optional={"done": ITEMS, "bad": ITEMS}), JUNK
)


def tool(tmp_path: Path, rule: str) -> Bench:
    """A sync to a tool whose answers are read by this rule."""
    upsert = {
        "batch_size": 5,
        "request": {"method": "POST", "json": "{{ entries }}"},
        "responses": [{"status": 207, "outcome": "partial", **RULES[rule]}],
    }
    records = {"description": "Keeps records.", "operations": {"upsert": upsert}}
    manifest = {
        "name": "Fuzzed",
        "documentation": "https://example.com",
        "requester": {"base_url": "http://127.0.0.1:9999"},
        "actions": {"records": records},
    }
    catalog = {"fuzzed": Manifest.model_validate(manifest)}
    return bench(
        tmp_path, "fuzzed", {}, action="records", mode="upsert", catalog=catalog
    )


@pytest.mark.parametrize("rule", RULES)
def test_every_row_ends_once_and_only_as_the_answer_says(rule: str) -> None:
    """Too few, too many, twice, unknown, of wrong types: never a guess, never lost."""
    with TemporaryDirectory() as directory:
        sync = tool(Path(directory), rule).sync
    operation = sync.action.operation("insert")
    entries = [make_entry(sync, operation, row, {}) for row in ROWS]

    @given(body=BODY, sent=st.integers(1, len(ROWS)))
    @settings(max_examples=250, deadline=None)
    def check(body: Any, sent: int) -> None:
        answer = Answer(status=207, data=body, text=json.dumps(body))
        verdict = read_answer(sync, operation, entries[:sent], answer)
        told = [outcome.row.key for outcome in verdict.outcomes]
        untold = [entry.row.key for entry in verdict.untold]
        assert sorted(told + untold) == sorted(row.key for row in ROWS[:sent])
        if sent == 1:
            assert untold == [], "alone it is not sent again and again"
        taken = {o.row.key for o in verdict.outcomes if o.outcome == "succeeded"}
        assert taken <= _may_be_taken(rule, body, sent)

    check()


def _may_be_taken(rule: str, body: Any, sent: int) -> set[str]:
    """The keys that a plain reading of the answer calls accepted."""
    keys = [row.key for row in ROWS[:sent]]
    done = body.get("done") if isinstance(body, dict) else None
    bad = body.get("bad") if isinstance(body, dict) else None
    items = [item if isinstance(item, dict) else {} for item in _list(done)]
    if rule == "culprits only":
        culprits = _list(bad)
        # With an error that names nobody, nothing is known of any record.
        return set(keys) if all(_named(item, keys) for item in culprits) else set()
    if rule == "by position":
        return {
            key
            for key, item in zip(keys, items, strict=False)
            if len(items) == sent and item.get("ok")
        }
    if rule == "by index":
        found = [item.get("index") for item in items]
        named = {keys[i] for i in found if type(i) is int and 0 <= i < sent}
    else:
        named = {key for item in items for key in _named(item, keys)}
    # One record, one item that names nobody: it can be of no other.
    return named | (set(keys) if sent == 1 and items else set())


def _named(item: Any, keys: list[str]) -> set[str]:
    key = item.get("key") if isinstance(item, dict) else None
    names = {str(k).casefold() for k in (key if isinstance(key, list) else [key])}
    return {k for k in keys if k.casefold() in names}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\uDC00", b"\xed\xa0\xbd"])
def test_half_a_character_in_an_answer_is_no_reason_to_stop(
    destination: Destination, tmp_path: Path, half: bytes
) -> None:
    """Tools cut texts inside an emoji, and nobody could write down what is left."""
    rule = {
        "status": 200,
        "outcome": "partial",
        "rejected": {
            "items": "{{ response.bad }}",
            "key": "{{ item.key }}",
            "code": "{{ item.code }}",
            "message": "{{ item.why }}",
        },
    }
    item = b'{"key": "p000@example.com", "code": "\xc3\xa9", "why": "no: %b"}' % half
    destination.answer = lambda got: Give(200, b'{"bad": [%b]}' % item)
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(2))
    run = work.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 1)
    (told,) = [row for row in work.log() if row["outcome"] == "rejected"]
    assert (told["code"], told["message"][:4]) == ("é", "no: ")


def test_a_code_is_short_and_tells_no_secret(
    destination: Destination, tmp_path: Path
) -> None:
    rule = {"status": 400, "outcome": "rejected", "code": "{{ response.code }}"}
    destination.answer = lambda got: Give(400, {"code": SECRET + "x" * 9000})
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(1))
    work.run()
    (told,) = work.log()
    assert told["code"] == "***" + "x" * (MESSAGE_LENGTH - 3)
