"""The first row in which two tables differ, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from profiles.sql_names import literal, quoted

_SHOWN = 200
_SIDES = ("one", "other")


def texts(columns: Sequence[str]) -> str:
    """An SQL list of the values of these columns, each as text."""
    listed = ", ".join(f"cast({quoted(column)} as varchar)" for column in columns)
    return f"cast([{listed}] as varchar[])"


def first_difference(
    connection: duckdb.DuckDBPyConnection,
    name: tuple[str, str],
    columns: Sequence[str],
    key: Sequence[str],
    labels: Sequence[str],
) -> tuple[tuple[int, int], str | None]:
    """How many rows only one of the databases `one` and `other` has, and the first.

    First is meant by `key`, or by all columns where a table has no key.
    """
    ordered = [*key, *(column for column in columns if column not in key)]
    for side in _SIDES:
        connection.execute(f"use {side}")
        connection.execute(
            f"create or replace temp table rows_of_{side} as "  # noqa: S608 - names of the catalog, quoted
            f"select {texts(ordered)} as row "
            f"from {quoted(name[0])}.{quoted(name[1])}"
        )
    counts = []
    for side, against in (("one", "other"), ("other", "one")):
        connection.execute(
            f"create or replace temp table only_{side} as "  # noqa: S608 - as above
            f"select row, row[:{len(key) or len(ordered)}] as key from ("
            f"select row from rows_of_{side} except all "
            f"select row from rows_of_{against})"
        )
        counted = connection.execute(f"select count(*) from only_{side}")  # noqa: S608 - as above
        counts.append(counted.fetchall()[0][0])
    told = _first(connection, ordered, key, labels) if any(counts) else None
    for side in _SIDES:
        connection.execute(f"drop table rows_of_{side}")
        connection.execute(f"drop table only_{side}")
    return (counts[0], counts[1]), told


def _first(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    key: Sequence[str],
    labels: Sequence[str],
) -> str:
    (least,) = connection.execute(
        "select min(key) from (select key from only_one union all "
        "select key from only_other)"
    ).fetchall()[0]
    found = [
        connection.execute(
            f"select min(row) from only_{side} where key is not distinct from ?",  # noqa: S608 - one of two names
            [least],
        ).fetchall()[0][0]
        for side in _SIDES
    ]
    who = ", ".join(
        f"{column} {_shown(value)}"
        for column, value in zip(key or columns, least, strict=True)
    )
    if found[0] is None or found[1] is None:
        return f"{who}: only with {labels[0 if found[0] else 1]}"
    differences = (
        f"{column} is {_shown(left)} with {labels[0]}, {_shown(right)} with {labels[1]}"
        for column, left, right in zip(columns, found[0], found[1], strict=True)
        if left != right
    )
    return f"{who}: {'; '.join(differences)}"


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = str(value)
    return literal(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
