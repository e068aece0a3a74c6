"""Unmodified browser SDKs in Chromium: what a page sends is in Parquet exactly once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.clients.sending import (
    browser_client,
    numbers,
    sending,
    stored,
    survive_outage,
    wait_for,
)
from tests.servers import running_collector, start_collector

pytestmark = [
    pytest.mark.clients,
    pytest.mark.parametrize("sdk", ["segment", "rudderstack"]),
]


def test_every_call_is_stored_once(
    sdk: str, browser_environ: dict[str, str], tmp_path: Path
) -> None:
    with running_collector(tmp_path / "data") as collector:
        command = browser_client(sdk, collector.url, "calls", tmp_path / "profile")
        with sending(command, browser_environ) as program:
            wait_for(collector, program, 5)
        collector.stop()
        rows = stored(collector)
    types = sorted(row["type"] for row in rows)
    assert types == ["alias", "group", "identify", "page", "track"]
    by_type = {row["type"]: row for row in rows}
    assert '"email":"a@b.example"' in by_type["identify"]["traits"]
    assert all("Chrome" in row["user_agent"] for row in rows)
    assert all(row["ip"] == "127.0.0.1" for row in rows)
    assert all(row["anonymous_id"] and row["sent_at"] for row in rows)


def test_a_burst_is_stored_once(
    sdk: str, browser_environ: dict[str, str], tmp_path: Path
) -> None:
    with running_collector(tmp_path / "data") as collector:
        command = browser_client(sdk, collector.url, "burst", tmp_path / "profile")
        with sending(command, browser_environ) as program:
            wait_for(collector, program, 1_000)
        collector.stop()
        assert numbers(collector) == Counter(range(1_000))


def test_an_outage_loses_nothing(
    sdk: str, browser_environ: dict[str, str], tmp_path: Path
) -> None:
    """The collector is killed while the page sends, and comes back."""
    collector = start_collector(tmp_path / "data")
    try:
        command = browser_client(sdk, collector.url, "outage", tmp_path / "profile")
        with sending(command, browser_environ) as program:
            collector = survive_outage(collector, program)
            wait_for(collector, program, 100)
        collector.stop()
        assert numbers(collector) == Counter(range(100))
    finally:
        collector.stop()


def test_leaving_the_page_sends_what_waits(
    sdk: str, browser_environ: dict[str, str], tmp_path: Path
) -> None:
    with running_collector(tmp_path / "data") as collector:
        command = browser_client(sdk, collector.url, "unload", tmp_path / "profile")
        with sending(command, browser_environ) as program:
            wait_for(collector, program, 20)
        collector.stop()
        assert numbers(collector) == Counter(range(20))
