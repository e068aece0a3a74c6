"""Compares two published databases, table by table and value by value.

A row is compared as text: each of its values as DuckDB writes it, so that 1 and 1.0
differ, and so do floats that differ in their last digit. Rows have no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.verification.keys import Keys
from orchestration.verification.rows import first_difference, texts
from profiles.sql_names import literal, quoted

Name = tuple[str, str]
"""Schema and name of a table."""

# Where it shows when a table was built, by schema, table (or all) and column.
BUILD_TIMES = (
    ("audiences", "*", "entered_at"),
    ("audiences", "audience_changes", "at"),
    ("audiences", "audience_placements", "placed_at"),
    ("events", "*", "batch_id"),
    ("events", "event_profiles", "owners_batch_id"),
    ("events", "event_profiles", "taken_batch_id"),
    ("events", "int_event_models", "profiles_batch_id"),
    ("events", "int_event_models", "stored_batch_id"),
    ("identity", "*", "batch_id"),
    ("identity", "int_event_identifiers", "stored_batch_id"),
    ("identity", "int_followed_profiles", "built_at"),
    ("identity", "int_followed_profiles", "identified_batch_id"),
    ("identity", "int_followed_profiles", "owners_batch_id"),
    ("identity", "int_followed_profiles", "stored_batch_id"),
    ("identity", "int_identifiers", "age_batch_id"),
    ("monitoring", "arrival_counts", "first_batch_id"),
    ("monitoring", "audience_freshness", "at"),
    ("monitoring", "audience_sizes", "at"),
    ("monitoring", "event_counts", "batch_id"),
    ("monitoring", "int_passed_tests", "batch_id"),
    ("monitoring", "sync_health", "due_since"),
    ("monitoring", "sync_health", "seconds_since_success"),
    ("monitoring", "sync_identifier_quality", "at"),
    ("monitoring", "sync_payloads", "at"),
    ("profiles", "trait_changes", "at"),
    ("profiles", "trait_history", "valid_from"),
    ("profiles", "trait_history", "valid_to"),
    ("staging", "*", "batch_id"),
)
# Which SQL made a row: each engine has its own.
ENGINES_OWN = (
    ("events", "event_profiles", "rules_version"),
    ("events", "int_event_models", "version"),
    ("identity", "*", "rules_version"),
    ("identity", "int_followed_profiles", "version"),
)
# What builds took differs with each of them.
MEASURED = frozenset(
    {
        ("staging", "stg_builds"),
        ("monitoring", "model_costs"),
        ("monitoring", "audience_costs"),
    }
)
_INTEGERS = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
}


@dataclass(frozen=True, kw_only=True)
class TableComparison:
    """One table of two databases, of which either may lack it (no rows then).

    `columns` says what differs in names and types. `differing` counts the rows that
    only one of the two has, `first` tells the first of them. `left_out` are columns
    that were not compared.
    """

    schema: str
    table: str
    rows: tuple[int | None, int | None]
    hashes: tuple[str | None, str | None]
    columns: tuple[str, ...] = ()
    differing: tuple[int, int] = (0, 0)
    first: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both have the table, with the same columns and rows."""
        return None not in self.rows and not self.columns and not any(self.differing)


def compare_builds(
    builds: Mapping[str, Path], keys: Keys, *, same_moment: bool
) -> Iterator[TableComparison]:
    """Compare the two database files of `builds`, called as its keys say.

    With `same_moment` both were built for the same now; else columns that tell when a
    table was built are left out.
    """
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = []
        for place, file in zip(("one", "other"), builds.values(), strict=True):
            connection.execute(f"attach {literal(str(file))} as {place} (read_only)")
            found.append(_tables(connection, place))
        one, other = found
        for name in sorted({*one, *other} - MEASURED):
            if name not in one or name not in other:
                yield _missing(connection, name, in_one=name in one)
            else:
                columns = ENGINES_OWN if same_moment else ENGINES_OWN + BUILD_TIMES
                left_out = _named(name, columns)
                comparison = _Comparison(
                    connection, tuple(builds), name, one[name], other[name], left_out
                )
                yield comparison.made(keys.of(name))


