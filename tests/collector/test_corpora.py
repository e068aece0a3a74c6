"""Public corpora of difficult JSON and text, sent to a real collector."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.acceptance import accepts
from tests.collector.corpora import (
    json_test_suite,
    json_transformations,
    naughty_strings,
)
from tests.raw import read_raw
from tests.servers import CollectorProcess, running_collector

EVENT = b'{"type":"track","userId":"u","event":"E","messageId":"%s","properties":%s}'
NOT_JSON = {"invalid_json", "invalid_utf8", "empty_body", "too_deep"}
STORED_NUMBERS = {
    "i_number_double_huge_neg_exp",
    "i_number_real_underflow",
    "i_number_too_big_neg_int",
    "i_number_too_big_pos_int",
    "i_number_very_big_negative_int",
}


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    # Some cases are larger than an event may be; here their JSON is what matters.
    limit = {"KITH_MAX_EVENT_BYTES": "400000"}
    with running_collector(tmp_path / "data", environ=limit) as process:
        yield process


def wrapped(name: str, content: bytes) -> bytes:
    return EVENT % (name.encode(), b'{"v":' + content + b"}")


def stored_values(collector: CollectorProcess) -> dict[str, Any]:
    """The property `v` of each event in Parquet, by message id."""
    collector.stop()
    rows = read_raw(collector.data_dir / "raw", "events")
    return {row["message_id"]: json.loads(row["properties"])["v"] for row in rows}


def expected_value(content: bytes) -> Any:
    """What the standard library reads, with integers beyond 64 bits as text."""

    def integer(digits: str) -> int | str:
        number = int(digits)
        return number if -(2**63) <= number < 2**63 else digits

    return json.loads(content, parse_int=integer)


@accepts("B34")
def test_bodies_that_are_not_json_are_refused(collector: CollectorProcess) -> None:
    cases = {n: c for n, c in json_test_suite().items() if n.startswith("n_")}
    answers = {
        (name, form): collector.post("/v1/track", body)
        for name, content in cases.items()
        for form, body in (("bare", content), ("wrapped", wrapped(name, content)))
    }
    wrong = {
        case: (answer.status, answer.body)
        for case, answer in answers.items()
        if answer.status != 400 or answer.body["code"] not in NOT_JSON
    }
    assert wrong == {}
    assert len(cases) == 188


@accepts("B35")
def test_bodies_that_are_json_reach_validation(collector: CollectorProcess) -> None:
    cases = {n: c for n, c in json_test_suite().items() if n.startswith("y_")}
    codes = Counter(
        collector.post("/v1/track", content).body.get("code", "quarantined")
        for content in cases.values()
    )
    # Of the twelve objects one has a key with a NUL, which is found before who sent it.
    assert codes == {"not_an_object": 83, "no_user_anon_id": 11, "quarantined": 1}


@accepts("B36")
def test_every_json_value_is_equal_in_parquet(collector: CollectorProcess) -> None:
    cases = {n: c for n, c in json_test_suite().items() if n.startswith("y_")}
    for name, content in cases.items():
        assert collector.post("/v1/track", wrapped(name, content)).status == 200, name
    values = stored_values(collector)
    (refused,) = read_raw(collector.data_dir / "raw", "quarantine")
    assert refused["code"] == "bad_key"
    assert refused["path"] == "properties.v"
    del cases["y_object_escaped_null_in_key"]
    assert len(cases) == 94
    assert values == {name: expected_value(c) for name, c in cases.items()}


@accepts("B37", "B41")
def test_what_json_leaves_open_is_decided(collector: CollectorProcess) -> None:
    cases = {n: c for n, c in json_test_suite().items() if n.startswith("i_")}
    answers = {
        name: collector.post("/v1/track", wrapped(name, content))
        for name, content in cases.items()
    }
    assert {n for n, a in answers.items() if a.status == 200} == STORED_NUMBERS
    refused = {n: a for n, a in answers.items() if a.status == 400}
    assert len(refused) == 30
    deep = refused.pop("i_structure_500_nested_arrays")
    assert deep.body["code"] == "too_deep"
    assert {a.body["code"] for a in refused.values()} == {
        "invalid_json",
        "invalid_utf8",
    }
    values = stored_values(collector)
    assert values == {name: expected_value(cases[name]) for name in STORED_NUMBERS}
    rows = read_raw(collector.data_dir / "raw", "events")
    flagged = {row["message_id"] for row in rows if "number_overflow" in row["flags"]}
    assert flagged == {
        "i_number_too_big_neg_int",
        "i_number_too_big_pos_int",
        "i_number_very_big_negative_int",
    }


@accepts("B39", "B42")
def test_what_parsers_read_differently_has_one_meaning(
    collector: CollectorProcess,
) -> None:
    cases = json_transformations()
    statuses = {
        name: collector.post("/v1/track", wrapped(name, content)).status
        for name, content in cases.items()
    }
    kept = {name for name, status in statuses.items() if status == 200}
    assert {name for name in cases if name not in kept} == {
        name for name in cases if "surrogate" in name or "codepoint" in name
    }
    values = stored_values(collector)
    quarantined = {
        row["code"] for row in read_raw(collector.data_dir / "raw", "quarantine")
    }
    assert quarantined <= {"bad_key"}
    for name, value in values.items():
        assert value == expected_value(cases[name]), name


@accepts("B52")
def test_naughty_strings_are_stored_as_they_are(collector: CollectorProcess) -> None:
    strings = naughty_strings()
    assert len(strings) == 515
    events = [
        {
            "type": "track",
            "userId": text,
            "anonymousId": "a",
            "event": text,
            "messageId": f"m{number}",
            "properties": {text: text, "value": text},
            "traits": {"name": text},
            "context": {"userAgent": text, "library": {"name": text}},
        }
        for number, text in enumerate(strings)
    ]
    for start in range(0, len(events), 100):
        batch = {"batch": events[start : start + 100]}
        assert collector.post("/v1/batch", batch).status == 200
    collector.stop()
    rows = {
        row["message_id"]: row for row in read_raw(collector.data_dir / "raw", "events")
    }
    refused = read_raw(collector.data_dir / "raw", "quarantine")
    causes = {json.loads(row["payload"])["messageId"]: row["code"] for row in refused}
    for number, text in enumerate(strings):
        if not text:
            assert causes.pop(f"m{number}") == "missing_event_name"
            continue
        if len(text.strip()) > 255:
            assert causes.pop(f"m{number}") == "bad_user_id"
            continue
        row = rows.pop(f"m{number}")
        assert row["user_id"] == (text.strip() or None)
        assert row["event"] == text
        assert row["user_agent"] == row["library_name"] == text
        assert json.loads(row["properties"]) == {text: text, "value": text}
        assert json.loads(row["traits"]) == {"name": text}
    assert (rows, causes) == ({}, {})
