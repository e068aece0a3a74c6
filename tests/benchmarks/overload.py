"""Ten times what the collector can take: what it answers, and what it keeps.

    ./kith bench overload

First the capacity is measured, with wrk. Then an open loop offers half of it, ten times
of it, and half of it again. Latency counts from the moment a request was due. Every
event that was acknowledged is looked for in the landed Parquet afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import orjson
from rich.console import Console
from rich.table import Table

from collector.landing import land
from tests.benchmarks.bodies import BATCH, events, write_bodies
from tests.benchmarks.collector import CONNECTIONS, PATHS, describe_machine
from tests.benchmarks.load import WrkMissing, require_wrk, run
from tests.benchmarks.open_loop import OpenLoop, Outcomes
from tests.servers import WRITE_KEY, CollectorProcess, basic, start_collector

FACTOR = 10
CALM = 0.5
CLIENTS = 1_000
WINDOW_SECONDS = 0.25
AS_USUAL_MS = 100.0
"""After the load a window is as usual when all in it is accepted, nine of ten requests
faster than this, or than twice the p99 of the calm before."""
_NUMBER = b"%012d"


@dataclass(frozen=True)
class Requests:
    """Requests that differ in nothing but the ids of their messages."""

    parts: Sequence[bytes]
    events: int

    def __call__(self, number: int) -> bytes:
        """The bytes of the request with this number."""
        return (_NUMBER % number).join(self.parts)


def requests(kind: str) -> Requests:
    """Single events or batches of a hundred, with keep-alive and the write key."""
    count = BATCH if kind == "batch" else 1
    sent: list[Any] = [
        {**event, "messageId": f"o{_NUMBER.decode()}-{index}"}
        for index, event in enumerate(events()[:count])
    ]
    body = orjson.dumps({"batch": sent} if kind == "batch" else sent[0])
    size = len(body) + count * (12 - len(_NUMBER))
    head = (
        f"POST {PATHS[kind]} HTTP/1.1\r\nhost: collector\r\n"
        f"content-type: application/json\r\ncontent-length: {size}\r\n"
        f"authorization: {basic(WRITE_KEY)}\r\n\r\n"
    )
    return Requests((head.encode() + body).split(_NUMBER), count)


class Memory:
    """Samples the resident memory of the HTTP workers, and keeps the highest sum."""

    def __init__(self, collector: CollectorProcess) -> None:
        self.peak_mb = 0.0
        self._workers = workers(collector)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def now_mb(self) -> float:
        """What they take together at this moment."""
        return sum(map(resident_mb, self._workers))

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.peak_mb = max(self.peak_mb, self.now_mb())


def workers(collector: CollectorProcess) -> list[int]:
    """The HTTP workers: the processes that hold a stream of the log locked."""
    locks = collector.data_dir.glob("log/*/LOCK")
    return [int(text) for path in locks if (text := path.read_text().strip())]


def resident_mb(process: int) -> float:
    """The resident memory of a process, in megabytes; 0 when it has ended."""
    with contextlib.suppress(OSError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6
    return 0.0


def lost(data_dir: Path, outcomes: Sequence[Outcomes], *, each: int) -> int:
    """How many acknowledged events are not in Parquet exactly once."""
    land(data_dir / "log", data_dir / "raw")
    files = str(data_dir / "raw" / "events" / "**" / "*.parquet")
    with duckdb.connect() as connection:
        found = connection.execute(
            "select substr(message_id, 2, 12)::bigint, count(distinct message_id), "
            "count(*) from read_parquet($1) where message_id like 'o%' group by 1",
            [files],
        ).fetchall()
    whole = {number for number, ids, rows in found if ids == rows == each}
    acknowledged = {number for run in outcomes for number in run.acknowledged()}
    return len(acknowledged - whole) * each


def measure(
    directory: Path, kind: str, *, processes: int, seconds: float
) -> dict[str, Any]:
    """One row of the table."""
    require_wrk()
    bodies = directory / f"{kind}.ndjson"
    write_bodies(bodies, batched=kind == "batch")
    request = requests(kind)
    data_dir = directory / f"{kind}-{processes}"
    environ = {
        "KITH_COLLECTOR_WORKERS": str(processes),
        "KITH_SEGMENT_SECONDS": "5",
    }
    collector = start_collector(data_dir, environ=environ)
    try:
        full = run(
            collector.url + PATHS[kind],
            bodies,
            connections=CONNECTIONS[kind],
            seconds=3,
            group=collector.process.pid,
        )
        with Memory(collector) as memory, _loop(collector, request) as offer:
            before = offer(full.rate * CALM, 3.0)
            calm_mb = memory.peak_mb
            flood = offer(full.rate * FACTOR, seconds)
            after = offer(full.rate * CALM, 6.0)
    finally:
        collector.stop()
    runs = (before, flood, after)
    accepted, refused = flood.latencies(200), flood.latencies(429)
    return {
        "requests": kind,
        "workers": processes,
        "capacity": full.rate,
        "offered": flood.offered / seconds,
        "accepted": len(accepted) / seconds,
        "accepted_p50_ms": _percentile(accepted, 0.5),
        "accepted_p99_ms": _percentile(accepted, 0.99),
        "refused": len(refused) / seconds,
        "refused_p50_ms": _percentile(refused, 0.5),
        "refused_p99_ms": _percentile(refused, 0.99),
        "other": len(flood.answers) - len(accepted) - len(refused),
        "unanswered": flood.unanswered,
        "unsent": flood.unsent / flood.offered,
        "without_retry_after": sum(
            item.status == 429 and not (item.retry_after or b"").isdigit()
            for outcomes in runs
            for item in outcomes.answers
        ),
        "calm_p99_ms": _percentile(before.latencies(200), 0.99),
        "calm_mb": calm_mb,
        "peak_mb": memory.peak_mb,
        "recovery_seconds": _recovery(before, flood, after, seconds),
        "acknowledged": sum(len(item.acknowledged()) for item in runs) * request.events,
        "lost": lost(data_dir, runs, each=request.events),
    }


@contextlib.contextmanager
def _loop(
    collector: CollectorProcess, request: Callable[[int], bytes]
) -> Iterator[Callable[[float, float], Outcomes]]:
    loop = OpenLoop(("127.0.0.1", collector.port), request, most=CLIENTS)
    try:
        yield loop.run
    finally:
        loop.close()


def _recovery(
    before: Outcomes, flood: Outcomes, after: Outcomes, seconds: float
) -> float:
    """How long after the load the last window ended that was not as usual."""
    usual = max(AS_USUAL_MS, 2 * _percentile(before.latencies(200), 0.99))
    pause = after.began - (flood.began + seconds)
    windows: dict[int, Outcomes] = defaultdict(lambda: Outcomes(began=0.0))
    for item in after.answers:
        windows[int(item.due / WINDOW_SECONDS)].answers.append(item)
    worse = [
        number
        for number, window in windows.items()
        if window.count(200) < len(window.answers)
        or _percentile(window.latencies(200), 0.9) > usual
    ]
    return pause + (max(worse) + 1 if worse else 0) * WINDOW_SECONDS


def _percentile(latencies: Sequence[float], share: float) -> float:
    if not latencies:
        return 0.0
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1_000


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "requests": lambda row: str(row["requests"]),
    "workers": lambda row: str(row["workers"]),
    "capacity/s": lambda row: f"{row['capacity']:,.0f}",
    "offered/s": lambda row: f"{row['offered']:,.0f}",
    "of it unsent": lambda row: f"{row['unsent']:.0%}",
    "200/s": lambda row: f"{row['accepted']:,.0f}",
    "p50, p99 ms": lambda row: (
        f"{row['accepted_p50_ms']:.0f}, {row['accepted_p99_ms']:.0f}"
    ),
    "429/s": lambda row: f"{row['refused']:,.0f}",
    "429 p50, p99 ms": lambda row: (
        f"{row['refused_p50_ms']:.0f}, {row['refused_p99_ms']:.0f}"
    ),
    "other, none": lambda row: f"{row['other']}, {row['unanswered']}",
    "RSS MB": lambda row: f"{row['calm_mb']:.0f} → {row['peak_mb']:.0f}",
    "recovery s": lambda row: f"{row['recovery_seconds']:.1f}",
    "lost of": lambda row: f"{row['lost']} of {row['acknowledged']:,}",
}


def _print(rows: Sequence[dict[str, Any]]) -> None:
    console = Console(width=160)
    console.print(describe_machine())
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(show(row) for show in COLUMNS.values()))
    console.print(table)


def main() -> int:
    """Measure and print; figures go to standard output."""
    parser = argparse.ArgumentParser(prog="kith bench overload")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        try:
            rows = [
                measure(Path(scratch), kind, processes=count, seconds=options.seconds)
                for count in (1, 2)
                for kind in PATHS
            ]
        except WrkMissing as missing:
            sys.stderr.write(f"kith: {missing}\n")
            return 2
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        _print(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
