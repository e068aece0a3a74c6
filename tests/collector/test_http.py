"""The collector over real HTTP: what is answered, and what is in Parquet afterwards."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.collector.acceptance import accepts
from tests.collector.landed import Landed
from tests.servers import CollectorProcess, request, running_collector


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with running_collector(tmp_path_factory.mktemp("collector") / "data") as process:
        yield process


@pytest.fixture
def landed(collector: CollectorProcess) -> Landed:
    return Landed(collector)


def track(**changes: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", **changes}


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("track", {"userId": "u", "event": "E"}),
        ("identify", {"userId": "u", "traits": {"email": "a@b.example"}}),
        ("page", {"anonymousId": "a", "name": "Home"}),
        ("screen", {"anonymousId": "a", "name": "Home"}),
        ("group", {"userId": "u", "groupId": "g"}),
        ("alias", {"userId": "u", "previousId": "a"}),
        ("batch", {"batch": [{"type": "track", "userId": "u", "event": "E"}]}),
    ],
)
def test_every_call_of_the_protocol_is_accepted(
    collector: CollectorProcess, route: str, body: dict[str, Any]
) -> None:
    answer = collector.post(f"/v1/{route}", body)
    assert (answer.status, answer.body) == (200, {"success": True})
    assert collector.post(f"/v1/{route}/", body).status == 200


@accepts("B14", "B35", "B40", "B45", "B47", "B54", "B55", "B58")
@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/track", b"", 400, "empty_body"),
        ("/v1/track", b"{", 400, "invalid_json"),
        ("/v1/track", b'{"a":NaN}', 400, "invalid_json"),
        ("/v1/track", b"\xff\xfe{}", 400, "invalid_utf8"),
        ("/v1/track", b"[]", 400, "not_an_object"),
        ("/v1/track", b'{"event":"E"}', 400, "no_user_anon_id"),
        ("/v1/batch", b"{}", 400, "batch_not_list"),
        ("/v1/batch", b'{"batch":[]}', 400, "empty_batch"),
        ("/v1/batch", b'{"batch":{}}', 400, "batch_not_list"),
        ("/v1/unknown", b"{}", 404, "unknown_path"),
        ("/V1/TRACK", b"{}", 404, "unknown_path"),
        ("/health", b"{}", 405, "method_not_allowed"),
    ],
)
def test_what_can_never_be_stored_is_refused_with_a_reason(
    collector: CollectorProcess, path: str, body: bytes, status: int, code: str
) -> None:
    answer = collector.post(path, body)
    assert (answer.status, answer.body["code"]) == (status, code)
    assert answer.body["success"] is False
    assert answer.body["message"]
    assert answer.body["request_id"] == answer.headers["x-request-id"]


@accepts("B15", "B17")
def test_a_body_over_the_limit_is_refused(collector: CollectorProcess) -> None:
    single = json.dumps(track(properties={"a": "x" * 33_000})).encode()
    assert collector.post("/v1/track", single).status == 413
    batch = json.dumps({"batch": [track(properties={"a": "x" * 4_000_000})]}).encode()
    assert collector.post("/v1/batch", batch).status == 413
    bomb = gzip.compress(batch)
    answer = collector.post("/v1/batch", bomb, headers={"content-encoding": "gzip"})
    assert (answer.status, answer.body["code"]) == (413, "payload_too_large")


@accepts("B18", "B20")
def test_gzip_is_undone_and_checked(collector: CollectorProcess) -> None:
    body = gzip.compress(json.dumps({"batch": [track()]}).encode())
    header = {"content-encoding": "gzip"}
    assert collector.post("/v1/batch", body, headers=header).status == 200
    for damaged in (body[:-1], body + b"x", body + body, b"{}"):
        answer = collector.post("/v1/batch", damaged, headers=header)
        assert (answer.status, answer.body["code"]) == (400, "invalid_encoding")
    answer = collector.post("/v1/batch", body)
    assert "looks like gzip" in answer.body["message"]
    answer = collector.post("/v1/batch", body, headers={"content-encoding": "br"})
    assert answer.status == 415


@accepts("B3", "B4", "B6", "B8")
def test_the_write_key_may_be_in_the_header_or_in_the_body(
    collector: CollectorProcess,
) -> None:
    url = f"{collector.url}/v1/track"
    with_key = json.dumps(track(writeKey="test-write-key")).encode()
    without = json.dumps(track()).encode()
    assert request(url, body=with_key).status == 200
    assert request(url, body=with_key, user="test-write-key").status == 200
    assert request(url, body=without).status == 401
    assert request(url, body=without, user="wrong").status == 401
    assert request(url, body=with_key, user="wrong").status == 401
    conflict = request(url, body=with_key, user="web-key")
    assert (conflict.status, conflict.body["code"]) == (400, "conflicting_write_key")
    closed = request(url, body=without, user="closed-key")
    assert (closed.status, closed.body["code"]) == (403, "source_disabled")
    for header in ("Basic !!!", "Basic w6k6", "Bearer x", "Basic", "Basic //79"):
        refused = request(url, body=without, headers={"authorization": header})
        assert refused.status == 401, header


def test_health_and_readiness(collector: CollectorProcess) -> None:
    assert request(f"{collector.url}/health").body == {"status": "ok"}
    assert request(f"{collector.url}/ready").body == {"status": "ready"}


def test_what_arrives_is_in_parquet(
    collector: CollectorProcess, landed: Landed
) -> None:
    collector.post(
        "/v1/batch",
        {
            "sentAt": "2026-11-22T12:00:00Z",
            "context": {"library": {"name": "lib", "version": "1.2"}},
            "integrations": {"All": False},
            "batch": [
                track(messageId="m1", properties={"b": 1, "a": [None, 1.5]}),
                track(messageId="m2", context={"ip": "192.0.2.7"}, channel="s"),
                track(event=""),
                {"type": "track", "event": "E"},
                "text",
            ],
        },
    )
    collector.post(
        "/v1/page",
        {"anonymousId": "a", "messageId": "m3"},
        key="web-key",
        headers={"user-agent": "Browser/1"},
    )
    first, second, third = landed("events")
    assert [row["message_id"] for row in (first, second, third)] == ["m1", "m2", "m3"]
    assert first["properties"] == '{"b":1,"a":[null,1.5]}'
    assert (first["library_name"], first["library_version"]) == ("lib", "1.2")
    assert first["integrations"] == '{"All":false}'
    assert first["source_id"] == "shop"
    assert first["ip"] is None
    assert second["ip"] == "192.0.2.7"
    assert json.loads(second["context"])["library"]["name"] == "lib"
    assert second["extra"] == '{"channel":"s"}'
    assert (third["ip"], third["user_agent"]) == ("127.0.0.1", "Browser/1")
    quarantined = landed("quarantine")
    assert [row["code"] for row in quarantined] == [
        "missing_event_name",
        "no_user_anon_id",
        "not_an_object",
    ]
    assert json.loads(quarantined[0]["payload"])["event"] == ""
    assert quarantined[2]["payload"] == '"text"'
    positions = [row["position"] for row in (first, second, *quarantined)]
    assert positions == [0, 1, 2, 3, 4]


@accepts("B38")
def test_what_is_nested_too_deep_costs_only_itself(
    collector: CollectorProcess, landed: Landed
) -> None:
    deep = b'{"in":' * 500 + b"1" + b"}" * 500
    event = b'{"type":"track","userId":"u","event":"E","properties":%s}'
    body = b'{"batch":[%s,%s]}' % (event % deep, event % b"{}")
    assert collector.post("/v1/batch", body).status == 200
    alone = collector.post("/v1/track", event % deep)
    assert (alone.status, alone.body["code"]) == (400, "too_deep")
    assert len(landed("events")) == 1
    (quarantined,) = landed("quarantine")
    assert quarantined["code"] == "too_deep"
    assert "nested too deep" in quarantined["payload"]
