"""Merges a batch into a table, in one transaction, with an outcome for each row.

The rows are copied as text into a temporary table and merged from there, as many at a
time as have the same operation and fields. Where the server refuses a value, the rows
are halved until the culprit is alone; savepoints keep what was merged before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import psycopg
from psycopg import sql

from activations.connectors import Batch, Outcome, Row
from activations.errors import RecordRejected
from activations.postgres.session import Connection, describe, is_of_a_record
from activations.postgres.statements import Group, Statement, Statements, staged_column
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
        outcomes += _merge_rows(connection, statements, group, 0, len(group.rows))
    return outcomes


def _kind(row: Row, batch: Batch) -> Statement:
    if row.record is None:
        return "delete"
    if batch.mode in ("insert", "append"):
        return "insert"
    # Half a record can change a row, not make one.
    if batch.mode == "update" or len(row.record) < len(batch.columns):
        return "update"
    return "upsert"


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


def _merge_rows(
    connection: Connection, statements: Statements, group: Group, start: int, end: int
) -> list[Outcome]:
    rows = group.rows[start:end]
    first, last = group.first + start, group.first + end - 1
    try:
        with connection.transaction():
            missed = statements.run(connection, first, last)
            if missed is None and len(rows) > 1:
                raise _HalveThem
    except (psycopg.Error, _HalveThem) as error:
        if isinstance(error, psycopg.Error):
            if not is_of_a_record(error):
                raise
            if len(rows) == 1:
                code, message = error.sqlstate, describe(error)
                return [Outcome(rows[0], "rejected", code, message, attempts=1)]
        middle = (start + end) // 2
        return [
            *_merge_rows(connection, statements, group, start, middle),
            *_merge_rows(connection, statements, group, middle, end),
        ]
    if missed is None:
        missed = {first}
    code, message = statements.missed
    return [
        Outcome(row, "rejected", code, message, attempts=1)
        if position in missed
        else Outcome(row, "succeeded", attempts=1)
        for position, row in enumerate(rows, first)
    ]


class _HalveThem(Exception):
    """Some of the rows were not written, and only halving tells which."""