class _Comparison:
    """One table that both databases have."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        labels: tuple[str, ...],
        name: Name,
        one: dict[str, str],
        other: dict[str, str],
        left_out: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self._labels = labels
        self._name = name
        self._types = (one, other)
        self._left_out = tuple(column for column in left_out if column in one)
        self._columns = [
            column for column in one if column in other and column not in left_out
        ]

    def made(self, key: tuple[str, ...]) -> TableComparison:
        """The comparison; the first difference is told by the columns of `key`."""
        counted = [self._count(place) for place in ("one", "other")]
        rows = (counted[0][0], counted[1][0])
        hashes = (counted[0][1], counted[1][1])
        differing, first = (0, 0), None
        if counted[0] != counted[1]:
            differing, first = first_difference(
                self._connection,
                self._name,
                self._columns,
                tuple(column for column in key if column in self._columns),
                self._labels,
            )
        return TableComparison(
            schema=self._name[0],
            table=self._name[1],
            rows=rows,
            hashes=hashes,
            columns=tuple(self._differing_columns()),
            differing=differing,
            first=first,
            left_out=self._left_out,
        )

    def _count(self, place: str) -> tuple[int, str]:
        """How many rows there are, and a number made from all of them in any order."""
        self._connection.execute(f"use {place}")
        row = self._connection.execute(
            "select count(*), coalesce(sum(cast(md5_number_lower(row) as hugeint)), 0) "  # noqa: S608 - names of the catalog, quoted
            f"from (select cast(to_json({texts(self._columns)}) as varchar) as row "
            f"from {quoted(self._name[0])}.{quoted(self._name[1])})"
        ).fetchone()
        return (row[0], f"{row[1]:x}") if row else (0, "0")

    def _differing_columns(self) -> Iterator[str]:
        one, other = self._types
        for column in [*one, *(name for name in other if name not in one)]:
            for label, types in zip(self._labels, self._types, strict=True):
                if column not in types:
                    yield f"{column} is missing with {label}"
            if column in one and column in other:
                kinds = (_kind(one[column]), _kind(other[column]))
                if kinds[0] != kinds[1]:
                    told = zip(self._labels, (one, other), strict=True)
                    yield f"{column} is " + ", ".join(
                        f"{types[column]} with {label}" for label, types in told
                    )
        if set(one) == set(other) and list(one) != list(other):
            yield "the columns have another order"


def _tables(
    connection: duckdb.DuckDBPyConnection, place: str
) -> dict[Name, dict[str, str]]:
    """The tables and views of a database, with the types of their columns."""
    found: dict[Name, dict[str, str]] = {}
    for schema, table, column, type_ in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and not internal "
        "order by schema_name, table_name, column_index",
        [place],
    ).fetchall():
        found.setdefault((schema, table), {})[column] = type_
    return found


def _missing(
    connection: duckdb.DuckDBPyConnection, name: Name, *, in_one: bool
) -> TableComparison:
    connection.execute(f"use {'one' if in_one else 'other'}")
    (count,) = connection.execute(
        f"select count(*) from {quoted(name[0])}.{quoted(name[1])}"  # noqa: S608 - as above
    ).fetchall()[0]
    return TableComparison(
        schema=name[0],
        table=name[1],
        rows=(count, None) if in_one else (None, count),
        hashes=(None, None),
    )


def _named(name: Name, columns: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(
        column
        for schema, table, column in columns
        if schema == name[0] and table in ("*", name[1])
    )


def _kind(type_: str) -> Any:
    """A type as far as those who read its values can tell it from others.

    How large an integer may be does not count, nor how many digits a decimal has before
    its point. JSON is text: not every engine has another type for it.
    """
    if type_ == "JSON":
        return "VARCHAR"
    if type_.endswith("[]"):
        return [_kind(type_.removesuffix("[]"))]
    if type_ in _INTEGERS:
        return "INTEGER"
    if type_.startswith("DECIMAL("):
        scale = int(type_.removesuffix(")").rpartition(",")[2])
        return ("DECIMAL", scale) if scale else "INTEGER"
    return type_
