"""Every path that real clients call, with what they put where."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from collector.routes import ANY_PREFIX, ENDPOINTS, find
from tests.collector.acceptance import accepts
from tests.raw import read_raw
from tests.servers import CollectorProcess, basic, request, running_collector

EVENTS: dict[str, dict[str, Any]] = {
    "track": {"userId": "u", "event": "E"},
    "identify": {"userId": "u", "traits": {"email": "a@b.example"}},
    "page": {"anonymousId": "a", "name": "Home"},
    "screen": {"anonymousId": "a", "name": "Home"},
    "group": {"userId": "u", "groupId": "g"},
    "alias": {"userId": "u", "previousId": "a"},
}
SINGLE = [
    (f"/v1/{path}", kind) for kind in EVENTS for path in (kind, kind[0], f"{kind}/")
]
BATCHES = ["/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch", "//v1//batch/"]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    environ = {"KITH_PATH_PREFIX": "/events/eu"}
    data_dir = tmp_path_factory.mktemp("collector") / "data"
    with running_collector(data_dir, environ=environ) as process:
        yield process


@accepts("B10")
def test_every_path_stores_the_event_it_names(tmp_path: Path) -> None:
    with running_collector(tmp_path / "data") as collector:
        for path, kind in SINGLE:
            document = {**EVENTS[kind], "messageId": path}
            answer = collector.post(path, document)
            assert (answer.status, answer.body) == (200, {"success": True}), path
        for path in BATCHES:
            event = {**EVENTS["track"], "type": "track", "messageId": path}
            answer = collector.post(path, {"batch": [event]})
            assert (answer.status, answer.body) == (200, {"success": True}), path
    rows = read_raw(tmp_path / "data" / "raw", "events")
    assert [(row["message_id"], row["type"]) for row in rows] == [
        *SINGLE,
        *((path, "track") for path in BATCHES),
    ]


@pytest.mark.parametrize("path", ["/v1/m", "/rsaMetrics"])
def test_telemetry_of_the_sdks_is_swallowed_without_a_key(
    collector: CollectorProcess, path: str
) -> None:
    body = b'{"series":[{"type":"Counter","metric":"analytics_js.invoke"}]}'
    headers = {"content-type": "text/plain"}
    assert request(collector.url + path, body=body, headers=headers).status == 200
    assert request(collector.url + path, body=b"anything").status == 200


@pytest.mark.parametrize("path", ["/events/eu/v1/track", "/events/eu//v1/t/"])
def test_a_configured_prefix_may_come_first(
    collector: CollectorProcess, path: str
) -> None:
    assert collector.post(path, EVENTS["track"]).status == 200
    assert collector.post(f"/other{path}", EVENTS["track"]).status == 404
    assert request(f"{collector.url}/events/eu").status == 200


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/b/v1/batch", "/v1/batch"),
        ("/a/beacon/v1/batch", "/beacon/v1/batch"),
        ("/a/sourceConfig/", "/sourceConfig"),
        ("/a/v1/projects/key/settings", "/v1/projects/{write_key}/settings"),
        ("/v1/batch", "/v1/batch"),
        ("/a/v2/batch", None),
    ],
)
def test_the_prefix_may_be_anything(path: str, found: str | None) -> None:
    endpoint = find(path, prefix=ANY_PREFIX)
    assert (endpoint and endpoint[0].path) == found


@accepts("B10")
@pytest.mark.parametrize(
    "path",
    [
        *("/v1", "/v1/tt", "/V1/TRACK", "/v1/%2e%2e/admin", "/v1/../track"),
        *("/v1/track/x", "/v1/webhooks/", "/v1/webhooks/a/b", "/v1/batch\n"),
        "/v1/projects/settings",
    ],
)
def test_what_is_no_endpoint_is_not_found(path: str) -> None:
    assert find(path) is None


@accepts("B9")
def test_head_is_as_good_as_get_and_other_methods_are_told_what_is_allowed(
    collector: CollectorProcess,
) -> None:
    for endpoint in ENDPOINTS:
        path = endpoint.path.replace("{write_key}", "test-write-key")
        url = collector.url + path.replace("{source}", "x")
        wrong = "GET" if endpoint.method == "POST" else "POST"
        answer = request(url, method=wrong)
        assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")
        assert endpoint.method in answer.headers["allow"]
        if endpoint.method == "GET":
            head = request(url, method="HEAD")
            assert (head.status, head.body) == (200, b""), path


@accepts("B1", "B2", "B6")
def test_the_key_may_be_in_header_body_or_query(collector: CollectorProcess) -> None:
    url = f"{collector.url}/beacon/v1/batch"
    batch = {"batch": [{"type": "track", **EVENTS["track"]}]}
    body = json.dumps(batch).encode()
    with_key = json.dumps(batch | {"writeKey": "test-write-key"}).encode()
    beacon = {"content-type": "text/plain;charset=UTF-8"}
    assert (
        request(f"{url}?writeKey=test-write-key", body=body, headers=beacon).status
        == 200
    )
    assert request(url, body=with_key).status == 200
    without_colon = "Basic " + base64.b64encode(b"test-write-key").decode()
    header = {"authorization": without_colon}
    assert request(url, body=body, headers=header).status == 200
    assert request(url, body=body).body["code"] == "missing_write_key"
    assert request(f"{url}?writeKey=x", body=body).body["code"] == "invalid_write_key"
    conflict = request(f"{url}?writeKey=web-key", body=with_key)
    assert (conflict.status, conflict.body["code"]) == (400, "conflicting_write_key")
    masked = json.dumps(batch | {"writeKey": "id:***"}).encode()
    assert request(url, body=masked, user="test-write-key").status == 200


@accepts("B12")
def test_a_gzipped_form_is_json_for_one_server_sdk(
    collector: CollectorProcess,
) -> None:
    body = gzip.compress(
        json.dumps({"batch": [{"type": "track", **EVENTS["track"]}]}).encode()
    )
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "content-encoding": "gzip",
    }
    assert collector.post("/v1/batch", body, headers=headers).status == 200


def test_headers_of_the_browser_sdk_fill_what_the_body_leaves_out(
    tmp_path: Path,
) -> None:
    headers = {
        "AnonymousId": base64.b64encode("é-1".encode()).decode(),
        "SentAt": "2026-11-22T12:00:00.000Z",
    }
    with running_collector(tmp_path / "data") as collector:
        without = {"event": "E", "messageId": "m1"}
        assert collector.post("/v1/track", without, headers=headers).status == 200
        own = {
            "event": "E",
            "messageId": "m2",
            "anonymousId": "mine",
            "sentAt": "2026-11-22T13:00:00Z",
        }
        assert collector.post("/v1/track", own, headers=headers).status == 200
        headers["AnonymousId"] = "!!!"
        assert collector.post("/v1/track", without, headers=headers).status == 400
    first, second = read_raw(tmp_path / "data" / "raw", "events")
    assert (first["anonymous_id"], first["sent_at"].hour) == ("é-1", 12)
    assert (second["anonymous_id"], second["sent_at"].hour) == ("mine", 13)


def test_a_merge_is_quarantined_whole(tmp_path: Path) -> None:
    merge = {"mergeProperties": [{"type": "email", "value": "a@b.example"}]}
    with running_collector(tmp_path / "data") as collector:
        assert collector.post("/v1/merge", merge).status == 200
        assert collector.post("/v1/merge", merge | {"type": "merge"}).status == 200
    rows = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert [row["code"] for row in rows] == ["bad_type"] * 2
    assert json.loads(rows[0]["payload"]) == merge


def test_history_comes_in_larger_bodies(tmp_path: Path) -> None:
    event = {"type": "track", "userId": "u", "event": "E"}
    document = {"batch": [event | {"properties": {"a": "x" * 20_000}}] * 10}
    limits = {"KITH_MAX_BATCH_BYTES": "100000", "KITH_MAX_IMPORT_BYTES": "300000"}
    with running_collector(tmp_path / "data", environ=limits) as collector:
        assert collector.post("/v1/batch", document).status == 413
        assert collector.post("/v1/import", document).status == 200


def pixel(collector: CollectorProcess, path: str, **query: str) -> None:
    answer = request(f"{collector.url}{path}?{urlencode(query)}")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert answer.body.startswith(b"GIF89a")


@accepts("B33")
def test_pixels_are_events_and_always_answer_with_the_image(tmp_path: Path) -> None:
    encoded = {
        "writeKey": "web-key",
        "userId": "u",
        "event": "Opened",
        "messageId": "1",
    }
    data = base64.b64encode(json.dumps(encoded).encode()).decode()
    flat = {"userId": "u", "event": "Opened", "messageId": "2", "properties.plan": "x"}
    with running_collector(tmp_path / "data") as collector:
        pixel(collector, "/v1/pixel/track", data=data)
        pixel(collector, "/v1/pixel/track", data=data.rstrip("="))
        pixel(collector, "/v1/pixel/track", writeKey="web-key", **flat)
        page = {"anonymousId": "a", "context.page.url": "https://shop.example/"}
        pixel(collector, "/pixel/v1/page", writeKey="web-key", messageId="3", **page)
        pixel(collector, "/pixel/v1/track", writeKey="web-key", **flat)
        pixel(collector, "/v1/pixel/track", data="!!!", writeKey="web-key")
        pixel(collector, "/v1/pixel/track", data="!!!")
        pixel(collector, "/v1/pixel/track", data=base64.b64encode(b"[1]").decode())
        pixel(collector, "/v1/pixel/track", writeKey="wrong", userId="u")
        pixel(collector, "/v1/pixel/track", writeKey="web-key", event="no identity")
        pixel(collector, "/v1/pixel/track", writeKey="closed-key", **flat)
    rows = read_raw(tmp_path / "data" / "raw", "events")
    assert [row["message_id"] for row in rows] == ["1", "1", "2", "3", "2"]
    assert rows[2]["properties"] == '{"plan":"x"}'
    assert rows[2]["user_agent"].startswith("Python-urllib")
    assert json.loads(rows[3]["context"])["page"]["url"] == "https://shop.example/"
    quarantined = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert [(row["source_id"], row["code"]) for row in quarantined] == [
        ("web", "bad_pixel_data"),
        ("(unknown)", "bad_pixel_data"),
        ("(unknown)", "bad_pixel_data"),
        ("(unknown)", "invalid_write_key"),
        ("web", "no_user_anon_id"),
        ("closed", "source_disabled"),
    ]


@accepts("B33", "B40", "B41", "B43")
def test_the_json_of_a_pixel_is_read_as_strictly_as_any(tmp_path: Path) -> None:
    event = b'{"userId":"u","event":"E","messageId":"m","properties":{"v":%s}}'
    with running_collector(tmp_path / "data") as collector:
        for value in (b"18446744073709551616", b"NaN", b'{"a\\u0000":1}', b"[1,]"):
            data = base64.b64encode(event % value).decode()
            pixel(collector, "/v1/pixel/track", data=data, writeKey="web-key")
            pixel(collector, "/v1/pixel/track", data=data)
        data = base64.b64encode(b'{"writeKey":"web-key",' + (event % b"1")[1:]).decode()
        pixel(collector, "/v1/pixel/track", data=data)
    first, second = read_raw(tmp_path / "data" / "raw", "events")
    assert (first["properties"], first["flags"]) == (
        '{"v":"18446744073709551616"}',
        ["bot", "number_overflow"],
    )
    assert second["properties"] == '{"v":1}'
    rows = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert {row["code"] for row in rows} == {
        *("not_a_number", "bad_key", "bad_pixel_data", "missing_write_key")
    }


def test_pixels_of_nobody_cannot_fill_the_disk(tmp_path: Path) -> None:
    with running_collector(tmp_path / "data") as collector:
        url = f"{collector.url}/v1/pixel/track?data=!!!"
        answers = [request(url) for _ in range(60)]
    assert {answer.status for answer in answers} == {200, 429}
    assert all(answer.body.startswith(b"GIF89a") for answer in answers)
    kept = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert len(kept) == sum(answer.status == 200 for answer in answers)


def test_segment_s_browser_sdk_is_sent_here(collector: CollectorProcess) -> None:
    answer = request(f"{collector.url}/v1/projects/web-key/settings")
    assert answer.status == 200
    assert list(answer.body["integrations"]) == ["Segment.io"]
    integration = answer.body["integrations"]["Segment.io"]
    assert integration["apiKey"] == "web-key"
    assert integration["apiHost"] == f"127.0.0.1:{collector.port}/events/eu/v1"
    assert integration["protocol"] == "http"
    assert answer.body["metrics"] == {"sampleRate": 0}
    assert request(f"{collector.url}/v1/projects/wrong/settings").status == 401
    assert request(f"{collector.url}/v1/projects/closed-key/settings").status == 403
    host = {"host": "evil.example/x"}
    url = f"{collector.url}/v1/projects/web-key/settings"
    assert request(url, headers=host).status == 400


def test_rudderstack_s_browser_sdk_finds_its_source(
    collector: CollectorProcess,
) -> None:
    url = f"{collector.url}/sourceConfig/?p=npm&v=3&writeKey=web-key"
    for answer in (
        request(url),
        request(
            f"{collector.url}/sourceConfig", headers={"authorization": basic("web-key")}
        ),
    ):
        source = answer.body["source"]
        assert (source["id"], source["enabled"]) == ("web", True)
        assert source["writeKey"] == "web-key"
        assert source["destinations"] == []
    closed = request(f"{collector.url}/sourceConfig/?writeKey=closed-key")
    assert closed.body["source"]["enabled"] is False
    assert request(f"{collector.url}/sourceConfig/").status == 401
    ad_probe = request(f"{collector.url}/sourceConfig/?view=ad", method="HEAD")
    assert ad_probe.status == 200


def test_probes_are_answered(collector: CollectorProcess) -> None:
    for path in ("/", "/health", "/healthz"):
        assert request(collector.url + path).body == {"status": "ok"}
    assert request(f"{collector.url}/version").body["version"]
    assert b"Disallow: /" in request(f"{collector.url}/robots.txt").body
