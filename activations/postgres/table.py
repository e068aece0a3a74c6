"""The table that a sync keeps: its columns, their types, and how values reach them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from activations.errors import DestinationRefused, RecordRejected
from activations.json_values import json_text
from activations.postgres.session import Connection

STAGED = sql.Identifier("pg_temp", "kith_batch")
"""Where a batch waits for its merge, as text."""

_COLUMNS = """
    select
        attribute.attname,
        attribute.attnum,
        format_type(attribute.atttypid, -1),
        format_type(attribute.atttypid, attribute.atttypmod),
        type.typcategory,
        coalesce(base.typname, type.typname)
    from pg_catalog.pg_attribute as attribute
    inner join pg_catalog.pg_type as type on attribute.atttypid = type.oid
    left join pg_catalog.pg_type as base on type.typbasetype = base.oid
    where
        attribute.attrelid = %(table)s
        and attribute.attnum > 0
        and not attribute.attisdropped
    order by attribute.attnum
"""
_IS_UNIQUE = """
    select exists (
        select from pg_catalog.pg_index
        where
            indrelid = %(table)s
            and indisunique
            and indisvalid
            and indpred is null
            and indexprs is null
            and indnkeyatts = 1
            and indkey[0] = %(column)s
    )
"""


@dataclass(frozen=True)
class Column:
    """A column: its type without a length, and the type as it is stored.

    A cast to a type with a length would cut texts; an assignment refuses them.
    """

    name: str
    type: str
    stored_type: str
    is_array: bool
    is_json: bool
    is_integer: bool

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)

    def text(self, value: Any) -> str | None:
        """The value as the text that the column's type reads."""
        if value is None:
            return None
        if self.is_json or isinstance(value, dict | list):
            return json_text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if self.is_integer and isinstance(value, float) and value.is_integer():
            return str(int(value))
        text = str(value)
        if "\0" in text:
            raise RecordRejected(
                f"'{self.name}' contains a NUL character, which Postgres cannot hold."
            )
        return text

    def value(self, staged: sql.Composable, *, stored: bool = False) -> sql.Composed:
        """The SQL that makes the column's value of the staged text."""
        target = sql.SQL(self.stored_type if stored else self.type)
        if not self.is_array:
            return sql.SQL("cast({} as {})").format(staged, target)
        return sql.SQL(
            "case when {0} is not null then cast(array("
            "select e.value from jsonb_array_elements_text(cast({0} as jsonb)) "
            "with ordinality as e (value, place) order by e.place"
            ") as {1}) end"
        ).format(staged, target)


@dataclass(frozen=True)
class Table:
    """A table of the destination, and its column that the sync finds rows by."""

    identifier: sql.Identifier
    columns: Mapping[str, Column]
    key: Column


def read_table(
    connection: Connection, *, schema: str, table: str, key: str, fields: Iterable[str]
) -> Table:
    """The table with what a merge needs to know; refuses one that it cannot keep."""
    name = f"{schema}.{table}"
    identifier = sql.Identifier(schema, table)
    oid = connection.execute(
        "select cast(to_regclass(%s) as oid)", [identifier.as_string(connection)]
    ).fetchall()[0][0]
    if oid is None:
        raise DestinationRefused(
            f"There is no table {name}, or the user may not see it. Create it, with a "
            f"unique '{key}'."
        )
    found = connection.execute(_COLUMNS, {"table": oid}).fetchall()
    columns = {
        column: Column(
            name=column,
            type=plain,
            stored_type=stored,
            is_array=category == "A",
            is_json=base in ("json", "jsonb"),
            is_integer=base in ("int2", "int4", "int8"),
        )
        for column, _, plain, stored, category, base in found
    }
    if unknown := sorted({key, *fields} - columns.keys()):
        raise DestinationRefused(
            f"{name} has no column {', '.join(repr(column) for column in unknown)}. "
            f"Columns: {', '.join(columns)}."
        )
    number = next(number for column, number, *_ in found if column == key)
    if not connection.execute(_IS_UNIQUE, {"table": oid, "column": number}).fetchall()[
        0
    ][0]:
        raise DestinationRefused(
            f"{name}: '{key}' alone is not unique, so a row could stand there twice. "
            f"Run: create unique index on {identifier.as_string(connection)} "
            f"({sql.Identifier(key).as_string(connection)})"
        )
    return Table(identifier=identifier, columns=columns, key=columns[key])
