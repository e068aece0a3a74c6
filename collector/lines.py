"""From the lines of a segment to tables, whatever state the segment is in.

A whole segment is read by DuckDB in one go. When that fails, what is damaged or cannot
be read is narrowed down to the bytes or the one line that is at fault; that becomes a
row of quarantine, and everything else is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from collector.datasets import EVENTS, QUARANTINE, TIMESTAMP
from collector.frames import damaged_spans, scan

LOG = "(log)"
"""Stands for the source of a row when what was lost cannot say."""
PREVIEW_BYTES = 2_048
Reader = Callable[[list[bytes], int], Iterator[pa.Table]]
"""Makes tables of lines; what it cannot read has a row in quarantine of that time."""


def read_segment(
    path: Path, read: Reader | None = None
) -> tuple[pa.Table, list[tuple[int, int]]]:
    """The lines of a segment in order, `position` being their ordinal; what is damaged.

    The damage is given as spans of bytes; each also has a row in the table. `read`
    turns lines into tables where DuckDB cannot or must not read them in one go.
    """
    if read is None:
        with contextlib.suppress(duckdb.Error):
            return _numbered(_read_json(path, "zstd")), []
    data = path.read_bytes()
    frames = list(scan(data))
    spans = damaged_spans(frames, len(data))
    # Two landings of one segment must make the same rows: no clock here.
    at = int(path.stat().st_mtime) * 1_000_000
    lines = [line for frame in frames for line in frame.lines.splitlines(keepends=True)]
    readable = (read or read_lines)(lines, at)
    tables = [
        _read_json_lines([]),
        *readable,
        *(_lost(data, span, path, at) for span in spans),
    ]
    return _numbered(pa.concat_tables(tables)), spans


def read_lines(lines: list[bytes], at: int) -> Iterator[pa.Table]:
    """Tables of these lines; the ones that cannot be read stand in quarantine."""
    if not lines:
        return
    try:
        yield _read_json_lines(lines)
    except duckdb.Error as error:
        if len(lines) == 1:
            yield unreadable(lines[0], str(error), at)
            return
        half = len(lines) // 2
        yield from read_lines(lines[:half], at)
        yield from read_lines(lines[half:], at)


def unreadable(line: bytes, problem: str, at: int) -> pa.Table:
    """The row of quarantine for a line."""
    return _quarantine(
        at,
        code="loader_error",
        detail=problem.splitlines()[0][:500],
        path="",
        content=line,
        payload=line[:PREVIEW_BYTES].decode(errors="replace"),
    )


def put_aside(path: Path, kept: Path) -> pa.Table:
    """The row of quarantine for a whole segment that nobody could land."""
    at = int(path.stat().st_mtime) * 1_000_000
    detail = f"landing ended again and again at this segment; it is kept as {kept.name}"
    row = _quarantine(
        at, code="loader_error", detail=detail, path="", content=b"", payload=""
    )
    return _numbered(row)


def _lost(data: bytes, span: tuple[int, int], path: Path, at: int) -> pa.Table:
    start, end = span
    return _quarantine(
        at,
        code="log_damaged",
        detail=f"bytes {start} to {end} of the segment {path.name} cannot be read",
        path=f"{start}-{end}",
        content=data[start:end],
        payload="",
    )


def _quarantine(
    at: int, *, code: str, detail: str, path: str, content: bytes, payload: str
) -> pa.Table:
    row = {
        "dataset": QUARANTINE.name,
        "received_at": at,
        "source_id": LOG,
        "request_id": "",
        "code": code,
        "detail": detail,
        "path": path,
        "payload": payload,
        "payload_sha256": hashlib.sha256(content).hexdigest(),
        "replayable": False,
    }
    # Not by way of DuckDB: it may be what the line is too much for.
    return pa.Table.from_pylist([row], schema=_read_json_lines([]).schema)


def _read_json_lines(lines: list[bytes]) -> pa.Table:
    with tempfile.NamedTemporaryFile(suffix=".ndjson") as file:
        file.write(b"".join(lines))
        file.flush()
        return _read_json(Path(file.name), "none")


def _read_json(path: Path, compression: str) -> pa.Table:
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        lines: pa.Table = connection.sql(
            "select * from read_json(?, format = 'newline_delimited', "
            "compression = ?, columns = ?)",
            params=[str(path), compression, _COLUMNS],
        ).to_arrow_table()
    for column in _TIME_COLUMNS:
        index = lines.schema.get_field_index(column)
        lines = lines.set_column(index, column, lines[column].cast(TIMESTAMP))
    return lines


def _numbered(lines: pa.Table) -> pa.Table:
    return lines.append_column("position", pa.array(range(len(lines)), pa.int64()))


def _duckdb_type(data_type: pa.DataType) -> str:
    if data_type == TIMESTAMP:
        return "BIGINT"
    names: dict[Any, str] = {
        pa.string(): "VARCHAR",
        pa.bool_(): "BOOLEAN",
        pa.int64(): "BIGINT",
    }
    return names.get(data_type, "VARCHAR[]")


_FIELDS = [column for dataset in (EVENTS, QUARANTINE) for column in dataset.schema]
_TIME_COLUMNS = sorted({column.name for column in _FIELDS if column.type == TIMESTAMP})
_COLUMNS = {"dataset": "VARCHAR"} | {
    column.name: _duckdb_type(column.type)
    for column in _FIELDS
    if column.name not in ("segment", "position")
}
"""DuckDB types of a line's fields: those of both datasets, times as microseconds."""
