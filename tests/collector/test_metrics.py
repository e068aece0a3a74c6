"""What Prometheus is told: every event in exactly one outcome, over all workers."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.servers import CollectorProcess, request, running_collector


def numbers(collector: CollectorProcess) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels, all workers' published."""
    time.sleep(0.5)  # workers publish ten times a second
    with urllib.request.urlopen(f"{collector.url}/metrics", timeout=5) as reply:  # noqa: S310 - loopback
        text = reply.read().decode()
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def track(**changes: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", **changes}


def test_every_event_is_counted_in_one_outcome_over_all_workers(
    tmp_path: Path,
) -> None:
    workers = {"KITH_COLLECTOR_WORKERS": "2"}
    with running_collector(tmp_path / "data", environ=workers) as collector:
        for _ in range(20):
            batch = [track(), track(event=""), track(userId={}), track()]
            assert collector.post("/v1/batch", {"batch": batch}).status == 200
        assert collector.post("/v1/track", {"event": "E"}).status == 400
        assert collector.post("/v1/track", track(), key="wrong").status == 401
        assert request(f"{collector.url}/nowhere").status == 404
        found = numbers(collector)
    events = "kith_events_total"
    assert found[events, "", "received", "shop"] == 81
    assert found[events, "", "stored", "shop"] == 40
    assert found[events, "missing_event_name", "quarantined", "shop"] == 20
    assert found[events, "bad_user_id", "quarantined", "shop"] == 20
    assert found[events, "no_user_anon_id", "refused", "shop"] == 1
    requests = "kith_requests_total"
    assert found[requests, "", "/v1/batch", "200"] == 20
    assert found[requests, "invalid_write_key", "/v1/track", "401"] == 1
    assert found[requests, "unknown_path", "(unknown)", "404"] == 1
    assert found["kith_commit_seconds_count",] == 20


def test_numbers_start_anew_and_landing_counts_rows(tmp_path: Path) -> None:
    """Each life of a collector counts its own, in the process that landed them."""
    for _ in range(2):
        with running_collector(tmp_path / "data") as collector:
            collector.post("/v1/batch", {"batch": [track(), track(event="")]})
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                found = numbers(collector)
                if ("kith_landed_rows_total", "events") in found:
                    break
                time.sleep(0.1)
        assert found["kith_events_total", "", "stored", "shop"] == 1
        assert found["kith_landed_rows_total", "events"] == 1
        assert found["kith_landed_rows_total", "quarantine"] == 1
