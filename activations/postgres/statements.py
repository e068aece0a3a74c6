"""The SQL that merges staged rows. Every name is quoted, every value a staged text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from activations.connectors import Row
from activations.postgres.session import OF_A_RECORD
from activations.postgres.table import STAGED, Table

REFUSED = sql.Identifier("pg_temp", "kith_refused")
"""Where the server notes the rows that it does not take."""

_ONE_BY_ONE = """
    declare
        kith_position integer;
        kith_written bigint;
        kith_code text;
        kith_message text;
    begin
        for kith_position in
            select batch.position from {staged} as batch
            where batch.position between {first} and {last}
            order by batch.position
        loop
            begin
                {write};
                get diagnostics kith_written = row_count;
                if kith_written = 0 and not {may_miss} then
                    insert into {refused} values (kith_position, null, null);
                end if;
            exception when others then
                get stacked diagnostics
                    kith_code = returned_sqlstate,
                    kith_message = message_text;
                if left(kith_code, 2) <> all ({of_a_record}) then
                    raise;
                end if;
                insert into {refused} values (kith_position, kith_code, kith_message);
            end;
        end loop;
    end
"""

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

    def write(self, which: sql.Composable) -> sql.Composed:
        """What writes the staged rows of a condition on `batch`."""
        if self._kind == "delete":
            return self._delete(which)
        return self._update(which) if self._kind == "update" else self._insert(which)

    def one_by_one(self, first: int, last: int) -> sql.Composed:
        """What writes the rows at these positions each for itself, on the server, and
        notes in `REFUSED` those that it refuses or passes over."""
        body = sql.SQL(_ONE_BY_ONE).format(
            staged=STAGED,
            refused=REFUSED,
            first=sql.Literal(first),
            last=sql.Literal(last),
            write=self.write(sql.SQL("batch.position = kith_position")),
            may_miss=sql.Literal(self._kind == "delete"),
            of_a_record=sql.Literal(list(OF_A_RECORD)),
        )
        return sql.SQL("do {}").format(sql.Literal(body.as_string()))

    def _delete(self, which: sql.Composable) -> sql.Composed:
        return sql.SQL(
            "delete from {} as target using {} as batch where target.{} = {} and {}"
        ).format(
            self._table.identifier,
            STAGED,
            self._table.key.identifier,
            self._key,
            which,
        )

    def _update(self, which: sql.Composable) -> sql.Composed:
        changes = [
            sql.SQL("{} = {}").format(column.identifier, column.value(staged))
            for column, staged in self._columns
            if column != self._table.key
        ] or [sql.SQL("{0} = target.{0}").format(self._table.key.identifier)]
        return sql.SQL(
            "update {} as target set {} from {} as batch where target.{} = {} and {}"
        ).format(
            self._table.identifier,
            sql.SQL(", ").join(changes),
            STAGED,
            self._table.key.identifier,
            self._key,
            which,
        )

    def _insert(self, which: sql.Composable) -> sql.Composed:
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
            which,
            self._table.key.identifier,
            conflict,
        )

    def same(self) -> sql.Composed:
        """What finds, of the rows that were passed over, those that stand in the table
        exactly so: this sync's own, of a run that was killed before it noted them."""
        same = [
            sql.SQL(
                "cast(target.{} as text) is not distinct from cast({} as text)"
            ).format(column.identifier, column.value(staged, stored=True))
            for column, staged in self._columns
        ]
        # Only of these rows it is known that their values are possible.
        return sql.SQL(
            "with batch as materialized ("
            "select staged.* from {} as staged "
            "inner join {} as refused on staged.position = refused.position "
            "where refused.code is null"
            ") select batch.position from batch "
            "inner join {} as target on target.{} = {} where {}"
        ).format(
            STAGED,
            REFUSED,
            self._table.identifier,
            self._table.key.identifier,
            self._key,
            sql.SQL(" and ").join(same),
        )
