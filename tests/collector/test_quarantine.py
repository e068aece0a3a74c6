"""What a running collector does with events it cannot store: quarantine them alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.acceptance import accepts
from tests.collector.bad_events import BAD_EVENTS, track
from tests.collector.landed import Landed
from tests.raw import read_raw
from tests.servers import CollectorProcess, running_collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    data_dir = tmp_path_factory.mktemp("quarantine") / "data"
    with running_collector(data_dir) as process:
        yield process


@pytest.fixture
def landed(collector: CollectorProcess) -> Landed:
    return Landed(collector)


@accepts("B55", "B57", "B58", "B59", "B61", "B62", "B63", "B64", "B69", "B75")
def test_a_bad_event_never_costs_its_batch(
    collector: CollectorProcess, landed: Landed
) -> None:
    cases = [parameters.values for parameters in BAD_EVENTS]
    for number, (raw, _, _) in enumerate(cases):
        before, after = (
            track(messageId=f"{side} {number}") for side in ("before", "after")
        )
        answer = collector.post("/v1/batch", {"batch": [before, raw, after]})
        assert (answer.status, answer.body) == (200, {"success": True})
    stored = [row["message_id"] for row in landed("events")]
    assert stored == [
        f"{side} {number}"
        for number in range(len(cases))
        for side in ("before", "after")
    ]
    rows = landed("quarantine")
    assert [(row["code"], row["path"]) for row in rows] == [
        (code, path) for _, code, path in cases
    ]
    assert len({row["request_id"] for row in rows}) == len(cases)
    for row, (raw, _, _) in zip(rows, cases, strict=True):
        whole = json.dumps(raw, separators=(",", ":"))
        assert row["payload"] == whole[: len(whole) if len(whole) <= 32_768 else 2_048]


@accepts("B57")
def test_of_an_event_too_large_the_beginning_the_size_and_the_hash_are_kept(
    collector: CollectorProcess, landed: Landed
) -> None:
    large = track(properties={"text": "é" * 20_000})
    assert collector.post("/v1/batch", {"batch": [large, track()]}).status == 200
    (row,) = landed("quarantine")
    whole = json.dumps(large, ensure_ascii=False, separators=(",", ":")).encode()
    assert row["code"] == "event_too_large"
    assert str(len(whole)) in row["detail"]
    assert row["payload_sha256"] == hashlib.sha256(whole).hexdigest()
    assert row["payload"].encode() == whole[: len(row["payload"].encode())]
    assert 2_040 <= len(row["payload"].encode()) <= 2_048
    assert not row["replayable"]


@accepts("B56")
def test_the_2501st_event_can_be_replayed(
    collector: CollectorProcess, landed: Landed
) -> None:
    batch = [track(messageId=f"m{number}") for number in range(2_501)]
    assert collector.post("/v1/batch", {"batch": batch}).status == 200
    assert len(landed("events")) == 2_500
    (row,) = landed("quarantine")
    assert (row["code"], row["replayable"]) == ("too_many_events", True)
    assert json.loads(row["payload"]) == batch[-1]


@accepts("B64", "B65")
def test_copies_of_a_message_all_land_for_staging_to_choose(
    collector: CollectorProcess, landed: Landed
) -> None:
    first, second = (track(messageId="m", event=name) for name in ("First", "Second"))
    for batch in ([first], [first, second]):
        assert collector.post("/v1/batch", {"batch": batch}).status == 200
    rows = landed("events")
    assert [row["event"] for row in rows] == ["First", "First", "Second"]
    assert {row["message_id"] for row in rows} == {"m"}


@accepts("B58", "B62", "B69")
def test_alone_the_path_says_the_type_and_only_nobody_is_refused(
    collector: CollectorProcess, landed: Landed
) -> None:
    good = {"anonymousId": "a", "messageId": "m", "properties": None, "traits": None}
    assert collector.post("/v1/page", good).status == 200
    assert collector.post("/v1/page", {**good, "type": "track"}).status == 200
    refused = collector.post("/v1/page", {"properties": {}})
    assert (refused.status, refused.body["code"]) == (400, "no_user_anon_id")
    (row,) = landed("events")
    assert (row["type"], row["properties"], row["traits"]) == ("page", None, None)
    (row,) = landed("quarantine")
    assert (row["code"], row["path"]) == ("bad_type", "type")


@accepts("B50", "B51")
def test_keys_that_differ_in_case_or_composition_are_different(
    collector: CollectorProcess, landed: Landed
) -> None:
    keys = [
        "plan",
        "Plan",
        "PLAN",
        "\u00e9",
        "e\u0301",
        "",
        " ",
        "a.b",
        'a"b',
        "k" * 300,
    ]
    keys += ["__proto__", "constructor", "userId "]
    named = {key: number for number, key in enumerate(keys)}
    event = track(properties=named, traits=named, context=named, **{"Channel": 1})
    event |= {"channel": 2, "userId ": "v"}
    assert collector.post("/v1/track", event).status == 200
    (row,) = landed("events")
    for field in ("properties", "traits", "context"):
        assert list(json.loads(row[field]).items()) == list(named.items())
    assert json.loads(row["extra"]) == {"Channel": 1, "channel": 2, "userId ": "v"}
    assert row["user_id"] == "u"


@accepts("B38")
def test_depth_costs_its_event_as_long_as_the_body_can_be_read(tmp_path: Path) -> None:
    event = b'{"type":"track","userId":"u","event":"E","properties":{"v":%s}}'
    with running_collector(
        tmp_path / "data", environ={"KITH_MAX_EVENT_BYTES": "300000"}
    ) as collector:
        for levels, status in [(62, 200), (65, 200), (255, 200), (1_025, 400)]:
            deep = event % (levels * b"[" + levels * b"]")
            batch = b'{"batch":[%s,%s]}' % (deep, event % b"1")
            answer = collector.post("/v1/batch", batch)
            assert answer.status == status
            assert status == 200 or answer.body["code"] == "too_deep"
        for levels in (65, 255, 1_025, 100_000):
            deep = event % (levels * b"[" + levels * b"]")
            answer = collector.post("/v1/track", deep)
            assert (answer.status, answer.body["code"]) == (400, "too_deep")
    raw_dir = tmp_path / "data" / "raw"
    rows = read_raw(raw_dir, "events")
    assert len(rows) == 1 + 3  # the one that is not too deep, and three neighbours
    codes = [row["code"] for row in read_raw(raw_dir, "quarantine")]
    assert codes == ["too_deep"] * 2


@accepts("B49")
def test_200_000_keys_are_one_event_of_its_batch(
    collector: CollectorProcess, landed: Landed
) -> None:
    many = {f"k{number}": 0 for number in range(200_000)}
    assert len(json.dumps(many)) < 4_000_000
    batch = {"batch": [track(properties=many), track(messageId="good")]}
    assert collector.post("/v1/batch", batch).status == 200
    (row,) = landed("events")
    assert row["message_id"] == "good"
    (row,) = landed("quarantine")
    assert row["code"] == "too_many_properties"


@accepts("B39")
def test_of_equal_keys_only_the_last_is_written(
    collector: CollectorProcess, landed: Landed
) -> None:
    body = (
        b'{"batch":[{"type":"track","userId":"victim","event":"E","userId":"u",'
        b'"properties":{"a":1,"\\u0061":2,"b":{"c":1,"c":2}},"messageId":"m"}]}'
    )
    assert collector.post("/v1/batch", body).status == 200
    (row,) = landed("events")
    assert (row["user_id"], row["properties"]) == ("u", '{"a":2,"b":{"c":2}}')
