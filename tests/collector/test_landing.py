"""Landing: every line of the log becomes one row of Parquet, once, whatever happens."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from collector.datasets import DATASETS, EVENTS
from collector.frames import scan
from collector.landing import ensure_datasets, land, write_file
from collector.segments import OPEN, SEALED
from collector.validate import Event
from tests.raw import read_raw

DAY = 86_400_000_000
RECEIVED = int(datetime(2026, 11, 22, 23, 59, tzinfo=UTC).timestamp()) * 1_000_000


def event(number: int, *, received_at: int = RECEIVED) -> bytes:
    row = Event(
        dataset="events",
        message_id=f"m{number}",
        type="track",
        timestamp=received_at - 5,
        received_at=received_at,
        source_id="shop",
        flags=["clock_skew"] if number % 2 else [],
        properties={"a": "ü\n\x00"},
    )
    return msgspec.json.encode(row) + b"\n"


def segment(log_dir: Path, name: str, *frames: bytes, suffix: str = SEALED) -> Path:
    """Write a log segment of these frames, as a crashed process would leave it."""
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    path = log_dir / "0" / f"{name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(compressor.compress(frame) for frame in frames))
    return path


def test_every_dataset_has_a_file_before_the_first_event(tmp_path: Path) -> None:
    ensure_datasets(tmp_path)
    for dataset in DATASETS:
        (path,) = (tmp_path / dataset.name).rglob("*.parquet")
        assert pq.ParquetFile(path).schema_arrow.names == dataset.schema.names
        assert pq.ParquetFile(path).metadata.num_rows == 0


def test_lines_become_rows_with_their_segment_and_position(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    path = segment(log_dir, "s1", event(0) + event(1), event(2))
    report = land(log_dir, raw_dir)
    assert (report.segments, report.rows) == (1, {"events": 3, "quarantine": 0})
    rows = read_raw(raw_dir, "events")
    assert [row["message_id"] for row in rows] == ["m0", "m1", "m2"]
    assert [row["position"] for row in rows] == [0, 1, 2]
    assert {row["segment"] for row in rows} == {"s1"}
    assert rows[1]["flags"] == ["clock_skew"]
    assert rows[0]["properties"] == '{"a":"ü\\n\\u0000"}'
    assert rows[0]["received_at"] == datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    assert not path.exists()
    assert (raw_dir / "events" / "dt=2026-11-22" / "s1.parquet").exists()


def test_a_segment_that_spans_midnight_fills_two_partitions(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    segment(log_dir, "s1", event(0) + event(1, received_at=RECEIVED + DAY))
    land(log_dir, raw_dir)
    days = sorted(path.name for path in (raw_dir / "events").iterdir())
    assert days == ["dt=1970-01-01", "dt=2026-11-22", "dt=2026-11-23"]
    assert len(read_raw(raw_dir, "events")) == 2


def test_landing_the_same_segment_again_changes_nothing(tmp_path: Path) -> None:
    """A crash between the rename and the deletion of the segment does this."""
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    path = segment(log_dir, "s1", event(0) + event(1))
    content = path.read_bytes()
    land(log_dir, raw_dir)
    first = {path: path.read_bytes() for path in raw_dir.rglob("*.parquet")}
    path.write_bytes(content)
    land(log_dir, raw_dir)
    assert {path: path.read_bytes() for path in raw_dir.rglob("*.parquet")} == first


def test_what_a_crashed_collector_left_is_landed(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    path = segment(log_dir, "s1", event(0), suffix=OPEN)
    path.write_bytes(path.read_bytes() + b"torn")
    land(log_dir, raw_dir)
    assert [row["message_id"] for row in read_raw(raw_dir, "events")] == ["m0"]
    assert (log_dir / "0" / "s1.torn").read_bytes() == b"torn"


def test_a_damaged_frame_is_quarantined_and_all_others_land(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    path = segment(log_dir, "s1", event(0), event(1), event(3))
    damaged = bytearray(path.read_bytes())
    _, middle, _ = scan(bytes(damaged))
    damaged[middle.end - 3] ^= 0xFF
    path.write_bytes(damaged)
    segment(log_dir, "s2", event(2))
    report = land(log_dir, raw_dir)
    stored = [row["message_id"] for row in read_raw(raw_dir, "events")]
    assert stored == ["m0", "m3", "m2"]
    (row,) = read_raw(raw_dir, "quarantine")
    assert (row["code"], row["path"]) == (
        "log_damaged",
        f"{middle.start}-{middle.end}",
    )
    assert row["segment"] == "s1"
    assert [kept.name for kept in report.damaged] == [f"s1{SEALED}.damaged"]
    assert report.damaged[0].read_bytes() == bytes(damaged)
    assert land(log_dir, raw_dir).segments == 0


def test_a_line_that_cannot_be_read_costs_only_itself(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    poison = b'{"dataset":"events","received_at":"yesterday"}\n'
    segment(log_dir, "s1", event(0) + event(1) + poison, event(2), poison)
    land(log_dir, raw_dir)
    stored = [row["message_id"] for row in read_raw(raw_dir, "events")]
    assert stored == ["m0", "m1", "m2"]
    rows = read_raw(raw_dir, "quarantine")
    assert [(row["code"], row["payload"]) for row in rows] == [
        ("loader_error", poison.decode())
    ] * 2
    assert len({(row["segment"], row["position"]) for row in rows}) == 2


def test_what_killed_writers_left_is_swept(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    segment(log_dir, "s1", event(0))
    land(log_dir, raw_dir)
    day = raw_dir / "events" / "dt=2026-11-22"
    (day / ".s2.4194999.tmp").write_bytes(b"half")  # no process has so high a number
    (day / f".s3.{os.getpid()}.tmp").write_bytes(b"being written")
    land(log_dir, raw_dir)
    assert [path.name for path in day.glob(".*")] == [f".s3.{os.getpid()}.tmp"]


def test_a_table_that_does_not_fit_the_dataset_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_file(
            tmp_path,
            EVENTS,
            pa.table({"message_id": ["m"]}),
            partition={"dt": "2026-11-22"},
            name="x",
        )
    assert not list(tmp_path.rglob("*.parquet"))
