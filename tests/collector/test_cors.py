"""Cross-origin requests: what a browser needs before it lets an SDK see an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collector.acceptance import accepts
from tests.servers import CollectorProcess, request, running_collector

SHOP = "https://shop.example"
SOURCES = """
sources:
  shop: {write_key_env: KITH_WRITE_KEY, kind: browser,
         allowed_origins: ["https://shop.example", "https://*.Staging.example:8443"]}
  open: {write_key_env: KITH_WEB_KEY, kind: browser}
"""
RETRY = (
    "anonymousid,authorization,content-type,sentat,rsa-recovered,rsa-retry-attempt,"
    "rsa-retry-reason,rsa-since-first-attempt,rsa-since-last-attempt"
)
EVENT = {"event": "E", "userId": "u"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    data_dir = tmp_path_factory.mktemp("cors") / "data"
    with running_collector(data_dir, sources=SOURCES) as process:
        yield process


@accepts("B11")
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/v1/t", "authorization"),
        ("/v1/t", "authorization,x-retry-count"),
        ("/v1/batch", RETRY),
        ("/sourceConfig/", "authorization"),
        ("/any/path/at/all", "x-made-up"),
    ],
)
def test_a_preflight_is_granted_whatever_it_asks_for(
    collector: CollectorProcess, path: str, wanted: str
) -> None:
    answer = request(
        collector.url + path,
        method="OPTIONS",
        headers={
            "origin": SHOP,
            "access-control-request-method": "POST",
            "access-control-request-headers": wanted,
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == wanted
    assert answer.headers["access-control-allow-methods"] == "GET, POST, HEAD, OPTIONS"
    assert int(answer.headers["access-control-max-age"]) >= 900
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/t", 200),
        ("POST", "/v1/t?writeKey=wrong", 400),
        ("POST", "/v1/unknown", 404),
        ("GET", "/v1/t", 405),
        ("GET", "/v1/projects/web-key/settings", 200),
        ("GET", "/v1/projects/wrong/settings", 401),
        ("GET", "/health", 200),
    ],
)
def test_every_answer_can_be_read_by_the_page_that_asked(
    collector: CollectorProcess, method: str, path: str, status: int
) -> None:
    body = b'{"event":"E","userId":"u"}' if status == 200 else b"broken"
    answer = request(
        collector.url + path,
        method=method,
        body=body if method == "POST" else None,
        user="web-key",
        headers={"origin": "http://a.example"},
    )
    assert answer.status == status
    assert answer.headers["access-control-allow-origin"] == "http://a.example"
    assert answer.headers["access-control-expose-headers"] == "retry-after"
    assert answer.headers["vary"] == "origin"


def test_without_an_origin_nothing_is_granted(collector: CollectorProcess) -> None:
    answer = collector.post("/v1/t", EVENT)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (SHOP, 200),
        ("https://a.b.staging.example:8443", 200),
        (None, 200),
        ("http://shop.example", 403),
        ("https://shop.example.evil.example", 403),
        ("https://staging.example:8443", 403),
        ("https://a.staging.example", 403),
        ("null", 403),
    ],
)
def test_a_source_takes_events_of_its_own_pages_only(
    collector: CollectorProcess, origin: str | None, status: int
) -> None:
    headers = {"origin": origin} if origin else {}
    answer = collector.post("/v1/t", EVENT, headers=headers)
    assert answer.status == status
    if status == 403:
        assert answer.body["code"] == "origin_not_allowed"
        assert answer.headers["access-control-allow-origin"] == origin
