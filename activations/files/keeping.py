"""Applies a batch to the files of a sync, in a place of any kind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from activations.connectors import Batch, Outcome, Row
from activations.errors import ConfigError
from activations.files import csv_lines, json_lines, parquet
from activations.files.lines import with_key
from activations.files.places import Place

Rewrite = Callable[[Path | None, Path, Batch, Mapping[str, Any]], set[str]]
FORMATS: Mapping[str, Rewrite] = {
    "csv": csv_lines.rewrite,
    "jsonl": json_lines.rewrite,
    "parquet": parquet.rewrite,
}
OPERATION = "_operation"
DELIVERY = "_idempotency_key"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def keep(batch: Batch, place: Place) -> Iterator[Outcome]:
    """Apply the batch as the action says; outcomes come once the file is in place."""
    name = str(batch.options["name"] or batch.sync)
    if not _NAME.match(name):
        raise ConfigError(
            f"'{name}' is no name of a file: letters, digits, dots, hyphens and "
            "underscores. The format's ending is added."
        )
    if batch.action == "changes":
        missed = _add_changes(batch, place, name)
    else:
        missed = _keep_file(batch, place, name)
    for row in batch.rows:
        if row.key in missed:
            message = "The file has no line with this key."
            yield Outcome(row, "rejected", "not_found", message, attempts=1)
        else:
            yield Outcome(row, "succeeded", attempts=1)


def _keep_file(batch: Batch, place: Place, name: str) -> set[str]:
    """Rewrite the one file of the sync."""
    kind = str(batch.options["format"])
    file = f"{name}.{kind}"
    missed = FORMATS[kind](place.old(file), place.new(file), batch, batch.options)
    place.replace(file)
    return missed


def _add_changes(batch: Batch, place: Place, name: str) -> set[str]:
    """Write the batch as a file of its own, unless it is there already."""
    kind = str(batch.options["format"])
    keys = sorted(row.idempotency_key for row in batch.rows)
    digest = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:12]
    ending = f"-{digest}.{kind}"
    if any(
        found.startswith(f"{name}-") and found.endswith(ending)
        for found in place.names()
    ):
        return set()
    file = f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{ending}"
    FORMATS[kind](None, place.new(file), _as_changes(batch), batch.options)
    place.replace(file)
    return set()


def _as_changes(batch: Batch) -> Batch:
    """The batch as rows that say what they do: a delete has its key alone."""
    if taken := {OPERATION, DELIVERY} & set(batch.columns):
        raise ConfigError(f"{', '.join(sorted(taken))} is added by the action itself.")
    columns = (OPERATION, DELIVERY, *batch.columns)
    rows = tuple(
        Row(
            operation="insert",
            key=row.idempotency_key,
            fingerprint=row.fingerprint,
            record=dict.fromkeys(columns)
            | with_key(row, batch)
            | {OPERATION: row.operation, DELIVERY: row.idempotency_key},
        )
        for row in batch.rows
    )
    return replace(batch, key=DELIVERY, columns=columns, rows=rows)
