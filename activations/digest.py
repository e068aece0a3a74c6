"""Digests: of each key the facts of the sync log that still matter, in one file.

A plan reads a digest and what was logged since, instead of the whole log. Beside what
the destination took last stands the hash of the payload's row then: a row that hashes
the same needs no fingerprint. A digest is derived: one that is missing, hashed in
another way, or at odds with the log is not used, and the next run writes another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

import duckdb

from activations.payload import (
    Payload,
    check_keys,
    one,
    record_of,
    types_of,
    with_records,
)
from activations.sync import Sync
from profiles.sql_names import literal

WORTH_KEYS = 50_000
"""Of fewer keys the log itself is read as fast."""
STALE_SHARE = 0.05
"""Of the keys: the next digest is written when so many were logged since the last."""
_KEPT = 2
_FORMAT = 2
"""Another one for each change of what a digest holds: older ones are not used."""
_SUFFIX = ".digest.parquet"
_FACT = 'key, "at", operation, outcome, code, fingerprint, destination_ref, run_id'
# A fingerprint is 32 hexadecimal digits; as a number it is read in a third of the time.
_FINGERPRINT_TEXT = """
    create or replace temp macro sync_fingerprint_text(number) as
    replace(cast(number as varchar), '-', '')
"""
_NO_DIGEST = f"""
    select
        {_FACT.replace("fingerprint", "cast(null as uuid) as fingerprint")},
        true as is_settled,
        cast(null as ubigint) as row_hash,
        cast(null as bigint) as file_row_number
    from sync_log_schema
    where false
"""  # noqa: S608 - made of constants

Head = Mapping[str, str]
"""What a digest is of: target, hashing, the log's last time and number of rows."""


def find_digest(
    con: duckdb.DuckDBPyConnection, sync: Sync, log_dir: Path
) -> Path | None:
    """The latest digest, if it is of just what the log says up to its end."""
    for path in reversed(_digests(log_dir, sync.name)):
        head = _read_head(con, path)
        if head and head == _head(con, sync, until=_until(path)):
            return path
    return None


def read_states(
    con: duckdb.DuckDBPyConnection, sync: Sync, digest: Path | None
) -> None:
    """Make the view `sync_states`, what log and digest tell of each key.

    The digest alone tells it of the keys in `sync_settled`, by one fact of each.
    """
    source, until, touched = _NO_DIGEST, 0, "select key from sync_digest"
    if digest is not None:
        place = literal(str(digest))
        source = f"from read_parquet({place}, file_row_number = true)"
        until = _until(digest)
        touched = (
            "select key from sync_recent "
            "union select key from sync_digest where not is_settled"
        )
    _view(con, "sync_digest", source)
    _view(
        con,
        "sync_recent",
        f"""
        select {_FACT}
        from sync_log_rows as log
        where
            destination = {literal(sync.account.name)}
            and action = {literal(sync.target)}
            and log.at > make_timestamptz({until})
        """,  # noqa: S608 - names of the sync, quoted
    )
    con.execute(_FINGERPRINT_TEXT)
    con.execute(f"create or replace temp table sync_touched as {touched}")
    (touched_keys,) = one(con, "select count(*) from sync_touched")
    if digest is not None and touched_keys:
        con.execute(
            f"""
            create or replace temp table sync_touched_facts as
            from sync_recent
            union all
            select {_FACT.replace("fingerprint", "sync_fingerprint_text(fingerprint)")}
            from sync_digest
            semi join sync_touched using (key)
            """  # noqa: S608 - made of constants
        )
        _view(con, "sync_facts", "from sync_touched_facts")
        settled = "from sync_digest anti join sync_touched using (key)"
    else:
        _view(con, "sync_facts", "from sync_recent")
        settled = "from sync_digest"
    con.execute(f"create or replace temp table sync_unsettled as {_sql('states')}")
    _view(con, "sync_settled", settled)
    con.execute(
        "create or replace temp macro sync_settled_states(given_facts) as table "
        + _sql("settled")
    )
    _view(con, "sync_states", _with_unsettled("sync_settled"))


def last_logged_at(
    con: duckdb.DuckDBPyConnection, digest: Path | None
) -> datetime | None:
    """The time of the last fact of any target; what the digest knows is not read."""
    query = "select max(log.at) from sync_log_rows as log"
    if digest is not None:
        until = f"make_timestamptz({_until(digest)})"
        query = (
            f"select coalesce(max(log.at), {until}) "  # noqa: S608 - a number
            f"from sync_log_rows as log where log.at > {until}"
        )
    last: datetime | None
    (last,) = one(con, query)
    return last


