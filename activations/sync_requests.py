"""What people ask of a sync, as facts in `raw/sync_requests`.

The next plan follows them: a release lets the rows of a held run go, a retry sends what
failed once more, a resync sends everything again. Nothing else remembers them.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import duckdb
import pyarrow as pa

from activations.facts import facts_of
from activations.payload import first, one
from collector.datasets import SYNC_REQUESTS
from collector.landing import write_file
from collector.object_storage import RawPlace

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request, as a row of the dataset.

    Without a `key` a retry is of every row; the numbers of a release are the most rows
    that it lets go.
    """

    sync: str
    request: Literal["release", "retry", "resync"]
    requested_by: str
    reason: str | None = None
    run_id: str | None = None
    key: str | None = None
    rejected: bool | None = None
    inserts: int | None = None
    updates: int | None = None
    deletes: int | None = None
    at: datetime = LONG_AGO
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)


def ask(raw: RawPlace, request: Request) -> Request:
    """Append the request, as made now; the next plan follows it."""
    with duckdb.connect() as con, facts_of(con, raw, request.sync):
        made = replace(request, at=_moment(con))
    write_file(
        raw,
        SYNC_REQUESTS,
        pa.Table.from_pylist([asdict(made)], schema=SYNC_REQUESTS.schema),
        partition={"sync": made.sync, "dt": f"{made.at:%Y-%m-%d}"},
        name=made.request_id,
    )
    return made


@dataclass(frozen=True)
class Asked:
    """What is asked of a sync and not done yet.

    What was tried before `retried_at` is tried again, what was rejected only if before
    `rejected_retried_at`; what was sent before `resynced_at` is sent again. `release`
    is in force until a run has come to its end.
    """

    release: dict[str, int] | None = None
    retried_at: datetime = LONG_AGO
    rejected_retried_at: datetime = LONG_AGO
    resynced_at: datetime = LONG_AGO
    last_at: datetime | None = None


def read_requests(con: duckdb.DuckDBPyConnection) -> Asked:
    """What is asked, from the views of the facts."""
    resynced_at, retried_at, rejected_retried_at, last_at = one(
        con,
        """
        select
            max(asked.at) filter (request = 'resync'),
            max(asked.at) filter (request = 'retry' and key is null),
            max(asked.at) filter (request = 'retry' and key is null and rejected),
            max(asked.at)
        from sync_requests_rows as asked
        """,
    )
    if last_at is None:
        return Asked()
    resync = resynced_at or LONG_AGO
    return Asked(
        release=_release(con),
        retried_at=max(retried_at or LONG_AGO, resync),
        rejected_retried_at=max(rejected_retried_at or LONG_AGO, resync),
        resynced_at=resync,
        last_at=last_at,
    )


def _release(con: duckdb.DuckDBPyConnection) -> dict[str, int] | None:
    """The latest release, unless a run that started after it has come to its end."""
    row = first(
        con,
        """
        select inserts, updates, deletes
        from sync_requests_rows as requests
        where
            request = 'release'
            and not exists (
                select 1
                from sync_runs_rows as runs
                where
                    runs.event = 'finished'
                    and runs.status not in ('stopped', 'overlap')
                    and runs.started_at > requests.at
            )
        order by requests.at desc
        limit 1
        """,
    )
    if row is None:
        return None
    numbers = dict(zip(("insert", "update", "delete"), row, strict=True))
    return {operation: int(number or 0) for operation, number in numbers.items()}


def _moment(con: duckdb.DuckDBPyConnection) -> datetime:
    """Now, and later than all that the facts of the sync tell of."""
    (last,) = one(
        con,
        "select greatest((select max(logged.at) from sync_log_rows as logged), "
        "(select max(asked.at) from sync_requests_rows as asked))",
    )
    now = datetime.now(UTC)
    return now if last is None else max(now, last + timedelta(microseconds=1))
