"""Merges a batch into a table, in one transaction, with an outcome for each row.

The rows are copied as text into a temporary table and merged from there, as many at a
time as have the same operation and fields. Where the server does not take all of them,
it merges them one by one, and tells which it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import psycopg
from psycopg import sql

from activations.connectors import Batch, Outcome, Row
from activations.errors import RecordRejected
from activations.postgres.session import Connection, is_of_a_record
from activations.postgres.statements import (
    REFUSED,
    Group,
    Statement,
    Statements,
    staged_column,
)
from activations.postgres.table import STAGED, Column, Table


def merge(connection: Connection, table: Table, batch: Batch) -> list[Outcome]:
    """Merge the batch; nothing of it stays unless the caller commits."""
    fields = sorted({name for row in batch.rows for name in row.record or ()})
    columns = [table.columns[name] for name in fields if name != table.key.name]
    staged, outcomes = _stage(connection, table, columns, batch)
    names = {
        column.name: staged_column(place) for place, column in enumerate(columns, 1)
    }
    names[table.key.name] = staged_column(0)
    for group in _groups(staged, batch):
        statements = Statements(table, group, names)
        outcomes += _merge_group(connection, statements, group)
    return outcomes


def _kind(row: Row, batch: Batch) -> Statement:
    if row.record is None:
        return "delete"
    # Half a record can change a row, not make one.
    if batch.mode == "update" or len(row.record) < len(batch.columns):
        return "update"
    return "insert" if batch.mode in ("insert", "append") else "upsert"


def _by_group(row: Row, batch: Batch) -> tuple[Statement, tuple[str, ...]]:
    return _kind(row, batch), tuple(sorted(row.record or ()))


def _groups(rows: Sequence[Row], batch: Batch) -> Iterator[Group]:
    first = 0
    for (statement, fields), found in groupby(rows, key=lambda r: _by_group(r, batch)):
        members = tuple(found)
        yield Group(statement, fields, first, members)
        first += len(members)


def _stage(
    connection: Connection, table: Table, columns: Sequence[Column], batch: Batch
) -> tuple[list[Row], list[Outcome]]:
    """Copy the rows to the temporary table, ordered by group; the rows that are there,
    and the outcomes of those that cannot be."""
    definitions = [
        sql.SQL("{} text").format(staged_column(n)) for n in range(len(columns) + 1)
    ]
    connection.execute(
        sql.SQL(
            "create temporary table kith_batch (position integer primary key, {}) "
            "on commit drop"
        ).format(sql.SQL(", ").join(definitions))
    )
    connection.execute(
        "create temporary table kith_refused "
        "(position integer, code text, message text) on commit drop"
    )
    # Immediate constraints refuse the row at fault; deferred ones, the transaction.
    connection.execute("set constraints all immediate")
    staged: list[Row] = []
    rejected: list[Outcome] = []
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("copy {} from stdin").format(STAGED)) as copy,
    ):
        for row in sorted(batch.rows, key=lambda row: _by_group(row, batch)):
            record = row.record or {}
            try:
                texts = [column.text(record.get(column.name)) for column in columns]
                key = table.key.text(row.key)
            except RecordRejected as error:
                rejected.append(Outcome(row, "rejected", "not_sendable", str(error)))
                continue
            copy.write_row((len(staged), key, *texts))
            staged.append(row)
    connection.execute(sql.SQL("analyze {}").format(STAGED))
    return staged, rejected


def _merge_group(
    connection: Connection, statements: Statements, group: Group
) -> list[Outcome]:
    """Merge rows all at once, or one by one where the server does not take them all."""
    first, last = group.first, group.first + len(group.rows) - 1
    together = sql.SQL("batch.position between {} and {}").format(first, last)
    refused: dict[int, tuple[str, str]] = {}
    try:
        with connection.transaction():
            written = connection.execute(statements.write(together)).rowcount
            if written < len(group.rows) and group.statement != "delete":
                raise _SomeWereMissed
    except (psycopg.Error, _SomeWereMissed) as error:
        if isinstance(error, psycopg.Error) and not is_of_a_record(error):
            raise
        connection.execute(statements.one_by_one(first, last))
        refused = _refused(connection, statements, group)
    return [
        Outcome(row, "rejected", *refused[position], attempts=1)
        if position in refused
        else Outcome(row, "succeeded", attempts=1)
        for position, row in enumerate(group.rows, first)
    ]


class _SomeWereMissed(Exception):
    """Fewer rows were written than there are, and the server does not say which."""


def _refused(
    connection: Connection, statements: Statements, group: Group
) -> dict[int, tuple[str, str]]:
    """Why rows are not as they shall be, by position."""
    told = connection.execute(sql.SQL("select * from {}").format(REFUSED)).fetchall()
    refused = {
        position: statements.missed if code is None else (code, message)
        for position, code, message in told
    }
    if group.statement == "insert":
        for (position,) in connection.execute(statements.same()).fetchall():
            refused.pop(position, None)
    connection.execute(sql.SQL("truncate {}").format(REFUSED))
    return refused
