"""Payloads: the rows of a sync model, read from the published database.

What is made here is temporary: the views `sync_source` (the rows of the model that are
looked at), `sync_rows` (key, fields, the hash of these, whether the row may be sent)
and `sync_payload` (with the record as JSON and its fingerprint instead), and the macro
`sync_left_record` (the record that a key is left with when its row leaves). `plan.sql`
reads them.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from activations.connectors import Row
from activations.errors import PayloadError
from activations.json_values import json_carrier, json_reader
from activations.sync import Sync, is_sent
from profiles.published import current_build
from profiles.sql_names import literal, quoted

_CHUNK = 2000
_ABOVE_ALL = ("infinity", "inf", "nan")
"""Of a watermark: no other one is higher."""
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


@dataclass(frozen=True)
class Payload:
    """What is known of a payload before it is compared.

    `types` are DuckDB's types of the columns that are sent. `left_out` rows lack
    consent; `missing_consent` are the columns of it that are not there. `watermark` is
    the highest one.
    """

    types: Mapping[str, str]
    rows: int
    left_out: int
    missing_consent: tuple[str, ...]
    watermark: str | None


def prepare(
    con: duckdb.DuckDBPyConnection, sync: Sync, *, since: str | None
) -> Payload:
    """Make the views of the payload, and what tells of rows that left.

    `since` is the watermark from which on rows are looked at; before it only those
    that the log knows and that have not arrived.
    """
    relation = _relation(sync)
    types = types_of(con, sync)
    for column in filter(None, (sync.key, sync.watermark)):
        if column not in types:
            raise PayloadError(
                f"{sync.name}: '{column}' is not a column of {sync.schema}."
                f"{sync.table}. Columns: {', '.join(types)}."
            )
    missing, allowed = _missing_consent(sync, types), _allowed(sync, types)
    sent = {name: kind for name, kind in types.items() if is_sent(name)}
    # Names of the model and its columns, quoted.
    looked_at = f"select * from {relation} where {_since(sync, types, since)}"  # noqa: S608
    con.execute(f"create or replace temp view sync_source as {looked_at}")
    con.execute("create or replace temp view sync_rows as " + _rows(sync, types))
    con.execute(
        "create or replace temp view sync_payload as "
        + with_records(types, "from sync_rows")
    )
    con.execute(f"create or replace temp macro sync_left_record(key) as {_left(sync)}")
    watermark = "null" if sync.watermark is None else quoted(sync.watermark)
    rows, allowed_rows, highest, unmarked = one(
        con,
        f"""
        select
            count(*),
            count(*) filter ({allowed}),
            cast(max({watermark}) as varchar),
            count(*) filter ({watermark} is null)
        from {relation}
        """,  # noqa: S608 - see above
    )
    if sync.watermark is not None and unmarked:
        raise PayloadError(
            f"{sync.name}: {unmarked:,} rows have no {sync.watermark}, so nobody could "
            "tell whether they were sent. Nothing was sent."
        )
    if sync.watermark is not None and highest in _ABOVE_ALL:
        raise PayloadError(
            f"{sync.name}: the highest {sync.watermark} is {highest}, so nothing that "
            "comes later would be sent. Nothing was sent."
        )
    return Payload(
        types=sent,
        rows=rows,
        left_out=rows - allowed_rows,
        missing_consent=missing,
        watermark=highest,
    )


def _missing_consent(sync: Sync, types: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in sync.consent if types.get(name) != "BOOLEAN")


def _allowed(sync: Sync, types: Mapping[str, str]) -> str:
    """Whether a row may be sent, as SQL.

    Where a column of consent is missing nothing goes out; what would, is counted as if
    all consented.
    """
    if _missing_consent(sync, types):
        return "true"
    columns = [f"coalesce({quoted(name)}, false)" for name in sync.consent]
    return " and ".join(columns) or "true"


def _rows(sync: Sync, types: Mapping[str, str]) -> str:
    """The rows that are looked at, as they are compared, as SQL."""
    sent = [quoted(name) for name in sorted(filter(is_sent, types))]
    fields = ", ".join(f"{name} := {name}" for name in sent)
    # Names of the model and its columns, quoted; values have no place here.
    return f"""
        select
            cast({quoted(sync.key)} as varchar) as key,
            struct_pack({fields}) as fields,
            hash({", ".join(sent)}) as row_hash,
            {_allowed(sync, types)} as is_allowed
        from sync_source
    """  # noqa: S608 - see above


def with_records(types: Mapping[str, str], rows: str) -> str:
    """These of the `sync_rows`, with record and fingerprint, as SQL."""
    return f"""
        select
            key,
            record,
            md5(record) as fingerprint,
            row_hash,
            is_allowed
        from (
            select
                *,
                {record_of(types, of="fields.")} as record
            {rows}
        )
    """  # noqa: S608 - names of columns, quoted


def _relation(sync: Sync) -> str:
    return f"{quoted(sync.schema)}.{quoted(sync.table)}"


def types_of(con: duckdb.DuckDBPyConnection, sync: Sync) -> dict[str, str]:
    """The columns of the model, with DuckDB's types."""
    try:
        described = con.execute(f"describe {_relation(sync)}").fetchall()
    except duckdb.CatalogException as error:
        raise PayloadError(
            f"{sync.name}: the published database has no table "
            f"{sync.schema}.{sync.table}. Run `./kith build`."
        ) from error
    return {str(column[0]): str(column[1]) for column in described}


