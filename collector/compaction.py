"""Compaction: the many small files of a partition become few big ones.

A partition is rewritten beside the dataset, under `raw/.compacting/`, out of the sight
of readers: the small files merged, all others hard-linked. Then the two directories
change places in one step, and the old one is deleted by a later run.

What readers get, whatever they read with and whenever:

* Who lists a partition finds it as it was before or as it is after, never a mixture,
  and nothing less: the old directory is kept for `GRACE_SECONDS`, for those who are
  just listing it. A file once open stays readable to its end.
* Who listed the old files and opens one only after the change is told that it does not
  exist: an error, never a wrong answer; the next attempt finds the new files. Kith's
  own readers are spared even that: builds and compaction both hold the warehouse lock,
  and who reads outside of builds holds `raw.reading`.

A process killed at any point leaves the dataset as it was or as it will be; the next
run clears away what it left beside. No input is deleted before its checksums were
verified and its rows were found again in the new files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from collector.datasets import DATASETS, Dataset
from collector.files import (
    ExchangeUnsupported,
    exchange,
    fsync_directory,
    lock,
    make_directories,
)
from collector.inspection import Unsound, inspect
from collector.merging import SUFFIX, merge, require_equal
from collector.raw import TEMPORARY, rewriting

WORK = ".compacting"
GONE = ".gone"
GRACE_SECONDS = 600.0
TARGET_BYTES = 128_000_000
MIN_FILES = 8


@dataclass
class CompactionReport:
    """What one run did: files and bytes of the partitions it rewrote, and damage."""

    partitions: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    damaged: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Run:
    """Where a run works, and what it holds to be small and many."""

    log_dir: Path
    raw_dir: Path
    target_bytes: int
    min_files: int
    grace_seconds: float


def compact(
    log_dir: Path,
    raw_dir: Path,
    *,
    target_bytes: int = TARGET_BYTES,
    min_files: int = MIN_FILES,
    grace_seconds: float = GRACE_SECONDS,
) -> CompactionReport:
    """Merge the small files of every partition that has at least `min_files` of them.

    Small is what is below half of `target_bytes`. Locks are held for one partition at
    a time, and none where there is nothing to do. A file that is damaged or does not
    belong is left where it is and reported; its neighbours are merged all the same.
    Raises `ExchangeUnsupported` on file systems that cannot exchange directories.
    """
    report = CompactionReport()
    run = _Run(log_dir, raw_dir, target_bytes, min_files, grace_seconds)
    make_directories(log_dir)
    standing = _standing(log_dir)
    for dataset in DATASETS:
        if (raw_dir / WORK / dataset.name).exists():
            with _alone(run, dataset):
                _clean(run, dataset)
        for partition in _partitions(raw_dir, dataset):
            if _small_files(run, partition, standing):
                with _alone(run, dataset):
                    _compact_partition(run, dataset, partition, report)
    _delete_gone(run)
    return report


def _compact_partition(
    run: _Run, dataset: Dataset, partition: Path, report: CompactionReport
) -> None:
    beside = run.raw_dir / WORK / partition.relative_to(run.raw_dir)
    small = _small_files(run, partition, _standing(run.log_dir))
    try:
        if small:
            make_directories(beside)
            _require_exchange(beside, partition)
        sound = _sound(small, dataset, report)
        if len(sound) < 2:
            return
        merged = merge(sound, beside, dataset, target_bytes=run.target_bytes)
        report.rows += require_equal(sound, merged, dataset)
        report.partitions += 1
        report.files_before += len(sound)
        report.files_after += len(merged)
        report.bytes_before += _bytes(sound)
        report.bytes_after += _bytes(merged)
        _link_others(partition, beside, without=sound)
        beside.chmod(stat.S_IMODE(partition.stat().st_mode))
        fsync_directory(beside)
        # What is gone from the log must stay gone: landed again, its rows would double.
        for stream in _streams(run.log_dir):
            fsync_directory(stream)
        exchange(beside, partition)
    finally:
        _clean(run, dataset)


@contextlib.contextmanager
def _alone(run: _Run, dataset: Dataset) -> Iterator[None]:
    """Keep landing and every other writer of the dataset out, in landing's order."""
    with lock(run.log_dir / "LANDING"), rewriting(run.raw_dir, dataset):
        yield


