"""Writes the raw datasets: immutable Parquet files, each there whole or not at all.

In a local directory a file is written under a temporary name, fsynced, renamed, and its
directory is fsynced. Writers and compaction keep out of each other's way by a lock per
dataset. On object storage a file is one object; nothing there is compacted, so nothing
is locked.
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
from collector.object_storage import RawPlace

EMPTY = "empty"
"""The name of the file without rows that every dataset has."""
EMPTY_PARTITION = {"dt": "1970-01-01", "sync": "none"}
TEMPORARY = ".tmp"
ORPHAN_SECONDS = 3600
# Page checksums: DuckDB does not verify them, but a scrub with pyarrow does.
PARQUET = {"compression": "zstd", "write_page_checksum": True, "version": "2.6"}


def write_file(
    raw_dir: RawPlace,
    dataset: Dataset,
    table: pa.Table,
    *,
    partition: Mapping[str, str],
    name: str,
) -> None:
    """Append `table` to `dataset` as the file `<partition>/<name>.parquet`, durably.

    `partition` gives a value for each of the dataset's partition columns, in any
    order. The table is cast to the dataset's schema; a column that is missing or has
    another type raises `pyarrow.ArrowInvalid` or `KeyError` and nothing is written.
    """
    table = table.select(dataset.schema.names).cast(dataset.schema)
    directory = _partition_directory(dataset, partition)
    if not isinstance(raw_dir, Path):
        content = pa.BufferOutputStream()
        pq.write_table(table, content, **PARQUET)
        raw_dir.put(f"{directory}/{name}.parquet", content.getvalue())
        return
    with writing(raw_dir, dataset):
        _write_local(raw_dir / directory, table, name)


def _write_local(directory: Path, table: pa.Table, name: str) -> None:
    make_directories(directory)
    temporary = directory / f".{name}.{os.getpid()}{TEMPORARY}"
    try:
        with temporary.open("wb") as file:
            pq.write_table(table, file, **PARQUET)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(directory / f"{name}.parquet")
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_directory(directory)


def ensure_datasets(raw_dir: RawPlace) -> None:
    """Give every dataset its zero-row file, so that a glob over it always matches."""
    for dataset in DATASETS:
        file = f"{_partition_directory(dataset, EMPTY_PARTITION)}/{EMPTY}.parquet"
        if isinstance(raw_dir, Path):
            exists = (raw_dir / file).exists()
        else:
            exists = raw_dir.has(file)
        if not exists:
            empty = dataset.schema.empty_table()
            write_file(raw_dir, dataset, empty, partition=EMPTY_PARTITION, name=EMPTY)


def writing(
    raw_dir: Path, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps compaction of this dataset out while a file is added to it."""
    return _locked(raw_dir, dataset, shared=True)


def reading(
    raw_dir: RawPlace, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps files of this dataset from going away between a list and its reading."""
    if not isinstance(raw_dir, Path):
        return contextlib.nullcontext()  # objects are never compacted
    return _locked(raw_dir, dataset, shared=True)


def rewriting(
    raw_dir: Path, dataset: Dataset
) -> contextlib.AbstractContextManager[object]:
    """Keeps every writer of this dataset out."""
    return _locked(raw_dir, dataset, shared=False)


def sweep(raw_dir: RawPlace) -> int:
    """Delete the temporary files of processes that are gone; returns how many."""
    swept = 0
    if not isinstance(raw_dir, Path):
        return swept  # objects have no temporary names
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


def _partition_directory(dataset: Dataset, partition: Mapping[str, str]) -> str:
    parts = (f"{column}={partition[column]}" for column in dataset.partitions)
    return "/".join((dataset.name, *parts))
