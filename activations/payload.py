"""Payloads: the rows of a sync model, read from the published database.

The views and the table made here are temporary: `sync_payload` (key, record as JSON,
fingerprint), `sync_log_rows` (the log of the sync) and what `plan.sql` makes of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from activations.connectors import Row
from activations.errors import PayloadError
from activations.syncs import Sync
from collector.datasets import SYNC_LOG
from profiles.published import current_build
from profiles.sql_names import literal, quoted

_CHUNK = 2000
# ISO 8601 with the zone, as destinations read it; DuckDB's own text is another.
_ISO = {
    "TIMESTAMP WITH TIME ZONE": (
        "strftime(timezone('UTC', {}), '%Y-%m-%dT%H:%M:%S.%fZ')"
    ),
    "TIMESTAMP": "strftime({}, '%Y-%m-%dT%H:%M:%S.%f')",
}


def open_published(published_dir: Path) -> duckdb.DuckDBPyConnection:
    """A connection that sees the published database and can read the sync log too."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    build = str(current_build(published_dir)).replace("'", "''")
    con.execute(f"attach '{build}' as published (read_only)")
    con.execute("use published")
    return con


def prepare(
    con: duckdb.DuckDBPyConnection, sync: Sync, files: list[str]
) -> dict[str, str]:
    """Make the views that plan.sql reads; the payload's columns and their types."""
    relation = f"{quoted(sync.schema)}.{quoted(sync.table)}"
    try:
        described = con.execute(f"describe {relation}").fetchall()
    except duckdb.CatalogException as error:
        raise PayloadError(
            f"{sync.name}: the published database has no table "
            f"{sync.schema}.{sync.table}. Run `./kith build`."
        ) from error
    types = {str(column[0]): str(column[1]) for column in described}
    if sync.key not in types:
        raise PayloadError(
            f"{sync.name}: the key '{sync.key}' is not a column of {sync.schema}."
            f"{sync.table}. Columns: {', '.join(types)}."
        )
    # In alphabetical order, so that moving a column in the model sends nothing.
    fields = ", ".join(
        f"{literal(name)}: {_ISO.get(types[name], '{}').format(quoted(name))}"
        for name in sorted(types)
    )
    con.execute(
        # Names of the model and its columns, quoted; values have no place here.
        f"""
        create or replace temp view sync_payload as
        select key, record, md5(record) as fingerprint
        from (
            select
                cast({quoted(sync.key)} as varchar) as key,
                cast(to_json({{{fields}}}) as varchar) as record
            from {relation}
        )
        """  # noqa: S608 - see above
    )
    source = "sync_log_schema"
    if files:
        listed = ", ".join(literal(file) for file in files)
        source = f"read_parquet([{listed}], hive_partitioning = false)"
    else:
        con.register("sync_log_schema", SYNC_LOG.schema.empty_table())
    con.execute(
        # Paths below the data directory, quoted.
        f"create or replace temp view sync_log_rows as select * from {source}"  # noqa: S608 - see above
    )
    return types


def check_keys(con: duckdb.DuckDBPyConnection, sync: Sync) -> None:
    """Every row needs a key, and each key has one row: else nothing may be sent."""
    (empty,) = one(
        con, "select count(*) from sync_payload where coalesce(trim(key), '') = ''"
    )
    repeated = con.execute(
        "select key, count(*) from sync_payload where key is not null "
        "group by key having count(*) > 1 order by key limit 10"
    ).fetchall()
    problems = []
    if empty:
        problems.append(f"{sync.name}: {empty:,} rows have no {sync.key} (NULL_KEY).")
    if repeated:
        samples = ", ".join(f"{key} ({count} rows)" for key, count in repeated)
        problems.append(
            f"{sync.name}: {sync.key} does not stand for one row each "
            f"(NON_UNIQUE_PRIMARY_KEY): {samples}."
        )
    if problems:
        raise PayloadError("\n".join([*problems, "Nothing was sent."]))


def planned_rows(
    con: duckdb.DuckDBPyConnection, sync: Sync, chosen: str, values: Mapping[str, Any]
) -> Generator[Row, None, None]:
    """The rows of `sync_changes` that `chosen` picks, in the order of sending."""
    cursor = con.execute(
        # `chosen` is one of the conditions written in plan.py.
        f"""
        select
            changes.operation,
            changes.key,
            changes.fingerprint,
            payload.record,
            changes.ref,
            changes.since_run,
            changes.failed_at is not null
        from sync_changes as changes
        left join sync_payload as payload on changes.key = payload.key
        where {chosen}
        order by
            changes.operation = 'delete',
            changes.failed_at nulls first,
            changes.operation,
            changes.key
        """,  # noqa: S608 - see above
        dict(values),
    )
    while chunk := cursor.fetchmany(_CHUNK):
        for operation, key, fingerprint, record, ref, since_run, is_retry in chunk:
            yield Row(
                operation=operation,
                key=key,
                fingerprint=fingerprint,
                record=None if record is None else json.loads(record),
                ref=ref,
                idempotency_key=_sha256(
                    sync.name, key, operation, fingerprint, since_run
                ),
                is_retry=is_retry,
            )


def _sha256(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def one(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The one row of an aggregate."""
    row = con.execute(query).fetchone()
    assert row is not None, "an aggregate gives one row"  # noqa: S101 - tells mypy
    return row
