"""Writes the raw datasets: immutable Parquet files, each there whole or not at all.

A file is written under a temporary name, fsynced, renamed, and its directory is
fsynced. Writers and compaction keep out of each other's way by a lock per dataset.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.datasets import DATASETS, Dataset
from collector.files import fsync_directory, lock, make_directories

EMPTY_PARTITION = {"dt": "1970-01-01", "sync": "none"}
TEMPORARY = ".tmp"
ORPHAN_SECONDS = 3600
# Page checksums: DuckDB does not verify them, but a scrub with pyarrow does.
PARQUET = {"compression": "zstd", "write_page_checksum": True, "version": "2.6"}


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
    with writing(raw_dir, dataset):
        make_directories(directory)
        final = directory / f"{name}.parquet"
        temporary = directory / f".{name}.{os.getpid()}{TEMPORARY}"
        try:
            with temporary.open("wb") as file:
                pq.write_table(table, file, **PARQUET)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(final)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        fsync_directory(directory)
    return final


def ensure_datasets(raw_dir: Path) -> None:
    """Give every dataset its zero-row file, so that a glob over it always matches."""
    for dataset in DATASETS:
        directory = _partition_directory(raw_dir, dataset, EMPTY_PARTITION)
        if not (directory / "empty.parquet").exists():
            empty = dataset.schema.empty_table()
            write_file(raw_dir, dataset, empty, partition=EMPTY_PARTITION, name="empty")


def writing(
    raw_dir: Path, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps compaction of this dataset out while a file is added to it."""
    return _locked(raw_dir, dataset, shared=True)


def reading(
    raw_dir: Path, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps files of this dataset from going away between a list and its reading."""
    return _locked(raw_dir, dataset, shared=True)


def rewriting(
    raw_dir: Path, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps every writer of this dataset out."""
    return _locked(raw_dir, dataset, shared=False)


def sweep(raw_dir: Path) -> int:
    """Delete the temporary files of processes that are gone; returns how many."""
    swept = 0
    for dataset in DATASETS:
        for path in (raw_dir / dataset.name).rglob(f".*{TEMPORARY}"):
            if _is_orphan(path):
                path.unlink(missing_ok=True)
                swept += 1
    return swept


def _is_orphan(path: Path) -> bool:
    writer = path.name.removesuffix(TEMPORARY).rpartition(".")[2]
    with contextlib.suppress(FileNotFoundError):
        if time.time() - path.stat().st_mtime > ORPHAN_SECONDS:
            return True
    try:
        os.kill(int(writer), 0)
    except (ProcessLookupError, ValueError):
        return True
    except PermissionError:
        return False
    return False


def _locked(
    raw_dir: Path, dataset: Dataset, *, shared: bool
) -> contextlib.AbstractContextManager[object]:
    make_directories(raw_dir)
    return lock(raw_dir / f".{dataset.name}.lock", shared=shared)


def _partition_directory(
    raw_dir: Path, dataset: Dataset, partition: Mapping[str, str]
) -> Path:
    directory = raw_dir / dataset.name
    for column in dataset.partitions:
        directory = directory / f"{column}={partition[column]}"
    return directory