def compare(
    con: duckdb.DuckDBPyConnection,
    sync: Sync,
    payload: Payload,
    *,
    digest: Path | None,
    resynced_at: datetime | None,
) -> None:
    """Make `sync_compared_payload` and `sync_compared_states`, to be compared by row.

    With a digest only what is not the same by the hash of its row is among them. Raises
    `PayloadError` where keys are missing or stand twice.
    """
    # A watermark leaves little to be compared, and most keys out of the payload.
    if digest is None or sync.watermark is not None:
        check_keys(con, sync)
        _view(con, "sync_compared_payload", "from sync_payload")
        _view(con, "sync_compared_states", "from sync_states")
        return
    since = "-infinity" if resynced_at is None else resynced_at.isoformat()
    _view(
        con,
        "sync_same",
        f"""
        select
            key,
            file_row_number as digest_row,
            operation <> 'delete' as is_held,
            -- What was deleted or is to be sent again is like no row.
            case
                when operation <> 'delete' and settled.at > timestamptz '{since}'
                    then row_hash
            end as row_hash
        from sync_settled as settled
        """,  # noqa: S608 - a time
    )
    con.execute(f"create or replace temp table sync_unlike as {_sql('unlike')}")
    if not _stand_once(con, payload):
        check_keys(con, sync)
    con.execute(
        "create or replace temp table sync_unlike_payload as "
        + with_records(types_of(con, sync), "from sync_unlike where is_in_payload")
    )
    con.execute(
        "create or replace temp table sync_unlike_settled as "
        "from sync_digest "
        "where file_row_number in (select digest_row from sync_unlike)"
    )
    _view(con, "sync_compared_payload", "from sync_unlike_payload")
    _view(con, "sync_compared_states", _with_unsettled("sync_unlike_settled"))


def _with_unsettled(settled: str) -> str:
    """The states of these settled keys, and of all others, as SQL."""
    return (
        "from sync_unsettled union all by name "
        f"from sync_settled_states({literal(settled)})"
    )


def _stand_once(con: duckdb.DuckDBPyConnection, payload: Payload) -> bool:
    """Whether every row of the payload has a key of its own, as counts tell it.

    Rows that are the same are as many as the keys that stay when the others are gone.
    """
    (same,) = one(con, "select count(*) from sync_same where is_held")
    rows, keys, nameless, same_keys = one(
        con,
        """
        select
            count(*) filter (is_in_payload),
            count(distinct key) filter (is_in_payload),
            count(*) filter (coalesce(trim(key), '') = ''),
            count(distinct digest_row) filter (is_held)
        from sync_unlike
        """,
    )
    is_same_once = payload.rows - rows == same - same_keys
    return bool(rows == keys and not nameless and is_same_once)


def write_digest(
    con: duckdb.DuckDBPyConnection,
    sync: Sync,
    log_dir: Path,
    digest: Path | None,
    *,
    stale_share: float = STALE_SHARE,
) -> None:
    """Write a digest after a run, where the present one tells too little of the log."""
    read_states(con, sync, digest)
    (keys,) = one(con, "select count(*) from sync_states")
    (others,) = one(con, "select count(*) from sync_unsettled")
    if not keys or (digest is not None and others <= stale_share * keys):
        return
    (until,) = one(con, "select epoch_us(max(log.at)) from sync_log_rows as log")
    head = _head(con, sync, until=until)
    path = log_dir / f"sync-{sync.name}.{until:020d}{_SUFFIX}"
    # Of one name, so that what a killed run has begun is written over.
    begun = log_dir / f"sync-{sync.name}.digest.begun"
    listed = ", ".join(f"{name}: {literal(value)}" for name, value in head.items())
    con.execute(
        f"copy ({_sql('digest')}) to {literal(str(begun))} "
        f"(format parquet, kv_metadata {{{listed}}})"
    )
    with begun.open("rb") as file:
        os.fsync(file.fileno())
    begun.rename(path)
    # Who plans at this moment still reads the one before.
    for old in _digests(log_dir, sync.name)[:-_KEPT]:
        old.unlink(missing_ok=True)


def _digests(log_dir: Path, sync: str) -> list[Path]:
    """The digests of a sync, the oldest first."""
    return sorted(log_dir.glob(f"sync-{sync}.*{_SUFFIX}"))


def _until(digest: Path) -> int:
    """The time of the last fact in it, in microseconds."""
    return int(digest.name.removesuffix(_SUFFIX).rpartition(".")[2])


def _read_head(con: duckdb.DuckDBPyConnection, digest: Path) -> Head:
    """What the digest says of itself; nothing where it cannot be read."""
    try:
        rows = con.execute(
            "select key, value from parquet_kv_metadata($path)", {"path": str(digest)}
        ).fetchall()
    except duckdb.Error:
        return {}
    return {key.decode(): value.decode() for key, value in rows}


def _head(con: duckdb.DuckDBPyConnection, sync: Sync, *, until: int) -> Head:
    # DuckDB does not promise that its `hash` stays the same in another version.
    hashing = f"{_FORMAT}\n{duckdb.__version__}\n{record_of(types_of(con, sync))}"
    (rows,) = one(
        con,
        "select count(*) from sync_log_rows as log "  # noqa: S608 - a number
        f"where log.at <= make_timestamptz({until})",
    )
    return {
        "destination": sync.account.name,
        "action": sync.target,
        "hashing": hashlib.sha256(hashing.encode()).hexdigest(),
        "rows": str(rows),
    }


def _view(con: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    con.execute(f"create or replace temp view {name} as {query}")


@cache
def _sql(name: str) -> str:
    return (Path(__file__).with_name("sql") / f"{name}.sql").read_text()
