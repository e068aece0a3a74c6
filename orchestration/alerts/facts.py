"""What was told, as facts in `raw/alerts`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import duckdb
import pyarrow as pa

from collector.datasets import ALERTS
from collector.landing import write_file
from collector.object_storage import RawPlace, parquet_files, register
from collector.raw import reading
from orchestration.sync_health import State

Outcome = Literal["sending", "sent", "failed"]


@dataclass(frozen=True)
class Told:
    """What a channel knows of a subject, and how often telling it more has failed."""

    state: State = "healthy"
    alert_id: str | None = None
    failures: int = 0
    tried_at: datetime | None = None


def read_told(raw: RawPlace) -> dict[tuple[str, str], Told]:
    """What is known, by subject and channel.

    An alert of which only the sending is known may have arrived, so it counts as told.
    """
    with closing(duckdb.connect()) as con:
        con.execute("set TimeZone = 'UTC'")
        register(con, raw)
        with reading(raw, ALERTS):
            files = list(parquet_files(raw, ALERTS.name))
            if not files:
                return {}
            relation = con.read_parquet(files, hive_partitioning=False)
            rows = relation.order('"at"').fetchall()
            names = relation.columns
    alerts: dict[str, dict[str, Any]] = {}
    for row in rows:
        fact = dict(zip(names, row, strict=True))
        alerts[fact["alert_id"]] = fact
    told: dict[tuple[str, str], Told] = {}
    for fact in alerts.values():
        place = (fact["subject"], fact["channel"])
        known = told.get(place, Told())
        if fact["outcome"] == "failed":
            failures = known.failures + 1
            told[place] = replace(known, failures=failures, tried_at=fact["at"])
        else:
            told[place] = Told(fact["state"], fact["alert_id"])
    return told


def append_alert(
    raw: RawPlace,
    *,
    alert_id: str,
    at: datetime,
    subject: str,
    channel: str,
    state: State,
    previous_state: State,
    reason: str | None,
    outcome: Outcome,
    message: str | None = None,
) -> None:
    """Append one fact about an alert, durably."""
    row = {
        "alert_id": alert_id,
        "at": at,
        "subject": subject,
        "channel": channel,
        "state": state,
        "previous_state": previous_state,
        "reason": reason,
        "outcome": outcome,
        "message": message,
    }
    write_file(
        raw,
        ALERTS,
        pa.Table.from_pylist([row], schema=ALERTS.schema),
        partition={"dt": f"{at:%Y-%m-%d}"},
        name=f"{alert_id}-{outcome}",
    )
