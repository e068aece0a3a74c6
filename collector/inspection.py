"""Whether a Parquet file of a raw dataset says what it was written to say.

Page checksums guard the data and are verified by reading all of it, a piece at a time.
The footer has none, so what it says is held against the data: columns and types, rows,
and the smallest and largest values by which readers skip parts of a file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.datasets import Dataset

BATCH_ROWS = 4_096
"""Of the largest events that is about 130 MB."""

# Arrow has errors of its own, but damaged names and sizes surface as Python's.
_CANNOT_READ = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError)


class Unsound(Exception):
    """The file is damaged, or is no file of this dataset; says what is wrong."""


def inspect(path: Path, dataset: Dataset) -> int:
    """Read the whole file and return its rows; `Unsound` when anything is wrong."""
    if path.stat().st_size == 0:
        raise Unsound("it is empty, without even a header")
    try:
        with _opened(path) as file:
            _check_columns(file, dataset)
            return _check_rows(file)
    except FileNotFoundError:
        raise
    except _CANNOT_READ as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Unsound(f"it cannot be read: {reason}") from error


def batches(path: Path, dataset: Dataset) -> Iterator[pa.Table]:
    """The rows in order, with all columns of the dataset, checksums verified."""
    with _opened(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            table = pa.Table.from_batches([batch])
            for column in dataset.schema:
                if column.name not in table.column_names:
                    nulls = pa.nulls(len(table), column.type)
                    table = table.append_column(column, nulls)
            yield table.select(dataset.schema.names).cast(dataset.schema)


def _opened(path: Path) -> pq.ParquetFile:
    # Buffered, so that a column is never in memory whole; nothing is fetched ahead.
    return pq.ParquetFile(
        path,
        page_checksum_verification=True,
        pre_buffer=False,
        buffer_size=1 << 20,
    )


def _check_columns(file: pq.ParquetFile, dataset: Dataset) -> None:
    """Columns may be missing that files may be without: older ones are."""
    arrow, parquet = file.schema_arrow, _leaves(file.schema)
    if foreign := sorted(set(arrow.names) - set(dataset.schema.names)):
        raise Unsound(f"it has columns that are not of {dataset.name}: {foreign}")
    if len(set(arrow.names)) < len(arrow.names):
        raise Unsound("a column stands in it twice")
    expected = _expected_leaves(dataset)
    for column in dataset.schema:
        if column.name not in arrow.names:
            if not column.nullable:
                raise Unsound(f"the column {column.name} is missing")
        elif not arrow.field(column.name).equals(column):
            found = arrow.field(column.name)
            raise Unsound(f"the column {column.name} is {found.type}, not {column}")
        elif parquet.get(column.name) != expected[column.name]:
            raise Unsound(f"the column {column.name} has another type in the footer")


def _check_rows(file: pq.ParquetFile) -> int:
    footer = file.metadata
    rows = 0
    for number in range(footer.num_row_groups):
        columns = [_Seen(column.type) for column in file.schema_arrow]
        counted = 0
        for batch in file.iter_batches(
            BATCH_ROWS, row_groups=[number], use_threads=False
        ):
            counted += len(batch)
            for seen, values in zip(columns, batch.columns, strict=True):
                seen.add(values)
        group = footer.row_group(number)
        if (group.num_rows, group.num_columns) != (counted, len(columns)):
            raise Unsound(f"{counted} rows where its footer says {group.num_rows}")
        for index, seen in enumerate(columns):
            chunk, leaf = group.column(index), file.schema.column(index)
            said = (chunk.path_in_schema, chunk.physical_type)
            # In this order: Arrow aborts the process over statistics of another type.
            if said != (leaf.path, leaf.physical_type) or not seen.agrees(chunk):
                raise Unsound(f"its footer contradicts its data in {leaf.path}")
        rows += counted
    if rows != footer.num_rows:
        raise Unsound(f"{rows} rows where its footer says {footer.num_rows}")
    return rows


class _Seen:
    """What the data of one column in one row group is like."""

    def __init__(self, data_type: pa.DataType) -> None:
        self._is_list = pa.types.is_list(data_type)
        self._rows = 0
        self._nulls = 0
        self._least: Any = None
        self._most: Any = None

    def add(self, values: pa.Array) -> None:
        """Take a part of the column in."""
        self._rows += len(values)
        if self._is_list:
            values = values.flatten()
        self._nulls += values.null_count
        ends = pc.min_max(_raw(values))
        least, most = ends["min"].as_py(), ends["max"].as_py()
        if least is not None:
            self._least = least if self._least is None else min(self._least, least)
            self._most = most if self._most is None else max(self._most, most)

    def agrees(self, chunk: pq.ColumnChunkMetaData) -> bool:
        """Whether the footer says the same of it, as far as it says anything."""
        said = chunk.statistics
        if not self._is_list and chunk.num_values != self._rows:
            return False
        if said is None:
            return True
        if not self._is_list and said.has_null_count and said.null_count != self._nulls:
            return False
        ends = (said.min_raw, said.max_raw) if said.has_min_max else None
        return ends in (None, (self._least, self._most))


def _raw(values: pa.Array) -> pa.Array:
    """The values as Parquet keeps them; Python could not hold every time or text."""
    if pa.types.is_string(values.type):
        return values.cast(pa.binary())
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values


def _leaves(schema: pq.ParquetSchema) -> dict[str, tuple[Any, ...]]:
    """What the columns are to readers that do not know Arrow."""
    columns = (schema.column(index) for index in range(len(schema)))
    return {
        column.path.partition(".")[0]: (
            column.path,
            column.physical_type,
            str(column.logical_type),
            column.max_definition_level,
            column.max_repetition_level,
        )
        for column in columns
    }


@cache
def _expected_leaves(dataset: Dataset) -> dict[str, tuple[Any, ...]]:
    written = io.BytesIO()
    pq.write_table(dataset.schema.empty_table(), written)
    return _leaves(pq.ParquetFile(written).schema)
