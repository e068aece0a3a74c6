"""The SQL that merges staged rows. Every name is quoted, every value a staged text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from activations.connectors import Row
from activations.postgres.session import Connection
from activations.postgres.table import STAGED, Table

Statement = Literal["delete", "insert", "update", "upsert"]


@dataclass(frozen=True)
class Group:
    """Rows that one statement can merge, and where they stand in the temporary table.

    A row without a field that others have leaves the field as it is.
    """

    statement: Statement
    fields: tuple[str, ...]
    first: int
    rows: tuple[Row, ...]


def staged_column(number: int) -> sql.Identifier:
    """The temporary table's column of this number; the first is the key's."""
    return sql.Identifier(f"c{number}")


class Statements:
    """The statements of one group."""

    def __init__(
        self, table: Table, group: Group, names: dict[str, sql.Identifier]
    ) -> None:
        self._table = table
        self._kind = group.statement
        self._key = table.key.value(self._of_batch(names[table.key.name]))
        self._columns = [
            (column, self._of_batch(names[column.name]))
            for column in (table.columns[name] for name in group.fields)
        ]

    @staticmethod
    def _of_batch(name: sql.Identifier) -> sql.Composed:
        return sql.SQL("batch.{}").format(name)

    @property
    def missed(self) -> tuple[str, str]:
        """The code and the words for a row that the statement passed over."""
        if self._kind == "insert":
            return "exists", "The table has another row with this key."
        if self._kind == "update":
            return "not_found", "The table has no row with this key."
        return "not_written", "A trigger or a policy of the table kept the row away."

    def run(self, connection: Connection, first: int, last: int) -> set[int] | None:
        """Write the rows at these positions; those it passed over, or None where it
        passed over some that only halving finds."""
        between = sql.SQL("batch.position between {} and {}").format(
            sql.Literal(first), sql.Literal(last)
        )
        if self._kind == "delete":
            connection.execute(self._delete(between))
            return set()
        if self._kind == "update":
            return self._positions(connection, self._update(between), first, last)
        written = connection.execute(self._insert(between)).rowcount
        if written == last - first + 1:
            return set()
        if self._kind == "upsert":
            return None
        return self._positions(connection, self._same(between), first, last)

    @staticmethod
    def _positions(
        connection: Connection, query: sql.Composed, first: int, last: int
    ) -> set[int]:
        there = {position for (position,) in connection.execute(query).fetchall()}
        return set(range(first, last + 1)) - there

    def _delete(self, between: sql.Composed) -> sql.Composed:
        return sql.SQL(
            "delete from {} as target using {} as batch where target.{} = {} and {}"
        ).format(
            self._table.identifier,
            STAGED,
            self._table.key.identifier,
            self._key,
            between,
        )

    def _update(self, between: sql.Composed) -> sql.Composed:
        changes = [
            sql.SQL("{} = {}").format(column.identifier, column.value(staged))
            for column, staged in self._columns
            if column != self._table.key
        ] or [sql.SQL("{0} = target.{0}").format(self._table.key.identifier)]
        return sql.SQL(
            "update {} as target set {} from {} as batch "
            "where target.{} = {} and {} returning batch.position"
        ).format(
            self._table.identifier,
            sql.SQL(", ").join(changes),
            STAGED,
            self._table.key.identifier,
            self._key,
            between,
        )

    def _insert(self, between: sql.Composed) -> sql.Composed:
        columns = [column.identifier for column, _ in self._columns]
        values = [column.value(staged) for column, staged in self._columns]
        changes = [
            sql.SQL("{0} = excluded.{0}").format(column.identifier)
            for column, _ in self._columns
            if column != self._table.key or len(self._columns) == 1
        ]
        conflict = (
            sql.SQL("do nothing")
            if self._kind == "insert"
            else sql.SQL("do update set {}").format(sql.SQL(", ").join(changes))
        )
        return sql.SQL(
            "insert into {} ({}) select {} from {} as batch where {} "
            "order by batch.position on conflict ({}) {}"
        ).format(
            self._table.identifier,
            sql.SQL(", ").join(columns),
            sql.SQL(", ").join(values),
            STAGED,
            between,
            self._table.key.identifier,
            conflict,
        )

    def _same(self, between: sql.Composed) -> sql.Composed:
        """The rows that stand in the table exactly so: this sync's own, of a run that
        was killed before it could note them."""
        same = [
            sql.SQL(
                "cast(target.{} as text) is not distinct from cast({} as text)"
            ).format(column.identifier, column.value(staged, stored=True))
            for column, staged in self._columns
        ]
        return sql.SQL(
            "select batch.position from {} as batch "
            "inner join {} as target on target.{} = {} where {} and {}"
        ).format(
            STAGED,
            self._table.identifier,
            self._table.key.identifier,
            self._key,
            between,
            sql.SQL(" and ").join(same),
        )
