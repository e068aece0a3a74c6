"""`sources.yml`: what it may say, and that a change takes effect while running."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.errors import SourcesError
from collector.live_sources import LiveSources
from collector.sources import load_sources
from tests.collector.acceptance import accepts
from tests.servers import CollectorProcess, request, running_collector, sources_path

HASH = hashlib.sha256(b"key").hexdigest()
EVENT = {"userId": "u", "event": "E"}


def load(directory: Path, text: str, **environ: str) -> Any:
    file = directory / "sources.yml"
    file.write_text(text)
    return load_sources(file, environ=environ)


def test_a_source_is_found_by_its_key_from_either_place(tmp_path: Path) -> None:
    sources = load(
        tmp_path,
        f"""
        sources:
          web:
            kind: browser
            write_key_sha256: {HASH}
            allowed_origins: ["https://shop.example"]
            limits: {{requests_per_second: 5, batch_events: 10}}
            region: eu
          app: {{kind: mobile, write_key_env: APP_KEY, enabled: false}}
        """,
        APP_KEY="é",
    )
    web = sources.find(b"key")
    assert (web.name, web.kind, web.is_client, web.enabled) == (
        "web",
        "browser",
        True,
        True,
    )
    assert (web.limits.requests_per_second, web.limits.batch_events) == (5, 10)
    assert web.region == "eu"
    assert sources.find("é".encode()).enabled is False
    assert sources.find(b"other") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sources:\n  a: {kind: server, write_key_env: A, typo: 1}", "sources.a.typo"),
        ("sources:\n  a: {kind: toaster, write_key_env: A}", "sources.a.kind"),
        ("sources:\n  A b: {kind: server, write_key_env: A}", "sources.A b"),
        ("sources:\n  a: {kind: server}", "exactly one of write_key_env"),
        ("sources:\n  a: {kind: server, write_key_sha256: xx}", "write_key_sha256"),
        ("sources:\n  a: {kind: server, write_key_env: B}", "variable B is not set"),
        ("sources: {}", "sources: "),
        ("sources: [", "not valid YAML"),
        ("- a", "sources.yml: "),
        (
            "sources:\n  a: {kind: server, write_key_env: A}\n"
            "regions: {us: us.collector.example}",
            "regions.us",
        ),
        ("sources:\n  a: {kind: server, kind: mobile}", "'kind' is given twice"),
        (
            "sources:\n  a: {kind: server, write_key_env: A}\n"
            "  a: {kind: server, write_key_env: A}",
            "'a' is given twice",
        ),
        (
            "sources:\n  a: {kind: server, write_key_env: A}\n"
            "  b: {kind: server, write_key_env: A}",
            "same write key as sources.a",
        ),
        (
            "sources:\n  a: {kind: browser, write_key_env: A, "
            "allowed_origins: [shop.example/path]}",
            "sources.a.allowed_origins.0",
        ),
        (
            "sources:\n  a: {kind: server, write_key_env: A, "
            "limits: {batch_events: 0}}",
            "sources.a.limits.batch_events",
        ),
        ("sources:\n  a: {kind: webhook, write_key_env: A}", "webhooks/a.py"),
        (
            "sources:\n  a: {kind: server, "
            "signature: {header: X-Signature, secret_env: A}}",
            "only sources of kind webhook",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(SourcesError) as error:
        load(tmp_path, text, A="secret")
    assert problem in str(error.value)
    assert "sources.yml" in str(error.value)


@accepts("B88")
@pytest.mark.parametrize("environ", [{}, {"B": ""}])
def test_a_missing_or_empty_variable_is_named(
    environ: dict[str, str], tmp_path: Path
) -> None:
    text = "sources:\n  a: {kind: server, write_key_env: B}"
    with pytest.raises(SourcesError, match="variable B is not set or empty"):
        load(tmp_path, text, **environ)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = """
    sources:
      a: {kind: server, write_key_env: A}
      b: {kind: server, write_key_env: B}
    """
    with pytest.raises(SourcesError) as error:
        load(tmp_path, text)
    assert len(str(error.value).splitlines()) == 2


def test_a_broken_file_keeps_the_last_good_one(tmp_path: Path) -> None:
    file = tmp_path / "sources.yml"
    good = f"sources:\n  a: {{kind: server, write_key_sha256: {HASH}}}"
    file.write_text(good)
    live = LiveSources(file, environ={})
    for broken in ("sources: [", None):
        if broken is None:
            file.unlink()
        else:
            file.write_text(broken)
        live.refresh()
        assert live.current.find(b"key")
        assert "sources.yml" in (live.problem or "")
    file.write_text(good.replace("a:", "b:"))
    live.refresh()
    found = live.current.find(b"key")
    assert (live.problem, found and found.name) == (None, "b")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "nothing changed"
        time.sleep(0.05)


def status(collector: CollectorProcess, key: str) -> int:
    return collector.post("/v1/track", EVENT, key=key).status


def test_a_change_takes_effect_without_a_restart(tmp_path: Path) -> None:
    line = "sources:\n  shop: {write_key_env: KITH_WRITE_KEY, kind: server%s}"
    with running_collector(tmp_path / "data", sources=line % "") as collector:
        file = sources_path(tmp_path / "data")
        assert status(collector, "test-write-key") == 200
        assert status(collector, "web-key") == 401
        added = "\n  web: {write_key_env: KITH_WEB_KEY, kind: browser}"
        file.write_text(line % "" + added)
        wait_until(lambda: status(collector, "web-key") == 200)
        file.write_text(line % ", enabled: false" + added)
        wait_until(lambda: status(collector, "test-write-key") == 403)
        file.write_text(line % ", typo: 1")
        ready = f"{collector.url}/ready"
        wait_until(
            lambda: "sources.shop.typo" in request(ready).body.get("sources", "")
        )
        assert request(ready).status == 200
        assert status(collector, "web-key") == 200


@accepts("B31")
def test_limits_of_a_source_are_its_own(tmp_path: Path) -> None:
    sources = """
    sources:
      small: {write_key_env: KITH_WRITE_KEY, kind: server,
              limits: {event_bytes: 200, batch_bytes: 1000, batch_events: 2}}
      large: {write_key_env: KITH_WEB_KEY, kind: server, limits: {event_bytes: 60000}}
      slow: {write_key_env: KITH_CLOSED_KEY, kind: server,
             limits: {requests_per_second: 2}}
    """
    large = EVENT | {"properties": {"a": "x" * 40_000}}
    medium = EVENT | {"properties": {"a": "x" * 300}}
    with running_collector(tmp_path / "data", sources=sources) as collector:
        assert collector.post("/v1/track", medium).status == 413
        assert collector.post("/v1/track", medium, key="web-key").status == 200
        assert collector.post("/v1/track", large, key="web-key").status == 200
        in_body = medium | {"writeKey": "test-write-key"}
        assert collector.post("/v1/track", in_body, key=None).status == 413
        batch = {"batch": [medium | {"type": "track"}] * 4}
        assert collector.post("/v1/batch", batch).status == 413
        answers = [
            collector.post("/v1/track", EVENT, key="closed-key") for _ in range(4)
        ]
        refused = next(answer for answer in answers if answer.status == 429)
        assert refused.body["code"] == "rate_limited"
        assert refused.headers["retry-after"] == "1"
        assert int(refused.headers["x-ratelimit-reset"]) >= int(time.time())
        time.sleep(1)
        assert status(collector, "closed-key") == 200


def test_a_source_of_another_region_is_sent_there(tmp_path: Path) -> None:
    sources = """
    sources:
      here: {write_key_env: KITH_WRITE_KEY, kind: server, region: eu}
      there: {write_key_env: KITH_WEB_KEY, kind: server, region: us}
      elsewhere: {write_key_env: KITH_CLOSED_KEY, kind: server, region: jp}
    regions: {us: "https://us.collector.example"}
    """
    environ = {"KITH_REGION": "eu"}
    data_dir = tmp_path / "data"
    with running_collector(data_dir, sources=sources, environ=environ) as collector:
        assert status(collector, "test-write-key") == 200
        refused = collector.post("/v1/track", EVENT, key="web-key")
        assert (refused.status, refused.body["code"]) == (421, "wrong_region")
        assert "https://us.collector.example" in refused.body["message"]
        refused = collector.post("/v1/track", EVENT, key="closed-key")
        assert (refused.status, refused.body["code"]) == (421, "wrong_region")
        assert "region jp" in refused.body["message"]


def test_the_file_of_the_repository_can_be_used() -> None:
    path = Path("collector/sources.yml")
    environ = {**os.environ, "KITH_WRITE_KEY": "x"}
    source = load_sources(path, environ=environ).find(b"x")
    assert source is not None
    assert source.name == "development"
