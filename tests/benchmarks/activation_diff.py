"""Diffs of `kith bench activations`: what has changed since the last run.

A payload of 20 columns of which one row in a hundred has changed, and a sync log that
tells of every row as it was. `stored hash` is the least that can be done: DuckDB's
`hash` of the payload's columns, joined with keys and hashes that stand in a table.
`kith` is a plan: from the Parquet of the sync log and its digest, with guards and the
check of keys; `kith, whole log` is the first one, which has no digest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from tests.benchmarks.resources import Stretch

Row = dict[str, Any]
TABLE = "syncs.acct__people"
_WRITE = "write"
_COLUMNS = """
    'p' || n || '@example.com' as email, n as customer_id,
    'First ' || n % 5000 as first_name, 'Last ' || n % 90000 as last_name,
    '+1415' || (5000000 + n % 4999999) as phone, 'city ' || n % 3000 as city,
    ['DE', 'FR', 'US', 'GB', 'ES'][1 + n % 5] as country, n % 7 = 0 as is_vip,
    n % 3 = 0 as has_consent, n % 400 as order_count, n % 9000 / 8 as lifetime_value,
    n % 365 as days_since_order, n % 11 as visits, 'note ' || n % 777 as note,
    timestamp '2025-01-01' + to_seconds(n % 9999999) as seen_at,
    date '2024-01-01' + cast(n % 700 as integer) as signed_up_on,
    'plan ' || n % 4 as plan, n % 100 / 8 as score, 'tag ' || n % 50 as tag,
    md5(cast(n % 100000 as varchar)) as token
"""


def write_payload(database: Path, scratch: Path, rows: int) -> None:
    """Payload, log and hashes of what was sent; then one row in 100 changes."""
    with duckdb.connect(database) as connection:
        connection.execute("create schema syncs")
        connection.execute(
            f"create table {TABLE} as select {_COLUMNS} from range({rows}) as r(n)"  # noqa: S608 - made of constants
        )
        _store_hashes(connection)
        _write_log(connection, scratch)
        _write_digest(connection, scratch)
        connection.execute(
            f"update {TABLE} set visits = visits + 100 where customer_id % 100 = 0"  # noqa: S608 - a constant
        )


def _store_hashes(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"create table stored as select email as key, {_hash(connection)} as hash from {TABLE}"  # noqa: S608, E501 - made of constants
    )


def _hash(connection: duckdb.DuckDBPyConnection) -> str:
    columns = connection.execute(f"describe {TABLE}").fetchall()
    return f"hash({', '.join(str(column[0]) for column in columns)})"


def _write_log(connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    """The sync log of one run in which everything was inserted."""
    from activations.payload import prepare

    sync = _sync(scratch)
    prepare(connection, sync, since=None)
    directory = scratch / "raw" / "sync_log" / f"sync={sync.name}" / "dt=2026-11-01"
    directory.mkdir(parents=True)
    connection.execute(
        f"""
        copy (
            select
                '{sync.name}' as sync,
                'run' as run_id,
                timestamptz '2026-11-01' + to_microseconds(row_number() over ()) as at,
                key,
                'insert' as operation,
                'succeeded' as outcome,
                fingerprint,
                '{sync.account.name}' as destination,
                '{sync.target}' as action,
                '200' as code,
                cast(null as varchar) as message,
                cast(null as varchar) as destination_ref,
                cast(1 as integer) as attempts,
                cast(12.5 as double) as request_ms
            from sync_payload
        ) to '{directory}/run.parquet' (format parquet, compression zstd)
        """  # noqa: S608 - names of the benchmark's own sync
    )


def _write_digest(connection: duckdb.DuckDBPyConnection, scratch: Path) -> None:
    """What such a run leaves for the next plan."""
    from activations.digest import write_digest
    from activations.facts import facts_of
    from activations.plan import make_plan

    sync, log_dir = _sync(scratch), scratch / "log"
    log_dir.mkdir()
    plan = make_plan(sync, data_dir=scratch, con=connection)
    with facts_of(connection, scratch / "raw", sync.name):
        write_digest(connection, sync, log_dir, plan.digest)


def stored_hash(database: Path, scratch: Path) -> Row:
    """The join alone; how many rows are new, changed and gone."""
    with duckdb.connect(database, read_only=True) as connection:
        hashes = f"select email as key, {_hash(connection)} as hash from {TABLE}"  # noqa: S608 - made of constants
        stretch = Stretch()
        (counts,) = connection.execute(
            f"""
            select
                count(*) filter (stored.key is null),
                count(*) filter (stored.hash <> payload.hash),
                count(*) filter (payload.key is null)
            from ({hashes}) as payload
            full join stored on payload.key = stored.key
            """  # noqa: S608 - made of constants
        ).fetchall()
        return {"changed": sum(counts), **asdict(stretch.end())}


def kith(database: Path, scratch: Path, *, has_digest: bool = True) -> Row:
    """A plan."""
    from activations.plan import make_plan

    sync = _sync(scratch)
    with duckdb.connect(database, read_only=True) as connection:
        stretch = Stretch()
        plan = make_plan(sync, data_dir=scratch, con=connection)
        used = stretch.end()
    assert (plan.digest is not None) == has_digest
    return {"changed": plan.planned + sum(plan.held.values()), **asdict(used)}


def kith_whole_log(database: Path, scratch: Path) -> Row:
    """A plan where no run has left a digest."""
    digests, aside = scratch / "log", scratch / "aside"
    digests.rename(aside)
    try:
        return kith(database, scratch, has_digest=False)
    finally:
        aside.rename(digests)


PROGRAMS: dict[str, Callable[[Path, Path], Row]] = {
    "stored hash": stored_hash,
    "kith": kith,
    "kith, whole log": kith_whole_log,
}


def prepare_payload(database: Path, scratch: Path, rows: int) -> None:
    """Write it in a process of its own: its memory is not that of what is measured."""
    command = [sys.executable, "-m", "tests.benchmarks.activation_diff"]
    subprocess.run(
        [*command, _WRITE, str(database), str(scratch), str(rows)], check=True
    )


def measure(program: str, database: Path, scratch: Path) -> Row:
    """Run one program in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.activation_diff"]
    told = subprocess.run(
        [*command, program, str(database), str(scratch)],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    return {"program": program, **json.loads(told)}


def _sync(scratch: Path) -> Any:
    from tests.activations.bench import bench

    settings = {"url": "http://127.0.0.1:9999"}
    return bench(scratch, "webhook", settings, action="rows").sync


if __name__ == "__main__":
    _, name, database, scratch, *rest = sys.argv
    if name == _WRITE:
        write_payload(Path(database), Path(scratch), int(rest[0]))
    else:
        told = PROGRAMS[name](Path(database), Path(scratch))
        sys.stdout.write(json.dumps(told) + "\n")
