"""What the collector counts, for Prometheus; by source, outcome and reason.

    received = stored + quarantined + refused + in flight

holds for `kith_events_total`, to within the tenth of a second in which it is published,
so a difference that stays is a loss. A worker that is killed takes its last tenth with
it.
Workers and the landing process each write their numbers to files in one directory,
`PROMETHEUS_MULTIPROC_DIR`, so that any worker can answer for all of them. Prometheus'
client looks at that variable when it is imported, so nothing that the server's main
process imports, from which the workers fork, may import this module.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from collector.errors import Refused

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
PUBLISH_SECONDS = 0.1
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
    "Time from the oldest arrival of a group of events in the log to its fsync.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
LANDED_ROWS = Counter("kith_landed_rows_total", "Rows landed as Parquet.", ["dataset"])
DAMAGED = Counter("kith_damaged_segments_total", "Log segments found damaged.")

_tally: defaultdict[tuple[Any, ...], int] = defaultdict(int)
"""What was counted and not yet published: a counter and its labels, how often."""


class _Taking:
    __slots__ = ("_number", "_source")

    def __init__(self, source: str, number: int) -> None:
        self._source = source
        self._number = number

    def __enter__(self) -> None:
        _tally[EVENTS, self._source, "received", ""] += self._number

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            code = error.code if isinstance(error, Refused) else "internal_error"
            _tally[EVENTS, self._source, "refused", code] += self._number


def taking(source: str, number: int) -> AbstractContextManager[None]:
    """Count events as received, and as refused if they are while this lasts."""
    return _Taking(source, number)


def count_stored(source: str, fates: Mapping[str, int]) -> None:
    """Count rows that are on disk now."""
    for code, number in fates.items():
        outcome = "quarantined" if code else "stored"
        _tally[EVENTS, source, outcome, code] += number


def count_request(route: str, status: int, code: str) -> None:
    """Count an answer; `route` is the endpoint's path as it is declared."""
    _tally[REQUESTS, route, str(status), code] += 1


def count_commit(seconds: float) -> None:
    """Count a group commit of the log, by the time its oldest event waited."""
    COMMIT_SECONDS.observe(seconds)


def publish() -> None:
    """Put what was counted since the last time where other processes see it.

    Done ten times a second and not at each request: the shared files cost more than
    all else that a request does.
    """
    for (counter, *labels), number in _tally.items():
        counter.labels(*labels).inc(number)
    _tally.clear()


async def publish_regularly() -> None:
    """Publish for as long as the event loop runs."""
    while True:
        await asyncio.sleep(PUBLISH_SECONDS)
        publish()


def count_landed(rows: Mapping[str, int], *, damaged: int) -> None:
    """Count what a pass of landing did."""
    for dataset, number in rows.items():
        LANDED_ROWS.labels(dataset).inc(number)
    DAMAGED.inc(damaged)


def render() -> bytes:
    """All numbers of all processes, as Prometheus reads them."""
    publish()
    if DIRECTORY not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # has no types
    return generate_latest(registry)
