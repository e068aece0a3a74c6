"""JSONL: a JSON object a line, with a field for each column, null where it is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from activations.connectors import Batch
from activations.files.lines import applied, not_of_this_sync, readable
from activations.json_values import json_text, read_number

# Not the ends of lines, but some readers take them for that.
_LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}


def rewrite(
    old: Path | None, new: Path, batch: Batch, options: Mapping[str, Any]
) -> set[str]:
    """Write the old file's objects with the batch applied; the keys it has none for."""
    missed: set[str] = set()
    lines = _lines(old, batch.key) if old else ()
    with new.open("w", encoding="utf-8") as file:
        for line in applied(lines, batch, dict, missed):
            fields = (
                f"{json_text(column)}: {json_text(line.get(column))}"
                for column in batch.columns
            )
            file.write("{" + ", ".join(fields).translate(_LINE_ENDS) + "}\n")
    return missed


def _lines(path: Path, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with (
        path.open(encoding="utf-8", newline="\n") as file,
        readable(path, "JSONL", UnicodeDecodeError, json.JSONDecodeError),
    ):
        for text in file:
            line = json.loads(text, parse_float=read_number)
            if not isinstance(line, dict) or key not in line:
                raise not_of_this_sync(path, key)
            yield str(line[key]), line
