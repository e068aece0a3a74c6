"""Keeps the rows of a Postgres table equal to a sync.

A batch is one transaction, so a run that is killed has written all of it or nothing;
written again, it changes nothing. The sync's columns are the table's, by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

from activations.attempts import SHORT, persist
from activations.connectors import Batch, Outcome
from activations.postgres.merging import merge
from activations.postgres.session import begin, connect, explained
from activations.postgres.table import read_table
from activations.retries import Retry


def deliver(
    batch: Batch, settings: Mapping[str, Any], *, retry: Retry = SHORT
) -> Iterator[Outcome]:
    """Merge the rows into the table; the outcomes are told once it has committed."""
    yield from persist(lambda: _deliver(batch, settings), retry=retry)


def check(
    settings: Mapping[str, Any], private_network: bool, *, retry: Retry = SHORT
) -> None:
    """Connect, which proves the credential and the server's name."""
    persist(
        lambda: connect(settings, private_network=private_network).close(), retry=retry
    )


def _deliver(batch: Batch, settings: Mapping[str, Any]) -> list[Outcome]:
    try:
        with connect(settings, private_network=batch.private_network) as connection:
            begin(connection)
            fields = {name for row in batch.rows for name in row.record or ()}
            table = read_table(
                connection,
                schema=str(batch.options["schema"]),
                table=str(batch.options["table"]),
                key=batch.key,
                fields=fields,
            )
            return merge(connection, table, batch)
    except psycopg.Error as error:
        raise explained(error) from None