def record_of(types: Mapping[str, str], *, of: str = "") -> str:
    """The record of a row as JSON, as SQL; its MD5 is the row's fingerprint.

    `types` are those of the model's columns, of which not all are sent; `of` is what
    stands before their names.
    """
    # In alphabetical order, so that moving a column in the model sends nothing.
    fields = ", ".join(
        f"{literal(name)}: {_ISO.get(types[name], '{}').format(of + quoted(name))}"
        for name in sorted(filter(is_sent, types))
    )
    return f"cast(to_json({{{fields}}}) as varchar)"


def _since(sync: Sync, types: Mapping[str, str], since: str | None) -> str:
    """The rows that are looked at, as a condition."""
    if sync.watermark is None or since is None:
        return "true"
    kind = types[sync.watermark]
    is_later = f"{quoted(sync.watermark)} >= cast({literal(since)} as {kind})"
    key = f"cast({quoted(sync.key)} as varchar)"
    return f"{is_later} or {key} in (select key from sync_states where not is_held)"  # noqa: S608 - names of the model, quoted


def _left(sync: Sync) -> str:
    """The record that a key is left with when its row leaves; null where it is none."""
    if sync.leave != "set":
        return "cast(null as varchar)"
    values = {name: _constant(value) for name, value in sync.leave_values.items()}
    fields = values | {sync.key: "key"}
    listed = ", ".join(f"{literal(name)}: {fields[name]}" for name in sorted(fields))
    return f"cast(to_json({{{listed}}}) as varchar)"


def _constant(value: Any) -> str:
    if isinstance(value, str):
        return literal(value)
    return json.dumps(value)  # numbers, true, false and null are SQL too


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
    con: duckdb.DuckDBPyConnection,
    sync: Sync,
    condition: str,
    values: Mapping[str, Any],
    *,
    limit: int | None = None,
    unread: bool = False,
) -> Generator[Row, None, None]:
    """The rows of `sync_changes` that fulfil `condition`, in the order of sending.

    Records are `unread` where they are only sent on, as the JSON that they are.
    """
    types = types_of(con, sync)
    read = (json_carrier if unread else json_reader)(types.values())
    order = """
        order by
            chosen.kind = 'left',
            chosen.failed_at nulls first,
            chosen.operation,
            chosen.key
    """
    cursor = con.execute(
        # `condition` is one of those written in plan.py.
        f"""
        with

        chosen as (

            select * from sync_changes as chosen
            where {condition}
            {"" if limit is None else f"{order} limit {limit}"}

        )

        select
            chosen.operation,
            chosen.key,
            chosen.fingerprint,
            case
                when chosen.kind <> 'left' then {record_of(types, of="payload.")}
                when chosen.operation = 'update' then sync_left_record(chosen.key)
            end,
            chosen.ref,
            sha256(cast(to_json([
                $sync,
                chosen.key,
                chosen.operation,
                chosen.fingerprint,
                chosen.since_run
            ]) as varchar)),
            coalesce(chosen.goes_alone, false)
        from chosen
        left join sync_source as payload
            on chosen.key = cast(payload.{quoted(sync.key)} as varchar)
        {order}
        """,  # noqa: S608 - see above
        {"sync": sync.name, **values},
    )
    while chunk := cursor.fetchmany(_CHUNK):
        for operation, key, fingerprint, text, ref, idempotency_key, alone in chunk:
            record = None if text is None else read(text)
            yield Row(operation, key, fingerprint, record, ref, idempotency_key, alone)


def one(con: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The one row of an aggregate."""
    row = first(con, query)
    assert row is not None, "an aggregate gives one row"  # noqa: S101 - tells mypy
    return row


def first(
    con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any] | None = None
) -> tuple[Any, ...] | None:
    """The first row, if there is any; leaves the connection free for other work."""
    rows = con.execute(query, dict(values or {})).fetchall()
    return rows[0] if rows else None
