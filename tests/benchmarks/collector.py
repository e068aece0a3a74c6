"""The collector against its limits, measured in the same run.

    ./kith bench collector

HTTP: durable, validated events a second, against the same server that only reads the
body and answers. The log is kept open meanwhile, so landing does not take part; landing
is measured by itself, against DuckDB reading the same file with no contract to keep.
Medians of several short runs on loopback; wrk shares the machine's cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks import landing
from tests.benchmarks.bodies import BATCH, write_bodies
from tests.benchmarks.ceiling import DIRECTORY
from tests.benchmarks.load import Load, WrkMissing, require_wrk, run
from tests.servers import free_port, start_collector

CONNECTIONS = {"single": 128, "batch": 16}
PATHS = {"single": "/v1/track", "batch": "/v1/batch"}


def measure(directory: Path, *, seconds: int, runs: int) -> dict[str, Any]:
    """All figures, as one document."""
    require_wrk()
    rows = [
        row
        for workers in (1, 2)
        for kind in PATHS
        for row in _http_rows(directory, kind, workers, seconds=seconds, runs=runs)
    ]
    return {
        "machine": describe_machine(),
        "http": rows,
        "landing": landing.measure(directory, runs=runs),
    }


def _http_rows(
    directory: Path, kind: str, workers: int, *, seconds: int, runs: int
) -> Iterator[dict[str, Any]]:
    bodies = directory / f"{kind}.ndjson"
    write_bodies(bodies, batched=kind == "batch")
    each = BATCH if kind == "batch" else 1
    ceiling = 0.0
    for name, server in (
        ("read only", _limit(directory, "read_only", workers)),
        ("parse and sync", _limit(directory, "parse_and_sync", workers)),
        ("durable", _collector(directory, workers)),
    ):
        with server as (url, group, log_dir):
            load = [
                run(
                    url + PATHS[kind],
                    bodies,
                    connections=CONNECTIONS[kind],
                    seconds=seconds,
                    group=group,
                )
                for _ in range(runs)
            ]
            stored = sum(file.stat().st_size for file in log_dir.glob("*/*.open"))
        row = _summary(load, each)
        ceiling = ceiling or row["events_per_second"]
        answered = sum(item.requests - item.refused for item in load) * each
        yield {
            "server": name,
            "requests": kind,
            "workers": workers,
            **row,
            "log_bytes_per_event": stored / answered if stored else None,
            "of_ceiling": row["events_per_second"] / ceiling,
        }


def _summary(load: list[Load], each: int) -> dict[str, Any]:
    def middle(values: Iterator[float]) -> float:
        return statistics.median(values)

    return {
        "events_per_second": middle(item.rate * each for item in load),
        "p50_ms": middle(item.p50_ms for item in load),
        "p99_ms": middle(item.p99_ms for item in load),
        "cpu_us_per_event": middle(
            item.cpu_seconds * 1e6 / (item.requests * each) for item in load
        ),
        "refused": sum(item.refused for item in load),
        "broken": sum(item.broken for item in load),
    }


@contextlib.contextmanager
def _limit(directory: Path, name: str, workers: int) -> Iterator[tuple[str, int, Path]]:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.ceiling"]
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        process = subprocess.Popen(
            [*command, name, str(port), str(workers)],
            env={**os.environ, DIRECTORY: scratch},
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url)
            yield url, process.pid, Path(scratch)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def _collector(directory: Path, workers: int) -> Iterator[tuple[str, int, Path]]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        collector = start_collector(
            Path(scratch) / "data",
            environ={
                "KITH_COLLECTOR_WORKERS": str(workers),
                "KITH_SEGMENT_SECONDS": "3600",
                "KITH_SEGMENT_BYTES": str(10**12),
            },
        )
        try:
            yield collector.url, collector.process.pid, collector.data_dir / "log"
        finally:
            collector.kill()


def _wait_for(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - loopback
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at {url}")


def describe_machine() -> str:
    """What the figures were measured on."""
    model = platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return (
        f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _print(figures: dict[str, Any]) -> None:
    console = Console(width=120)
    console.print(figures["machine"])
    table = Table("requests", "workers", "server", "events/s", "of ceiling")
    for heading in ("p50 ms", "p99 ms", "CPU us/event", "log bytes/event", "refused"):
        table.add_column(heading)
    for row in figures["http"]:
        stored = row["log_bytes_per_event"]
        table.add_row(
            row["requests"],
            str(row["workers"]),
            row["server"],
            f"{row['events_per_second']:,.0f}",
            f"{row['of_ceiling']:.2f}",
            f"{row['p50_ms']:.1f}",
            f"{row['p99_ms']:.1f}",
            f"{row['cpu_us_per_event']:.1f}",
            f"{stored:.0f}" if stored else "",
            str(row["refused"] + row["broken"]),
        )
    console.print(table)
    landed = figures["landing"]
    console.print(
        f"landing {landed['events']:,} events: "
        f"{landed['landing_per_second']:,.0f}/s; bare DuckDB "
        f"{landed['duckdb_per_second']:,.0f}/s; ratio {landed['of_duckdb']:.2f}"
    )


def main() -> int:
    """Measure and print; figures go to standard output."""
    parser = argparse.ArgumentParser(prog="kith bench collector")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        try:
            figures = measure(Path(scratch), seconds=options.seconds, runs=options.runs)
        except WrkMissing as missing:
            sys.stderr.write(f"kith: {missing}\n")
            return 2
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        _print(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
