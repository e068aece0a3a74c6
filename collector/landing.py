"""Landing: appends facts to the raw datasets as immutable Parquet files.

A file appears under its final name only when it is complete and durable, in a directory
or on object storage (`raw.py`). The name of a file derives from the log segment it came
from, so landing a segment twice replaces files by equal ones; the segment is deleted
only after all its files are in place.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from collector import isolation, logs
from collector.datasets import EVENTS, QUARANTINE
from collector.errors import ObjectStorageError
from collector.files import fsync_directory, lock, try_lock
from collector.lines import Reader, put_aside, read_segment
from collector.object_storage import RawPlace
from collector.raw import ensure_datasets, sweep, write_file
from collector.segments import SEALED, recover
from collector.settings import CollectorSettings

__all__ = ["LandingReport", "ensure_datasets", "land", "run_landing", "write_file"]

DAMAGED = ".damaged"
LAST_SECONDS = 3.0
"""How long landing goes on when it is told to stop."""
MAX_PAUSE_SECONDS = 30.0
"""Between two tries while object storage is away."""
_DAY = timedelta(days=1) // timedelta(microseconds=1)

logger = structlog.get_logger("collector.landing")


@dataclass
class LandingReport:
    """What one pass of landing did."""

    segments: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)


def land(
    log_dir: Path,
    raw_dir: RawPlace,
    *,
    seconds: float | None = None,
    begin: bool = True,
) -> LandingReport:
    """Land every segment that no live collector is still writing to.

    After `seconds` no further one is begun: what is left stays in the log, safe. When
    a process `begin`s it also sees to what every dataset needs, and sweeps up what
    others left half written.

    Safe to call at any time and from several processes: one of them works, the others
    wait. Of a segment whose checksums do not hold every whole frame is landed; it is
    kept beside as `*.damaged`, the report names it, and quarantine says what is lost.
    A segment that fails keeps no other from landing; its error is raised at the end.
    """
    report = LandingReport()
    _land(log_dir, raw_dir, report, seconds=seconds, begin=begin)
    return report


def run_landing(settings: CollectorSettings, *, parent: int) -> None:
    """Land again and again until SIGTERM or SIGINT; the body of the landing process.

    It ends too when the process `parent` does, which started it.
    """
    log_dir, raw_dir = settings.log_dir, settings.raw_place()
    seconds = min(1.0, settings.segment_seconds)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    begin, pause = True, seconds
    # A collector that was killed outright cannot stop this process; its orphan stops.
    while not stop.wait(pause) and os.getppid() == parent:
        try:
            _land_and_count(log_dir, raw_dir, begin=begin)
            begin, pause = False, seconds
        except ObjectStorageError as error:
            # Not all at the same moment: others may wait for the same storage.
            longer = pause * random.uniform(1.5, 2.5)  # noqa: S311 - no secret
            pause = min(longer, MAX_PAUSE_SECONDS)
            logger.error(
                "object storage does not take the events; the log keeps them",
                problem=str(error),
                retry_seconds=round(pause, 1),
            )
        except (OSError, duckdb.Error, pa.ArrowException):
            logger.exception("landing failed; the log keeps the events")
    if not isinstance(raw_dir, Path):
        # To a directory the server lands what is left; this may hang, and be killed.
        _land_the_rest(log_dir, raw_dir)


def _land_the_rest(log_dir: Path, raw_dir: RawPlace) -> None:
    try:
        _land_and_count(log_dir, raw_dir, begin=False, seconds=LAST_SECONDS)
    except OSError as error:
        logger.error("the log keeps events for the next start", problem=str(error))


def _land_and_count(
    log_dir: Path, raw_dir: RawPlace, *, begin: bool, seconds: float | None = None
) -> None:
    # Here and not above: the HTTP server imports this module before it may import that.
    from collector import metrics

    report = LandingReport()
    try:
        _land(log_dir, raw_dir, report, seconds=seconds, begin=begin)
    finally:
        # What landed before a failure has landed.
        if report.segments:
            metrics.count_landed(report.rows, damaged=len(report.damaged))
            logger.info("landed", segments=report.segments, rows=report.rows)


def _land(
    log_dir: Path,
    raw_dir: RawPlace,
    report: LandingReport,
    *,
    seconds: float | None,
    begin: bool,
) -> None:
    deadline = time.monotonic() + (math.inf if seconds is None else seconds)
    if begin:
        ensure_datasets(raw_dir)
        if swept := sweep(raw_dir):
            logger.warning("deleted files of processes that are gone", files=swept)
    if not log_dir.is_dir():
        return
    failures: list[Exception] = []
    with lock(log_dir / "LANDING"):
        for stream in sorted(path for path in log_dir.iterdir() if path.is_dir()):
            try:
                _recover_if_abandoned(stream)
            except OSError as error:
                failures.append(error)
            isolation.forget_what_landed(stream)
            for segment in sorted(stream.glob(f"*{SEALED}")):
                if time.monotonic() > deadline:
                    return
                try:
                    _try_segment(segment, raw_dir, report)
                except ObjectStorageError:
                    raise
                except Exception as error:  # noqa: BLE001 - its neighbours must land
                    failures.append(error)
    if failures:
        raise failures[0]


def _recover_if_abandoned(stream: Path) -> None:
    held = try_lock(stream / "LOCK")
    if held is None:
        return
    with held:
        if torn := recover(stream):
            logger.warning("cut a torn tail off", stream=stream.name, bytes=torn)


def _try_segment(segment: Path, raw_dir: RawPlace, report: LandingReport) -> None:
    """Land a segment, with the more care the oftener that came to nothing."""
    tries = isolation.note_try(segment)
    try:
        if tries < isolation.SUSPECT_TRIES:
            _land_segment(segment, raw_dir, report)
        elif tries < isolation.HOPELESS_TRIES:
            _land_segment(segment, raw_dir, report, read=isolation.read_apart)
        else:
            _put_aside(segment, raw_dir, report)
    except OSError:
        isolation.forget_tries(segment)
        raise
    isolation.forget_tries(segment)


def _land_segment(
    segment: Path, raw_dir: RawPlace, report: LandingReport, read: Reader | None = None
) -> None:
    lines, damage = read_segment(segment, read)
    if damage or (read and "loader_error" in lines["code"].to_pylist()):
        _keep_damaged(segment, damage, report)
    _write_rows(lines, segment, raw_dir, report)
    report.segments += 1
    segment.unlink()


def _put_aside(segment: Path, raw_dir: RawPlace, report: LandingReport) -> None:
    """Give a segment up that ends every process that lands it; its bytes are kept."""
    kept = segment.with_name(f"{segment.name}{DAMAGED}")
    logger.error("a segment is put aside", segment=segment.name, kept=kept.name)
    _write_rows(put_aside(segment, kept), segment, raw_dir, report)
    segment.rename(kept)
    fsync_directory(kept.parent)
    report.damaged.append(kept)


def _write_rows(
    lines: pa.Table, segment: Path, raw_dir: RawPlace, report: LandingReport
) -> None:
    if not isinstance(raw_dir, Path):
        # Who waits for object storage that hangs is killed; that is no fault of lines.
        isolation.forget_tries(segment)
    name = segment.name.removesuffix(SEALED)
    for dataset in (EVENTS, QUARANTINE):
        rows = lines.filter(pc.equal(lines["dataset"], dataset.name))
        rows = rows.append_column("segment", pa.repeat(pa.scalar(name), len(rows)))
        for day, table in _by_day(rows):
            write_file(raw_dir, dataset, table, partition={"dt": day}, name=name)
        report.rows[dataset.name] = report.rows.get(dataset.name, 0) + len(rows)


def _keep_damaged(
    segment: Path, damage: list[tuple[int, int]], report: LandingReport
) -> None:
    kept = segment.with_name(f"{segment.name}{DAMAGED}")
    shutil.copyfile(segment, kept)
    logger.error(
        "a segment is damaged", segment=segment.name, kept=kept.name, bytes=damage
    )
    report.damaged.append(kept)


def _by_day(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows split by the UTC day they were received on."""
    days = pc.divide(rows["received_at"].cast(pa.int64()), _DAY)
    for day in pc.unique(days).to_pylist():
        date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()
        yield date.isoformat(), rows.filter(pc.equal(days, day))


if __name__ == "__main__":
    logs.configure()
    run_landing(CollectorSettings(), parent=int(sys.argv[1]))
