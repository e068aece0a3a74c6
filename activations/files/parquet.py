"""Parquet: columns of the types that they have in the model, written by DuckDB."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from activations.connectors import Batch
from activations.errors import DestinationRefused
from activations.files.lines import is_whole, not_of_this_sync, readable
from activations.json_values import json_text
from profiles.sql_names import literal, quoted

_NESTED = ("STRUCT(", "MAP(", "UNION(")


def rewrite(
    old: Path | None, new: Path, batch: Batch, options: Mapping[str, Any]
) -> set[str]:
    """Write the old file's rows with the batch applied; the keys it has no row for."""
    with duckdb.connect(config={"threads": 2}) as con:
        con.execute("set TimeZone = 'UTC'")
        con.register("given", _changes(batch))
        con.execute("create temp table changes as from given")
        held = _read(con, old, batch.key)
        key = f"cast(held.{quoted(batch.key)} as varchar)"
        kept = ", ".join(_kept(n, name, batch, held) for n, name in _columns(batch))
        added = ", ".join(
            f"{_value(n, name, batch)} as {quoted(name)}" for n, name in _columns(batch)
        )
        try:
            con.execute(
                # Names of columns and paths, quoted; values come from `changes`.
                f"""
                copy (
                    select {kept}
                    from held
                    left join changes on {key} = changes.key
                    where changes.key is null or changes.is_kept
                    union all
                    select {added}
                    from changes
                    anti join held on changes.key = {key}
                    where changes.is_whole
                ) to {literal(str(new))} (format parquet, compression zstd)
                """  # noqa: S608 - see above
            )
        except duckdb.ConversionException as error:
            raise DestinationRefused(
                f"{batch.sync}: a value does not have the type of its column, or the "
                f"file has the column with another one ({error}). Move the file away."
            ) from error
        missed = con.execute(
            f"select changes.key from changes anti join held on changes.key = {key} "  # noqa: S608 - see above
            "where changes.is_kept and not changes.is_whole"
        ).fetchall()
    return {str(found) for (found,) in missed}


def _columns(batch: Batch) -> list[tuple[int, str]]:
    return list(enumerate(batch.columns))


def _changes(batch: Batch) -> pa.Table:
    """The batch's rows: a JSON text for each column that a record speaks of."""
    texts = {
        f"c{number}": [
            _text(row.record[column], _type(column, batch))
            if row.record is not None and column in row.record
            else None
            for row in batch.rows
        ]
        for number, column in _columns(batch)
    }
    return pa.table(
        {
            "key": pa.array([row.key for row in batch.rows], pa.string()),
            "is_kept": pa.array([row.record is not None for row in batch.rows]),
            "is_whole": pa.array([is_whole(row, batch) for row in batch.rows]),
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        }
    )


def _text(value: Any, kind: str) -> str:
    # DuckDB rounds a number in JSON, but not one in a text; a union keeps the text.
    return json_text(value, long_as_text="UNION" not in kind)


def _read(con: duckdb.DuckDBPyConnection, old: Path | None, key: str) -> frozenset[str]:
    """Make the view `held` of the old file, or of none; its columns."""
    if old is None:
        con.execute(f"create temp table held ({quoted(key)} varchar)")
        return frozenset({key})
    with readable(old, "Parquet", duckdb.IOException, duckdb.InvalidInputException):
        con.execute(f"create temp view held as from read_parquet({literal(str(old))})")
    found = frozenset(str(row[0]) for row in con.execute("describe held").fetchall())
    if key not in found:
        raise not_of_this_sync(old, key)
    return found


def _kept(number: int, column: str, batch: Batch, held: frozenset[str]) -> str:
    """A column of a row that the file has: as it is told now, else as it was."""
    before = "null"
    if column in held:
        before = f"cast(held.{quoted(column)} as {_type(column, batch)})"
    now = _value(number, column, batch)
    return (
        f"case when changes.c{number} is null then {before} else {now} end "
        f"as {quoted(column)}"
    )


def _value(number: int, column: str, batch: Batch) -> str:
    """The SQL that makes a column's value of its JSON text."""
    kind = _type(column, batch)
    if column == batch.key:
        return f"cast(changes.key as {kind})"
    text = f"cast(changes.c{number} as json)"
    if kind == "JSON":
        return f"nullif({text}, 'null')"
    if kind.endswith("]") or kind.startswith(_NESTED):
        return f"cast({text} as {kind})"
    return f"cast(json_extract_string({text}, '$') as {kind})"


def _type(column: str, batch: Batch) -> str:
    return batch.types.get(column, "VARCHAR")
