"""What becomes of a file's lines when a batch is applied to them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from activations.connectors import Batch, Row
from activations.errors import ConfigError

Cell = TypeVar("Cell")
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


def applied(
    old: Iterable[tuple[str, dict[str, Cell]]],
    batch: Batch,
    encode: Callable[[Mapping[str, Any]], dict[str, Cell]],
    missed: set[str],
) -> Iterator[dict[str, Cell]]:
    """The old lines, each given with its key, with the batch applied; new ones last.

    Half a record changes its fields of a line. Where there is no such line its key is
    added to `missed`.
    """
    changes = {row.key: row for row in batch.rows}
    for key, line in old:
        row = changes.pop(key, None)
        if row is None:
            yield line
        elif row.record is not None:
            yield line | encode(with_key(row, batch))
    for row in changes.values():
        if row.record is None:
            continue
        if is_whole(row, batch):
            yield encode(with_key(row, batch))
        else:
            missed.add(row.key)


def is_whole(row: Row, batch: Batch) -> bool:
    """Whether the row has a value for every column."""
    return row.record is not None and len(row.record) >= len(batch.columns)


def with_key(row: Row, batch: Batch) -> dict[str, Any]:
    """The row's record, with the key in the one way that it is found by later."""
    return {**(row.record or {}), batch.key: key_value(row.key, batch)}


def key_value(key: str, batch: Batch) -> Any:
    """The key as a number where its column holds whole numbers, else as text."""
    is_integer = batch.types.get(batch.key, "").removeprefix("U") in _INTEGERS
    return int(key) if is_integer else key


@contextlib.contextmanager
def readable(path: Path, what: str, *errors: type[Exception]) -> Iterator[None]:
    """Say of a file that is there, but not of this kind, how to go on."""
    try:
        yield
    except errors as error:
        raise ConfigError(
            f"{path.name} cannot be read as {what} ({error}). Move it away."
        ) from error


def not_of_this_sync(path: Path, key: str) -> ConfigError:
    return ConfigError(
        f"{path.name} has no column '{key}', so it is not the file of this sync. "
        "Move it away."
    )
