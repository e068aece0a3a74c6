"""Plans: what a destination must be told so that it holds the payload.

The payload in the published database is compared with the latest outcome of each key
in the sync log. A row is compared by its fingerprint, the MD5 of its canonical JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

import duckdb

from activations.connectors import Planned, Row
from activations.payload import check_keys, one, open_published, planned_rows, prepare
from activations.sync_log import log_files
from activations.syncs import Sync
from collector.datasets import SYNC_LOG
from collector.object_storage import register
from collector.raw import reading
from collector.settings import CollectorSettings

SAMPLES = 5
FREE_DELETES = 20
_PLAN_SQL = Path(__file__).with_name("plan.sql")


@dataclass(frozen=True)
class Plan:
    """What is to be sent, counted; `rows` gives it. Holds its connection open.

    `held` deletes are kept back for `held_reason`. `refused` rows are not sent again
    because the destination has refused exactly them before.
    """

    sync: Sync
    types: Mapping[str, str]
    counts: Mapping[Planned, int]
    held: int
    held_reason: str | None
    refused: int
    payload_rows: int
    destination_rows: int
    last_logged_at: datetime | None
    samples: Mapping[Planned, tuple[Row, ...]] = field(repr=False)
    _con: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.types)

    @property
    def planned(self) -> int:
        return sum(self.counts.values())

    def rows(self) -> Iterator[Row]:
        """The rows to send: writes first, deletes last; what failed before, at the end
        of either, so that a row which always fails keeps no other from going out."""
        deletes = self.counts["delete"] > 0
        chosen = "not is_refused and (operation <> 'delete' or $deletes)"
        yield from planned_rows(self._con, self.sync, chosen, {"deletes": deletes})

    def newly_held(self) -> list[Row]:
        """The held deletes that the log does not tell of yet."""
        if not self.held:
            return []
        chosen = "not is_refused and operation = 'delete' and not is_held_already"
        return list(planned_rows(self._con, self.sync, chosen, {}))


def make_plan(
    sync: Sync,
    *,
    data_dir: Path,
    con: duckdb.DuckDBPyConnection | None = None,
    allow_deletes: int | None = None,
) -> Plan:
    """Compare payload and sync log. Nothing is sent and nothing is written.

    `allow_deletes` approves up to so many deletes that would be held; if there are
    more by now, they stay held.
    """
    con = con or open_published(data_dir / "published")
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    register(con, raw)
    with reading(raw, SYNC_LOG):
        types = prepare(con, sync, log_files(raw, sync.name))
        check_keys(con, sync)
        con.execute(
            f"create or replace temp table sync_changes as {_PLAN_SQL.read_text()}",
            {"destination": sync.account.name, "action": sync.action_name},
        )
        (last_logged_at,) = one(con, "select max(log.at) from sync_log_rows as log")
    found = {
        (operation, is_refused): count
        for operation, is_refused, count in con.execute(
            "select operation, is_refused, count(*) from sync_changes group by all"
        ).fetchall()
    }
    (payload_rows,) = one(con, "select count(*) from sync_payload")
    inserts, updates, deletes = (
        found.get((operation, False), 0) for operation in ("insert", "update", "delete")
    )
    writes_refused = found.get(("insert", True), 0) + found.get(("update", True), 0)
    deletes_refused = found.get(("delete", True), 0)
    destination_rows = (
        payload_rows
        - inserts
        - found.get(("insert", True), 0)
        + deletes
        + deletes_refused
    )
    if sync.mode == "upsert":
        deletes = deletes_refused = 0
    reason = _hold_reason(sync, deletes, payload_rows, destination_rows, allow_deletes)
    counts: dict[Planned, int] = {
        "insert": inserts,
        "update": updates,
        "delete": 0 if reason else deletes,
    }
    return Plan(
        sync=sync,
        types=types,
        counts=counts,
        held=deletes if reason else 0,
        held_reason=reason,
        refused=writes_refused + deletes_refused,
        payload_rows=payload_rows,
        destination_rows=destination_rows,
        last_logged_at=last_logged_at,
        samples=_samples(con, sync, deletes=deletes),
        _con=con,
    )


def _hold_reason(
    sync: Sync,
    deletes: int,
    payload_rows: int,
    destination_rows: int,
    allow_deletes: int | None,
) -> str | None:
    """Why the deletes are kept back, or None where they may go out."""
    if deletes == 0 or (allow_deletes is not None and deletes <= allow_deletes):
        return None
    limit = max(FREE_DELETES, int(sync.max_delete_share * destination_rows))
    holds = f"{sync.account.name} holds {destination_rows:,} rows of this sync"
    if payload_rows == 0:
        return f"The payload is empty while {holds}."
    if deletes > limit:
        return (
            f"{deletes:,} rows would be deleted while {holds}; up to {limit:,} go out "
            f"unasked (max_delete_share {sync.max_delete_share:g}, and never less than "
            f"{FREE_DELETES})."
        )
    return None


def _samples(
    con: duckdb.DuckDBPyConnection, sync: Sync, *, deletes: int
) -> dict[Planned, tuple[Row, ...]]:
    operations: list[Planned] = ["insert", "update"]
    if deletes:
        operations.append("delete")
    chosen = "not is_refused and operation = $operation"
    samples: dict[Planned, tuple[Row, ...]] = {}
    for operation in operations:
        with closing(planned_rows(con, sync, chosen, {"operation": operation})) as rows:
            samples[operation] = tuple(islice(rows, SAMPLES))
    return samples