def _clean(run: _Run, dataset: Dataset) -> None:
    """Put away what is beside the dataset: what it was, or what it will not be."""
    work_dir = run.raw_dir / WORK
    beside = work_dir / dataset.name
    # Deletions must not be durable before the exchange that they follow is.
    for work in (beside, *(path for path in beside.rglob("*") if path.is_dir())):
        for directory in (work, run.raw_dir / work.relative_to(work_dir)):
            if directory.is_dir():
                fsync_directory(directory)
    if beside.exists():
        make_directories(work_dir / GONE)
        beside.rename(work_dir / GONE / f"{dataset.name}@{time.time_ns()}")


def _delete_gone(run: _Run) -> None:
    """Delete what was put away so long ago that nobody is listing it any more."""
    gone = run.raw_dir / WORK / GONE
    for directory in gone.iterdir() if gone.is_dir() else ():
        put_away = int(directory.name.rpartition("@")[2]) / 1e9
        if time.time() - put_away >= run.grace_seconds:
            with contextlib.suppress(FileNotFoundError):  # another run was faster
                shutil.rmtree(directory)


def _partitions(raw_dir: Path, dataset: Dataset) -> list[Path]:
    pattern = "/".join(f"{column}=*" for column in dataset.partitions)
    found = (raw_dir / dataset.name).glob(pattern)
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def _small_files(run: _Run, partition: Path, standing: Set[str]) -> list[Path]:
    """The files to merge now; none where that is not worth it.

    A file larger than all that are smaller together waits until they have grown, so
    that no row is written again more often than its file doubles. A file whose segment
    still stands in the log would come back when that is landed again, by a crash or by
    who mends damage.
    """
    found: list[tuple[int, Path]] = []
    with os.scandir(partition) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                return []
            stem = entry.name.removesuffix(SUFFIX)
            if stem == entry.name or stem in standing:
                continue
            if (size := entry.stat().st_size) < run.target_bytes / 2:
                found.append((size, Path(entry.path)))
    found.sort()
    total = sum(size for size, _ in found)
    while found and found[-1][0] > total - found[-1][0]:
        total -= found.pop()[0]
    return [path for _, path in found] if len(found) >= run.min_files else []


def _streams(log_dir: Path) -> list[Path]:
    return [path for path in log_dir.iterdir() if path.is_dir()]


def _standing(log_dir: Path) -> Set[str]:
    """The names of the segments of which the log holds anything, be it damaged."""
    return {
        path.name.partition(".")[0]
        for stream in _streams(log_dir)
        for path in stream.iterdir()
    }


def _require_exchange(beside: Path, partition: Path) -> None:
    """Find out before the work is done, and not after it."""
    if beside.stat().st_dev != partition.stat().st_dev:
        raise ExchangeUnsupported(
            errno.EXDEV, "it is on another file system than", str(partition)
        )
    probes = (beside / "one", beside / "other")
    for probe in probes:
        probe.mkdir()
    exchange(*probes)
    for probe in probes:
        probe.rmdir()


def _sound(files: list[Path], dataset: Dataset, report: CompactionReport) -> list[Path]:
    """The files that are whole, by the time of their first row."""
    sound = []
    for path in files:
        try:
            inspect(path, dataset)
        except Unsound as problem:
            report.damaged[path] = str(problem)
        else:
            sound.append(path)
    return sorted(sound, key=lambda path: (_first_time(path, dataset), path.name))


def _first_time(path: Path, dataset: Dataset) -> int:
    """The earliest time of arrival in the file, as its footer has it."""
    footer = pq.read_metadata(path)
    column = footer.schema.names.index(dataset.written_at)
    groups = (footer.row_group(number) for number in range(footer.num_row_groups))
    said = (group.column(column).statistics for group in groups)
    return min((one.min_raw for one in said if one and one.has_min_max), default=0)


def _link_others(partition: Path, beside: Path, *, without: list[Path]) -> None:
    """Give the new directory all other files of the old one, without copying them."""
    left_out = {path.name for path in without}
    with os.scandir(partition) as entries:
        for entry in entries:
            # Nobody writes now, so what is temporary was left by who is gone.
            is_temporary = entry.name.startswith(".") and entry.name.endswith(TEMPORARY)
            if entry.name not in left_out and not is_temporary:
                os.link(entry.path, beside / entry.name, follow_symlinks=False)


def _bytes(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)
