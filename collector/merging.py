"""Merging: the rows of many files of a dataset in few, a bounded part at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.datasets import Dataset
from collector.inspection import batches
from collector.raw import PARQUET

SUFFIX = ".parquet"
MERGED = "~"
"""Stands in the names of merged files only: `<name of the first>~<random>-<number>`."""
GROUP_ROWS = 122_880
GROUP_BYTES = 64_000_000
"""About the most that a row group holds, and so what is in memory at a time."""


class CompactionFailed(Exception):
    """The merged files do not hold what the small ones do; nothing was changed."""


def merge(
    files: list[Path], beside: Path, dataset: Dataset, *, target_bytes: int
) -> list[Path]:
    """Write the rows of `files` to new ones, each ended when it reaches the target."""
    name = f"{files[0].stem.partition(MERGED)[0]}{MERGED}{secrets.token_hex(4)}"
    groups = _row_groups(files, dataset)
    group = next(groups, dataset.schema.empty_table())
    merged: list[Path] = []
    while group is not None:
        merged.append(beside / f"{name}-{len(merged)}{SUFFIX}")
        with merged[-1].open("xb") as file:
            with pq.ParquetWriter(file, dataset.schema, **PARQUET) as writer:
                while group is not None and file.tell() < target_bytes:
                    writer.write_table(group)
                    group = next(groups, None)
            file.flush()
            os.fsync(file.fileno())
    return merged


def _row_groups(files: list[Path], dataset: Dataset) -> Iterator[pa.Table]:
    tables: list[pa.Table] = []
    rows = size = 0
    for table in _rows(files, dataset):
        if tables and (rows + len(table) > GROUP_ROWS or size > GROUP_BYTES):
            yield pa.concat_tables(tables)
            tables, rows, size = [], 0, 0
        tables.append(table)
        rows += len(table)
        size += table.nbytes
    if tables:
        yield pa.concat_tables(tables)


def _rows(files: list[Path], dataset: Dataset) -> Iterator[pa.Table]:
    for path in files:
        yield from batches(path, dataset)


def require_equal(small: list[Path], merged: list[Path], dataset: Dataset) -> int:
    """Read everything again and compare row by row; returns how many rows there are."""
    # As text, because no NaN equals another.
    comparable = pa.schema(
        column.with_type(pa.string()) if pa.types.is_floating(column.type) else column
        for column in dataset.schema
    )
    expected, found = _rows(small, dataset), _rows(merged, dataset)
    left = right = dataset.schema.empty_table()
    rows = 0
    while True:
        left = left if len(left) else next(expected, left)
        right = right if len(right) else next(found, right)
        count = min(len(left), len(right))
        ends = count == 0
        if ends or left[:count].cast(comparable) != right[:count].cast(comparable):
            break
        left, right, rows = left[count:], right[count:], rows + count
    if len(left) or len(right):
        raise CompactionFailed(
            f"{merged[0].name} differs from the {len(small)} files it was made of, "
            f"from row {rows} on; nothing was changed"
        )
    return rows
