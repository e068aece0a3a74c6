"""Datasets of many small files, and what is in them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from collector.compaction import GONE, WORK
from collector.datasets import EVENTS
from collector.raw import write_file

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def write_events(
    raw_dir: Path, name: str, count: int, *, day: int = 0, text: str = ""
) -> Path:
    """A file of `raw/events` as landing makes one of the segment `name`."""
    at = NOON + timedelta(days=day)
    rows = [
        dict.fromkeys(EVENTS.schema.names)
        | {
            "message_id": f"{name}-{position}",
            "type": "track",
            "timestamp": at,
            "received_at": at + timedelta(microseconds=position),
            "source_id": "shop",
            "properties": text or None,
            "flags": ["bot"] * (position % 3),
            "segment": name,
            "position": position,
        }
        for position in range(count)
    ]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    partition = {"dt": f"{at:%F}"}
    write_file(raw_dir, EVENTS, table, partition=partition, name=name)
    return raw_dir / "events" / f"dt={at:%F}" / f"{name}.parquet"


def rows_by_partition(raw_dir: Path) -> dict[str, Counter[str]]:
    """Every row of every dataset, read past the checksums; which partition has it."""
    rows: dict[str, Counter[str]] = {}
    for path in raw_dir.glob("[a-z]*/**/*.parquet"):
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        found = rows.setdefault(str(path.parent.relative_to(raw_dir)), Counter())
        found.update(map(repr, table.to_pylist()))
    return rows


def files(raw_dir: Path) -> dict[Path, tuple[int, int]]:
    """What stands in the datasets, and which file it is."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in raw_dir.rglob("*.parquet")
        if GONE not in path.parts
    }


def duckdb_messages(raw_dir: Path) -> list[str]:
    """What the warehouse would read."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "select message_id from read_parquet(?, hive_partitioning = true)",
            [f"{raw_dir}/events/**/*.parquet"],
        ).fetchall()
    return sorted(message for (message,) in found)


def unfinished(raw_dir: Path) -> list[Path]:
    """What compaction left half done beside the datasets."""
    return [path for path in (raw_dir / WORK).iterdir() if path.name != GONE]
