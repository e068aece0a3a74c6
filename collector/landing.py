"""Landing: appends facts to the raw datasets as immutable Parquet files.

A file appears under its final name only when it is complete and on disk: it is written
under a temporary name, fsynced, renamed, and its directory is fsynced. Names are chosen
by the caller so that writing the same facts twice replaces a file by an equal one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.datasets import DATASETS, Dataset

EMPTY_PARTITION = "1970-01-01"


def fsync_directory(directory: Path) -> None:
    """Make the names inside `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    directory = raw_dir / dataset.name
    for column in dataset.partitions:
        directory = directory / f"{column}={partition[column]}"
    _make_directories(directory)
    final = directory / f"{name}.parquet"
    temporary = directory / f".{name}.{os.getpid()}.tmp"
    with temporary.open("wb") as file:
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
        partition = dict.fromkeys(dataset.partitions, EMPTY_PARTITION)
        directory = raw_dir / dataset.name
        for column in dataset.partitions:
            directory = directory / f"{column}={partition[column]}"
        if not (directory / "empty.parquet").exists():
            empty = dataset.schema.empty_table()
            write_file(raw_dir, dataset, empty, partition=partition, name="empty")


def _make_directories(directory: Path) -> None:
    """Create `directory` and its parents, each name durable in its own parent."""
    if directory.is_dir():
        return
    _make_directories(directory.parent)
    directory.mkdir(exist_ok=True)
    fsync_directory(directory.parent)
