"""What the collector counts, for Prometheus; by source, outcome and reason.

    received = stored + quarantined + refused + in flight

holds for `kith_events_total` at every moment, so a difference that stays is a loss.
Workers and the landing process each write their numbers to files in one directory,
`PROMETHEUS_MULTIPROC_DIR`, so that any worker can answer for all of them. Prometheus'
client looks at that variable when it is imported, so nothing that the server's main
process imports, from which the workers fork, may import this module.
"""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from collector.errors import Refused
from collector.ingest import Quarantined
from collector.validate import Event

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

EVENTS = Counter(
    "kith_events_total",
    "Events by what became of them: received, stored, quarantined, refused.",
    ["source", "outcome", "code"],
)
REQUESTS = Counter(
    "kith_requests_total", "Requests by answer.", ["route", "status", "code"]
)
COMMIT_SECONDS = Histogram(
    "kith_commit_seconds",
    "Time from an event's arrival in the log to its fsync.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
LANDED_ROWS = Counter("kith_landed_rows_total", "Rows landed as Parquet.", ["dataset"])
DAMAGED = Counter("kith_damaged_segments_total", "Log segments found damaged.")


@contextmanager
def taking(source: str, number: int) -> Iterator[None]:
    """Count events as received, and as refused if they are while this lasts."""
    _events(source, "received", "").inc(number)
    try:
        yield
    except Refused as refused:
        _events(source, "refused", refused.code).inc(number)
        raise


def fates(rows: Iterable[Event | Quarantined]) -> dict[str, int]:
    """How many rows there are by code of quarantine; stored ones have none."""
    return Tally(row.code if isinstance(row, Quarantined) else "" for row in rows)


def count_stored(source: str, fates: Mapping[str, int]) -> None:
    """Count rows that are on disk now."""
    for code, number in fates.items():
        outcome = "quarantined" if code else "stored"
        _events(source, outcome, code).inc(number)


def count_request(route: str, status: int, code: str) -> None:
    """Count an answer; `route` is the endpoint's path as it is declared."""
    _requests(route, status, code).inc()


def count_landed(rows: Mapping[str, int], *, damaged: int) -> None:
    """Count what a pass of landing did."""
    for dataset, number in rows.items():
        LANDED_ROWS.labels(dataset).inc(number)
    DAMAGED.inc(damaged)


@cache
def _events(source: str, outcome: str, code: str) -> Counter:
    """The counter of these labels; they are few, and looking them up is not free."""
    return EVENTS.labels(source, outcome, code)


@cache
def _requests(route: str, status: int, code: str) -> Counter:
    return REQUESTS.labels(route, str(status), code)


def render() -> bytes:
    """All numbers of all processes, as Prometheus reads them."""
    if DIRECTORY not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no types
    return generate_latest(registry)
