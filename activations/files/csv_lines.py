"""CSV: a header and a line for each key, as RFC 4180 says."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from activations.connectors import Batch
from activations.files.lines import applied, not_of_this_sync, readable
from activations.json_values import json_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}


def rewrite(
    old: Path | None, new: Path, batch: Batch, options: Mapping[str, Any]
) -> set[str]:
    """Write the old file's lines with the batch applied; the keys it has no line for.

    The header is the payload's columns as they are now: a line that is older than a
    column has an empty cell there until its own update comes.
    """
    escape = bool(options["escape_formulas"])
    delimiter = DELIMITERS[options["delimiter"]]
    missed: set[str] = set()

    def encode(record: Mapping[str, Any]) -> dict[str, str]:
        return {name: _cell(value, escape=escape) for name, value in record.items()}

    with new.open("w", encoding="utf-8", newline="") as file:
        # Lines end as RFC 4180 says; with another end a lone \r goes unquoted.
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow([_cell(column, escape=escape) for column in batch.columns])
        lines = _lines(old, batch.key, delimiter) if old else ()
        for line in applied(lines, batch, encode, missed):
            writer.writerow(line.get(column, "") for column in batch.columns)
    return missed


def _lines(
    path: Path, key: str, delimiter: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """The lines of the existing file, by column; the cells are as they stand there."""
    # The limit is one of the whole process; cells may be as long as the payload's.
    csv.field_size_limit(sys.maxsize)
    with (
        path.open(encoding="utf-8", newline="") as file,
        readable(path, "CSV", UnicodeDecodeError, csv.Error),
    ):
        reader = csv.reader(file, delimiter=delimiter)
        header = [_unescaped(cell) for cell in next(reader, [])]
        if header and key not in header:
            raise not_of_this_sync(path, key)
        for cells in reader:
            line = dict(zip(header, cells, strict=False))
            yield _unescaped(line.get(key, "")), line


def _cell(value: Any, *, escape: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        value = json_text(value)
    if not isinstance(value, str):
        return str(value)
    # Text that looks escaped is escaped too, so that it can be told from such text.
    return "'" + value if escape and _is_formula(value) else value


def _is_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA)


def _unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell
