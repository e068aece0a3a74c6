"""Plans: what a destination must be told so that it holds the payload.

The payload in the published database is compared with the latest outcome of each key
in the sync log. A row is compared by its fingerprint, the MD5 of its canonical JSON.
What guards hold back is planned, and kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from activations.caps import leave_out_capped
from activations.connectors import Planned, Row
from activations.counts import OPERATIONS
from activations.digest import compare, find_digest, last_logged_at, read_states
from activations.facts import facts_of
from activations.guards import KINDS, Kind, Situation, find_holds
from activations.payload import (
    Payload,
    first,
    one,
    open_published,
    planned_rows,
    prepare,
)
from activations.sync import Leave, Sync
from activations.sync_requests import Asked, read_requests
from activations.sync_runs import last_watermark, remembered_rows
from collector.settings import CollectorSettings
from profiles.published import published_at

SAMPLES = 5
DEAD_AFTER_RUNS = 5
DEAD_AFTER = timedelta(days=14)
"""A row that failed so often, or for so long, is not sent again unasked."""
_SENT_ON_LEAVE: Mapping[Leave, Planned | None] = {
    "nothing": None,
    "delete": "delete",
    "set": "update",
}
_PLAN_SQL = Path(__file__).with_name("sql") / "plan.sql"


@dataclass(frozen=True)
class Plan:
    """What is to be sent, counted; `rows` gives it. Holds its connection open.

    `held` rows are kept back by `guard`, for `held_reason`; where a person has released
    them, they are among `counts`. `refused` rows are not sent again because the
    destination has refused exactly them before, `dead` ones because they failed too
    often. `left_out` rows of the payload lack consent, `capped` ones wait because their
    people were contacted as often as a frequency cap allows.
    """

    sync: Sync
    types: Mapping[str, str]
    counts: Mapping[Planned, int]
    held: Mapping[Planned, int]
    guard: str | None
    held_reason: str | None
    is_releasable: bool
    is_released: bool
    refused: int
    dead: int
    left_out: int
    capped: int
    payload_rows: int
    destination_rows: int
    watermark: str | None
    last_logged_at: datetime | None
    digest: Path | None = field(repr=False)
    held_kinds: Sequence[Kind] = field(repr=False)
    con: duckdb.DuckDBPyConnection = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.types)

    @property
    def planned(self) -> int:
        return sum(self.counts.values())

    @property
    def held_total(self) -> int:
        return sum(self.held.values())

    def rows(self, *, unread: bool = False) -> Iterator[Row]:
        """The rows to send: writes first, then what left; what failed before, at the
        end of either, so that a row which always fails keeps no other from going out.

        Records are `unread` where nothing looks into them.
        """
        chosen = "verdict = 'send' and not list_contains($held, kind)"
        return planned_rows(self.con, self.sync, chosen, self._held(), unread=unread)

    def newly_held(self) -> Iterator[Row]:
        """The held rows that the log does not tell of yet."""
        if self.held_kinds:
            chosen = (
                "verdict = 'send' and list_contains($held, kind) "
                "and not is_held_already"
            )
            yield from planned_rows(self.con, self.sync, chosen, self._held())

    def samples(self, operation: Planned) -> tuple[Row, ...]:
        """Some of the rows to be sent, held ones included."""
        rows = planned_rows(
            self.con,
            self.sync,
            "verdict = 'send' and operation = $operation",
            {"operation": operation},
            limit=SAMPLES,
        )
        with closing(rows):
            return tuple(rows)

    def _held(self) -> dict[str, Any]:
        return {"held": list(self.held_kinds)}

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values, for JSON."""
        return {
            "sync": self.sync.name,
            **{str(name): rows for name, rows in self.counts.items()},
            "held": dict(self.held),
            "guard": self.guard,
            "held_reason": self.held_reason,
            "is_released": self.is_released,
            "refused_before": self.refused,
            "dead": self.dead,
            "left_out": self.left_out,
            "capped": self.capped,
            "payload_rows": self.payload_rows,
            "destination_rows": self.destination_rows,
        }


def make_plan(
    sync: Sync,
    *,
    data_dir: Path,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Plan:
    """Compare payload and sync log. Nothing is sent and nothing is written.

    What a killed run noted in its journals counts as if it had landed.
    """
    con = con or open_published(data_dir / "published")
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    with facts_of(con, raw, sync.name, log_dir=data_dir / "log"):
        asked = read_requests(con)
        payload, digest = _compare(con, sync, asked, data_dir / "log")
        capped = leave_out_capped(con, sync.name, raw, data_dir / "log")
        logged_at = last_logged_at(con, digest)
        remembered = remembered_rows(con, sync)
    tally = _tally(con)
    situation = Situation(
        account=sync.account.name,
        planned={kind: sum(_planned(tally, {kind}).values()) for kind in KINDS},
        payload_rows=payload.rows,
        destination_rows=_destination_rows(con, sync),
        age=_age(con),
        missing_consent=payload.missing_consent,
        remembered_rows=remembered,
    )
    holds = find_holds(sync.guards, situation)
    held = {kind for hold in holds for kind in hold.kinds}
    kept = _planned(tally, held)
    is_releasable = all(hold.is_releasable for hold in holds)
    is_released = (
        bool(holds)
        and is_releasable
        and asked.release is not None
        and all(kept[name] <= asked.release[name] for name in OPERATIONS)
    )
    if is_released:
        holds, held, kept = (), set(), dict.fromkeys(OPERATIONS, 0)
    return Plan(
        sync=sync,
        types=payload.types,
        counts=_planned(tally, set(KINDS) - held),
        held=kept,
        guard=",".join(hold.guard for hold in holds) or None,
        held_reason=" ".join(hold.reason for hold in holds) or None,
        is_releasable=is_releasable,
        is_released=is_released,
        refused=_with(tally, "refused"),
        dead=_with(tally, "dead"),
        left_out=payload.left_out,
        capped=capped,
        payload_rows=payload.rows,
        destination_rows=situation.destination_rows,
        watermark=payload.watermark,
        last_logged_at=max(filter(None, (logged_at, asked.last_at)), default=None),
        digest=digest,
        held_kinds=tuple(held),
        con=con,
    )


def _compare(
    con: duckdb.DuckDBPyConnection, sync: Sync, asked: Asked, log_dir: Path
) -> tuple[Payload, Path | None]:
    """Make `sync_changes`, what differs between payload and destination."""
    digest = find_digest(con, sync, log_dir)
    read_states(con, sync, digest)
    since = None if sync.watermark is None else last_watermark(con, sync)
    payload = prepare(con, sync, since=since)
    compare(con, sync, payload, digest=digest, resynced_at=asked.resynced_at)
    con.execute(
        f"create or replace temp table sync_changes as {_PLAN_SQL.read_text()}",
        {
            "destination": sync.account.name,
            "action": sync.target,
            "mode": sync.mode,
            "on_leave": _SENT_ON_LEAVE[sync.leave],
            "on_withdrawal": _SENT_ON_LEAVE[sync.withdrawal],
            "resynced_at": asked.resynced_at,
            "retried_at": asked.retried_at,
            "rejected_retried_at": asked.rejected_retried_at,
            "dead_after_runs": DEAD_AFTER_RUNS,
            "dead_since": datetime.now(UTC) - DEAD_AFTER,
        },
    )
    return payload, digest


_Tally = Mapping[tuple[Kind, Planned, str], int]


def _tally(con: duckdb.DuckDBPyConnection) -> _Tally:
    """Rows of the plan by kind, operation and verdict."""
    rows = con.execute(
        "select kind, operation, verdict, count(*) from sync_changes group by all"
    ).fetchall()
    return {
        (kind, operation, verdict): number for kind, operation, verdict, number in rows
    }


def _planned(tally: _Tally, kinds: Collection[Kind]) -> dict[Planned, int]:
    """The rows to be sent of these kinds, by operation."""
    counts = dict.fromkeys(OPERATIONS, 0)
    for (kind, operation, verdict), number in tally.items():
        if verdict == "send" and kind in kinds:
            counts[operation] += number
    return counts


def _with(tally: _Tally, verdict: str) -> int:
    return sum(number for (_, _, found), number in tally.items() if found == verdict)


def _destination_rows(con: duckdb.DuckDBPyConnection, sync: Sync) -> int:
    """What the destination holds of the sync, but for what was told that it left."""
    counted = "is_held"
    if sync.leave == "set":
        counted += " and held_fingerprint is distinct from md5(sync_left_record(key))"
    # As a filter: with a condition DuckDB reads each key only to count it.
    query = f"select count(*) filter ({counted}) from sync_states"  # noqa: S608 - written above
    (rows,) = one(con, query)
    return int(rows)


def _age(con: duckdb.DuckDBPyConnection) -> timedelta | None:
    """How old the published build is; None where the rows come from elsewhere."""
    row = first(
        con, "select path from duckdb_databases() where database_name = 'published'"
    )
    return None if row is None else datetime.now(UTC) - published_at(Path(row[0]))
