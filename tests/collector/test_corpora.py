"""Public corpora of difficult JSON and text, sent to a real collector."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.collector.acceptance import accepts
from tests.collector.corpora import (
    json_test_suite,
    json_transformations,
    naughty_strings,
)
from tests.collector.landed import Landed
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


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    # Some cases are larger than an event may be; here their JSON is what matters.
    limit = {"KITH_MAX_EVENT_BYTES": "400000"}
    data_dir = tmp_path_factory.mktemp("corpora") / "data"
    with running_collector(data_dir, environ=limit) as process:
        yield process


@pytest.fixture
def landed(collector: CollectorProcess) -> Landed:
    return Landed(collector)


def wrapped(name: str, content: bytes) -> bytes:
    return EVENT % (name.encode(), b'{"v":' + content + b"}")


def stored_values(landed: Landed) -> dict[str, Any]:
    """The property `v` of each event in Parquet, by message id."""
    return {
        row["message_id"]: json.loads(row["properties"])["v"]
        for row in landed("events")
    }


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
def test_every_json_value_is_equal_in_parquet(
    collector: CollectorProcess, landed: Landed
) -> None:
    cases = {n: c for n, c in json_test_suite().items() if n.startswith("y_")}
    for name, content in cases.items():
        assert collector.post("/v1/track", wrapped(name, content)).status == 200, name
    values = stored_values(landed)
    (refused,) = landed("quarantine")
    assert refused["code"] == "bad_key"
    assert refused["path"] == "properties.v"
    del cases["y_object_escaped_null_in_key"]
    assert len(cases) == 94
    assert values == {name: expected_value(c) for name, c in cases.items()}


@accepts("B37", "B41")
def test_what_json_leaves_open_is_decided(
    collector: CollectorProcess, landed: Landed
) -> None:
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
    values = stored_values(landed)
    assert values == {name: expected_value(cases[name]) for name in STORED_NUMBERS}
    rows = landed("events")
    flagged = {row["message_id"] for row in rows if "number_overflow" in row["flags"]}
    assert flagged == {
        "i_number_too_big_neg_int",
        "i_number_too_big_pos_int",
        "i_number_very_big_negative_int",
    }


@accepts("B39", "B42")
def test_what_parsers_read_differently_has_one_meaning(
    collector: CollectorProcess, landed: Landed
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
    values = stored_values(landed)
    quarantined = {row["code"] for row in landed("quarantine")}
    assert quarantined <= {"bad_key"}
    for name, value in values.items():
        assert value == expected_value(cases[name]), name


@accepts("B52")
def test_naughty_strings_are_stored_as_they_are(
    collector: CollectorProcess, landed: Landed
) -> None:
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
    rows = {row["message_id"]: row for row in landed("events")}
    refused = landed("quarantine")
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


TEXT_FIELDS = {"name": "name", "category": "category"}
IDS = {
    "userId": ("user_id", "bad_user_id"),
    "anonymousId": ("anonymous_id", "bad_anonymous_id"),
    "previousId": ("previous_id", "bad_previous_id"),
    "groupId": ("group_id", "bad_group_id"),
}


def naughty_events(text: str, number: int) -> Iterator[dict[str, Any]]:
    """An event for each field that can hold text, with the text there."""
    places: dict[str, Any] = {field: text for field in (*TEXT_FIELDS, *IDS)}
    places |= {"messageId": text, "type": text, "timestamp": text, "channel": text}
    places |= {"integrations": {text: True}, "traits": {text: text}}
    places |= {"context": {"ip": text, "locale": text, text: {text: text}}}
    for field, value in places.items():
        base = {"type": "page", "userId": "u", "anonymousId": "a", "groupId": "g"}
        yield {**base, field: value, "properties": {"n": number, "field": field}}


def wrong_row(text: str, field: str, row: dict[str, Any]) -> bool:
    """Whether a stored row does not have the text where it was sent."""
    if field in IDS:
        return bool(row[IDS[field][0]] != (text.strip() or None))
    if field in TEXT_FIELDS:
        return bool(row[TEXT_FIELDS[field]] != text)
    if field == "messageId":
        return bool(row["message_id"] != text) and bool(text.strip())
    if field in ("timestamp", "channel"):
        name = "originalTimestamp" if field == "timestamp" else field
        return bool(json.loads(row["extra"])[name] != text)
    if field == "integrations":
        return bool(json.loads(row["integrations"]) != {text: True})
    if field == "traits":
        return bool(json.loads(row["traits"]) != {text: text})
    wanted = {"ip": text, "locale": text, text: {text: text}}
    return bool(json.loads(row["context"]) != wanted)


@accepts("B52")
def test_naughty_strings_may_stand_in_any_field(
    collector: CollectorProcess, landed: Landed
) -> None:
    strings = naughty_strings()
    events = [
        event
        for number, text in enumerate(strings)
        for event in naughty_events(text, number)
    ]
    for start in range(0, len(events), 1_000):
        batch = {"batch": events[start : start + 1_000]}
        assert collector.post("/v1/batch", batch).status == 200
    rows = landed("events")
    places = [json.loads(row["properties"]) for row in rows]
    wrong = [
        place
        for row, place in zip(rows, places, strict=True)
        if wrong_row(strings[place["n"]], place["field"], row)
    ]
    assert wrong == []
    refused = landed("quarantine")
    assert len(rows) + len(refused) == len(events)
    for row in refused:
        event = json.loads(row["payload"])
        field = event["properties"]["field"]
        text = strings[event["properties"]["n"]]
        expected = {
            "type": row["code"] == "bad_type",
            "messageId": row["code"] == "bad_message_id" and len(text) > 100,
        }
        if field in IDS:
            assert row["code"] == IDS[field][1]
            assert len(text.strip()) > 255
        else:
            assert expected[field]


@accepts("B2", "B5", "B7")
def test_naughty_strings_are_no_write_keys(collector: CollectorProcess) -> None:
    for text in naughty_strings():
        document = {"userId": "u", "event": "E", "writeKey": text}
        answer = collector.post("/v1/track", document, key=None)
        code = "invalid_write_key" if text else "missing_write_key"
        assert (answer.status, answer.body["code"]) == (401, code)
