"""Frequency caps, once more: what a plan must not send so that none is passed.

A build leaves out of a sync whom its caps leave no contact. Until the rows go out other
syncs of the same cap may have sent theirs, of the same build or of one before, so a
plan counts again: by the sync log as it is now, and by what runs that were killed have
noted. Between its plan and its end a run has each of its caps to itself.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import duckdb

from activations.errors import SyncRunning
from activations.facts import fact_files, view_facts
from activations.journal import read_journals
from activations.leases import LEASE_SECONDS, Lease, hold_lease
from activations.payload import one
from collector.datasets import SYNC_LOG
from collector.object_storage import RawPlace

_CAPS_SQL = Path(__file__).with_name("sql") / "caps.sql"
_LOOK_SECONDS = 0.5


def leave_out_capped(
    con: duckdb.DuckDBPyConnection, sync: str, raw: RawPlace, log_dir: Path
) -> int:
    """Mark the rows of `sync_changes` that would pass a cap; how many these are.

    Reads the log of other syncs: to be called where facts are being read.
    """
    caps = _caps_of(con, sync)
    if not caps:
        return 0
    syncs = [
        name
        for (name,) in con.execute(
            "select distinct sync from audiences.capped_syncs "
            "where list_contains($caps, cap) order by all",
            {"caps": caps},
        ).fetchall()
    ]
    # Before the files: what lands meanwhile is counted twice rather than never.
    journals = [told for name in syncs for told in read_journals(log_dir, name)]
    files = [file for name in syncs for file in fact_files(raw, SYNC_LOG, name)]
    view_facts(con, SYNC_LOG, files, journals, name="sync_contacts")
    con.execute(
        f"create or replace temp table sync_capped as {_CAPS_SQL.read_text()}",
        {"sync": sync, "caps": caps},
    )
    con.execute(
        "update sync_changes set verdict = 'capped' where key in (from sync_capped)"
    )
    (capped,) = one(con, "select count(*) from sync_capped")
    return int(capped)


@contextlib.contextmanager
def caps_to_itself(
    con: duckdb.DuckDBPyConnection,
    sync: str,
    log_dir: Path,
    *,
    seconds: float = LEASE_SECONDS,
) -> Iterator[list[Lease]]:
    """Hold all caps of a sync, waiting for other syncs that hold one of them."""
    leases: list[Lease] = []
    with contextlib.ExitStack() as held:
        for cap in _caps_of(con, sync):
            name = f"cap-{quote(cap, safe='')}"
            while True:
                try:
                    lease = hold_lease(log_dir, name, seconds=seconds)
                    leases.append(held.enter_context(lease))
                    break
                except SyncRunning:
                    time.sleep(_LOOK_SECONDS)
        yield leases


def _caps_of(con: duckdb.DuckDBPyConnection, sync: str) -> list[str]:
    """The names of a sync's caps, in the one order in which all syncs take them."""
    try:
        rows = con.execute(
            "select distinct cap from audiences.capped_syncs "
            "where sync = $sync order by all",
            {"sync": sync},
        ).fetchall()
    except duckdb.CatalogException:
        return []  # rows that come from elsewhere, or a build that knew no caps
    return [cap for (cap,) in rows]
