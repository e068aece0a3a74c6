"""Landing a segment with the whole contract, against bare DuckDB on the same file."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import zstandard

from collector.datasets import EVENTS
from collector.ingest import make_rows
from collector.landing import land
from collector.validate import Reception
from collector.wire import BATCH, Request
from tests.benchmarks.bodies import events

ROUNDS = 50


def measure(directory: Path, *, runs: int) -> dict[str, Any]:
    """Events a second of both, and their ratio; medians."""
    segment = directory / "00000000T000000-bench-000000.ndjson.zst"
    count = _write_segment(segment)
    bare = _seconds(lambda: _bare(segment, directory / "bare.parquet"), runs)
    stream = directory / "log" / "0"
    stream.mkdir(parents=True)
    times = []
    for _ in range(runs):
        shutil.copyfile(segment, stream / segment.name)
        times.append(_timed(lambda: land(directory / "log", directory / "raw")))
    landing = statistics.median(times)
    return {
        "events": count,
        "landing_per_second": count / landing,
        "duckdb_per_second": count / bare,
        "of_duckdb": bare / landing,
    }


def _write_segment(path: Path) -> int:
    """A segment as the log writes it: one frame for each hundred events."""
    sent = events()
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    reception = Reception(
        source_id="shop",
        request_id="bench",
        received_at=time.time_ns() // 1_000,
        sent=(None, None),
        route_type=None,
        max_event_bytes=32_768,
    )
    with path.open("wb") as file:
        for number in range(ROUNDS):
            for start in range(0, len(sent), 100):
                batch = [
                    {**event, "messageId": f"{event['messageId']}-{number}"}
                    for event in sent[start : start + 100]
                ]
                request = Request(batch, BATCH, None, None)
                rows = make_rows(request, reception, max_events=100)
                file.write(compressor.compress(rows.lines))
    return ROUNDS * len(sent)


def _bare(segment: Path, target: Path) -> None:
    """The same columns and file, with neither days, checksums, syncs nor quarantine."""
    columns = {
        field.name: "VARCHAR[]"
        if field.name == "flags"
        else "BIGINT"
        if field.name.endswith(("_at", "timestamp"))
        else "VARCHAR"
        for field in EVENTS.schema
        if field.name not in ("segment", "position")
    }
    with duckdb.connect() as connection:
        rows = connection.sql(
            "select * from read_json($1, format = 'newline_delimited', "
            "compression = 'zstd', columns = $2)",
            params=[str(segment), columns],
        )
        rows.write_parquet(str(target), compression="zstd")


def _seconds(work: Callable[[], object], runs: int) -> float:
    return statistics.median(_timed(work) for _ in range(runs))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
