"""Frequency caps, once more: what a plan must not send so that none is passed.

A build leaves out of a sync whom its caps leave no contact. Until the rows go out other
syncs of the same cap may have sent theirs, of the same build or of one before, so a
plan counts again: by the sync log as it is now, and by what runs that were killed have
noted. Between its plan and its end a run has each of its caps to itself.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import duckdb

from activations.errors import CapHeld, SyncRunning
from activations.facts import fact_files, view_facts
from activations.journal import read_journals
from activations.leases import LEASE_SECONDS, Lease, hold_lease
from activations.payload import one
from activations.retries import Retry
from collector.datasets import SYNC_LOG
from collector.object_storage import RawPlace

_CAPS_SQL = Path(__file__).with_name("sql") / "caps.sql"
_LOOK_SECONDS = 0.5
_LOGGER = logging.getLogger(__name__)


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
    within: float = Retry.seconds,
) -> Iterator[list[Lease]]:
    """Hold all caps of a sync, waiting for other syncs that hold one of them.

    Raises `CapHeld` when it has waited for longer than `within` seconds in all.
    """
    give_up = time.monotonic() + within
    with contextlib.ExitStack() as held:
        yield [
            held.enter_context(_cap(sync, cap, log_dir, seconds=seconds, until=give_up))
            for cap in _caps_of(con, sync)
        ]


@contextlib.contextmanager
def _cap(
    sync: str, cap: str, log_dir: Path, *, seconds: float, until: float
) -> Iterator[Lease]:
    """Hold a cap as soon as no other sync does."""
    name = f"cap-{quote(cap, safe='')}"
    began = time.monotonic()
    with contextlib.ExitStack() as held:
        for attempt in itertools.count():
            try:
                lease = held.enter_context(hold_lease(log_dir, name, seconds=seconds))
                break
            except SyncRunning as error:
                if time.monotonic() >= until:
                    raise CapHeld(
                        f"{sync}: another sync has had the frequency cap '{cap}' to "
                        f"itself for {time.monotonic() - began:,.0f} s, in process "
                        f"{error.process}. This run did nothing; the next one tries "
                        "again."
                    ) from None
                if attempt == 0:
                    _LOGGER.warning(
                        "%s waits for the frequency cap '%s', which another sync has "
                        "to itself, in process %s.",
                        sync,
                        cap,
                        error.process,
                    )
                time.sleep(_LOOK_SECONDS)
        yield lease


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
