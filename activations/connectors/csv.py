"""Keeps a CSV file equal to a sync: one line for each key, in a file of its own.

The new file is complete and on disk before it takes the place of the old one, so a
reader, or a crash, sees either of them whole.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from activations.connectors import Batch, Outcome, Row
from activations.errors import ConfigError
from collector.files import fsync_directory, make_directories

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def deliver(batch: Batch, settings: Mapping[str, Any]) -> Iterator[Outcome]:
    """Apply the rows to `<directory>/<sync>.csv`; all of them succeed, or none."""
    directory = Path(settings["directory"])
    make_directories(directory)
    path = directory / f"{batch.sync}.csv"
    # The sync's lock keeps others away, so a killed run's file is simply overwritten.
    temporary = directory / f".{batch.sync}.tmp"
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            _write(file, path, batch, escape=settings["escape_formulas"])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_directory(directory)
    for row in batch.rows:
        yield Outcome(row=row, outcome="succeeded", attempts=1)


def _write(file: TextIO, old: Path, batch: Batch, *, escape: bool) -> None:
    """Write the old file's lines with the batch applied; new keys come at the end.

    The header is the payload's columns as they are now: a line that is older than a
    column has an empty cell there until its own update comes.
    """
    changes = {row.key: row for row in batch.rows}
    # Lines end as RFC 4180 says; with another end a lone \r in a cell goes unquoted.
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([_cell(column, escape=escape) for column in batch.columns])
    for cells in _lines(old, batch.key):
        row = changes.pop(_unescaped(cells.get(batch.key, "")), None)
        if row is None:
            writer.writerow(cells.get(column, "") for column in batch.columns)
        else:
            _write_row(writer, row, batch, escape=escape)
    for row in changes.values():
        _write_row(writer, row, batch, escape=escape)


def _write_row(writer: Any, row: Row, batch: Batch, *, escape: bool) -> None:
    if row.record is not None:
        values = (row.record.get(column) for column in batch.columns)
        writer.writerow(_cell(value, escape=escape) for value in values)


def _lines(path: Path, key: str) -> Iterator[dict[str, str]]:
    """The lines of the existing file, by column; the cells are as they stand there."""
    # The limit is one of the whole process; cells may be as long as the payload's.
    csv.field_size_limit(sys.maxsize)
    try:
        file = path.open(encoding="utf-8", newline="")
    except FileNotFoundError:
        return
    with file, _readable(path):
        reader = csv.reader(file)
        header = [_unescaped(cell) for cell in next(reader, [])]
        if header and key not in header:
            raise ConfigError(
                f"{path} has no column '{key}', so it is not the file of this sync. "
                "Move it away."
            )
        for cells in reader:
            yield dict(zip(header, cells, strict=False))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"{path} cannot be read as CSV ({error}). Move it away."
        ) from error


def _cell(value: Any, *, escape: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return str(value)
    # Text that looks escaped is escaped too, so that it can be told from such text.
    return "'" + value if escape and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA)


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell
