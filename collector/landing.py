"""Landing: appends facts to the raw datasets as immutable Parquet files.

A file appears under its final name only when it is complete and on disk: it is written
under a temporary name, fsynced, renamed, and its directory is fsynced. The name of a
file derives from the log segment it came from, so landing a segment twice replaces
files by equal ones; the segment is deleted only after all its files are in place.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import structlog

from collector import logs
from collector.datasets import DATASETS, EVENTS, QUARANTINE, TIMESTAMP, Dataset
from collector.files import fsync_directory, lock, make_directories, try_lock
from collector.frames import read_frames
from collector.segments import SEALED, recover
from collector.settings import CollectorSettings

EMPTY_PARTITION = {"dt": "1970-01-01", "sync": "none"}
DAMAGED = ".damaged"
_DAY = timedelta(days=1) // timedelta(microseconds=1)

logger = structlog.get_logger("collector.landing")


@dataclass
class LandingReport:
    """What one pass of landing did."""

    segments: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)


def land(
    log_dir: Path, raw_dir: Path, *, seconds: float | None = None
) -> LandingReport:
    """Land every segment that no live collector is still writing to.

    After `seconds` no further one is begun: what is left stays in the log, safe.

    Safe to call at any time and from several processes: one of them works, the others
    wait. A segment whose checksums do not hold is landed up to the damage and kept
    beside as `*.damaged`; the report names it.
    """
    report = LandingReport()
    deadline = time.monotonic() + (math.inf if seconds is None else seconds)
    ensure_datasets(raw_dir)
    if not log_dir.is_dir():
        return report
    with lock(log_dir / "LANDING"):
        for stream in sorted(path for path in log_dir.iterdir() if path.is_dir()):
            _recover_if_abandoned(stream)
            for segment in sorted(stream.glob(f"*{SEALED}")):
                if time.monotonic() > deadline:
                    return report
                _land_segment(segment, raw_dir, report)
    return report


def run_landing(settings: CollectorSettings) -> None:
    """Land again and again until SIGTERM or SIGINT; the body of the landing process."""
    log_dir, raw_dir = settings.log_dir, settings.raw_dir
    seconds = min(1.0, settings.segment_seconds)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    parent = os.getppid()
    # A collector that was killed outright cannot stop this process; its orphan stops.
    while not stop.wait(seconds) and os.getppid() == parent:
        try:
            report = land(log_dir, raw_dir)
        except (OSError, duckdb.Error, pa.ArrowException):
            logger.exception("landing failed; the log keeps the events")
            continue
        if report.segments:
            logger.info("landed", segments=report.segments, rows=report.rows)


def write_file(
    raw_dir: Path,
    dataset: Dataset,
    table: pa.Table,
    *,
    partition: Mapping[str, str],
    name: str,
) -> Path:
    """Append `table` to `dataset` as the file `<partition>/<name>.parquet`, durably.

    `partition` gives a value for each of the dataset's partition columns, in any
    order. The table is cast to the dataset's schema; a column that is missing or has
    another type raises `pyarrow.ArrowInvalid` or `KeyError` and nothing is written.
    """
    table = table.select(dataset.schema.names).cast(dataset.schema)
    directory = _partition_directory(raw_dir, dataset, partition)
    make_directories(directory)
    final = directory / f"{name}.parquet"
    temporary = directory / f".{name}.{os.getpid()}.tmp"
    with temporary.open("wb") as file:
        # DuckDB does not verify page checksums, but a scrub with pyarrow can.
        pq.write_table(
            table, file, compression="zstd", write_page_checksum=True, version="2.6"
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(final)
    fsync_directory(directory)
    return final


def ensure_datasets(raw_dir: Path) -> None:
    """Give every dataset its zero-row file, so that a glob over it always matches."""
    for dataset in DATASETS:
        directory = _partition_directory(raw_dir, dataset, EMPTY_PARTITION)
        if not (directory / "empty.parquet").exists():
            empty = dataset.schema.empty_table()
            write_file(raw_dir, dataset, empty, partition=EMPTY_PARTITION, name="empty")


def _recover_if_abandoned(stream: Path) -> None:
    held = try_lock(stream / "LOCK")
    if held is None:
        return
    with held:
        if torn := recover(stream):
            logger.warning("cut a torn tail off", stream=stream.name, bytes=torn)


def _land_segment(segment: Path, raw_dir: Path, report: LandingReport) -> None:
    name = segment.name.removesuffix(SEALED)
    try:
        lines = _read_lines(segment, "zstd")
    except duckdb.Error:
        lines = _salvage(segment, report)
    for dataset in (EVENTS, QUARANTINE):
        rows = lines.filter(pc.equal(lines["dataset"], dataset.name))
        rows = rows.append_column("segment", pa.repeat(pa.scalar(name), len(rows)))
        for day, table in _by_day(rows):
            write_file(raw_dir, dataset, table, partition={"dt": day}, name=name)
        report.rows[dataset.name] = report.rows.get(dataset.name, 0) + len(rows)
    report.segments += 1
    segment.unlink()


def _read_lines(path: Path, compression: str) -> pa.Table:
    """All lines of a segment in order, their ordinal as `position`."""
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        lines: pa.Table = connection.sql(
            "select * from read_json(?, format = 'newline_delimited', "
            "compression = ?, columns = ?)",
            params=[str(path), compression, _COLUMNS],
        ).to_arrow_table()
    for column in _TIME_COLUMNS:
        index = lines.schema.get_field_index(column)
        lines = lines.set_column(index, column, lines[column].cast(TIMESTAMP))
    return lines.append_column("position", pa.array(range(len(lines)), pa.int64()))


def _salvage(segment: Path, report: LandingReport) -> pa.Table:
    """The lines before the damage; the damaged segment is kept for a look."""
    whole = segment.with_name(f"{segment.name}.whole")
    frames = read_frames(segment.read_bytes())
    whole.write_bytes(b"".join(lines for _, lines in frames))
    lines = _read_lines(whole, "none")
    whole.unlink()
    kept = segment.with_name(f"{segment.name}{DAMAGED}")
    shutil.copyfile(segment, kept)
    logger.error("a segment is damaged", segment=segment.name, kept=kept.name)
    report.damaged.append(kept)
    return lines


def _by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows split by the UTC day they were received on."""
    days = pc.divide(rows["received_at"].cast(pa.int64()), _DAY)
    for day in pc.unique(days).to_pylist():
        date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
        yield date.isoformat(), rows.filter(pc.equal(days, day))


def _partition_directory(
    raw_dir: Path, dataset: Dataset, partition: Mapping[str, str]
) -> Path:
    directory = raw_dir / dataset.name
    for column in dataset.partitions:
        directory = directory / f"{column}={partition[column]}"
    return directory


def _duckdb_type(data_type: pa.DataType) -> str:
    if data_type == TIMESTAMP:
        return "BIGINT"
    names = {pa.string(): "VARCHAR", pa.bool_(): "BOOLEAN", pa.int64(): "BIGINT"}
    return names.get(data_type, "VARCHAR[]")


_FIELDS = [column for dataset in (EVENTS, QUARANTINE) for column in dataset.schema]
_TIME_COLUMNS = sorted({column.name for column in _FIELDS if column.type == TIMESTAMP})
_COLUMNS = {"dataset": "VARCHAR"} | {
    column.name: _duckdb_type(column.type)
    for column in _FIELDS
    if column.name not in ("segment", "position")
}
"""DuckDB types of a line's fields: those of both datasets, times as microseconds."""


if __name__ == "__main__":
    logs.configure()
    run_landing(CollectorSettings())
