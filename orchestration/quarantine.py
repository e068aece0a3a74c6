"""The quarantine: what is held back, and the facts that release it.

What is held back is read from the published database. A release is a rule, appended to
`raw/quarantine_releases`; the next build applies it. Nothing else remembers one, so
that giving the same one twice changes nothing.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from collector.datasets import QUARANTINE_RELEASES
from collector.object_storage import RawPlace
from collector.raw import write_file


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is meant: all that has these properties; what is None does not matter.

    `ids` are message ids, or ids of `staging.quarantined_events`.
    """

    code: str | None = None
    event: str | None = None
    source_id: str | None = None
    since: datetime | None = None
    ids: tuple[str, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing is asked for."""
        return self == Rule()


@dataclass(frozen=True, kw_only=True)
class Held:
    """One thing in quarantine; the columns of `staging.quarantined_events`."""

    quarantine_id: str
    held_by: str
    source_id: str
    message_id: str | None
    type: str | None
    event: str | None
    codes: list[str]
    reason: str
    received_at: datetime
    is_held: bool
    is_releasable: bool
    how_to_release: str
    release_id: str | None
    released_at: datetime | None
    released_by: str | None
    release_reason: str | None


def find(
    connection: duckdb.DuckDBPyConnection, rule: Rule, *, released: bool = False
) -> list[Held]:
    """What is held back by the last build and meant by `rule`, the oldest first.

    With `released`, what was held back and then released instead.
    """
    columns = ", ".join(Held.__dataclass_fields__)
    conditions, values = ["is_held = ?"], [not released, *_values(rule)]
    conditions += [_CONDITIONS[field] for field in _given(rule)]
    rows = connection.execute(
        f"select {columns} from staging.quarantined_events "  # noqa: S608 - our own words
        f"where {' and '.join(conditions)} order by received_at, quarantine_id",
        values,
    ).fetchall()
    names = tuple(Held.__dataclass_fields__)
    return [Held(**dict(zip(names, row, strict=True))) for row in rows]


def release(
    raw_dir: RawPlace,
    rule: Rule,
    *,
    reason: str,
    by: str,
    at: datetime | None = None,
) -> str:
    """Append the fact that somebody releases what `rule` means; returns its id.

    What is received after `at` (now) it does not release.
    """
    released_at = at or datetime.now(UTC)
    release_id = uuid.uuid4().hex
    row = {
        "release_id": release_id,
        "released_at": released_at,
        "released_by": by,
        "reason": reason,
        "code": rule.code,
        "event": rule.event,
        "source_id": rule.source_id,
        "since": rule.since,
        "ids": list(rule.ids) or None,
    }
    write_file(
        raw_dir,
        QUARANTINE_RELEASES,
        pa.Table.from_pylist([row], schema=QUARANTINE_RELEASES.schema),
        partition={"dt": released_at.astimezone(UTC).date().isoformat()},
        name=release_id,
    )
    return release_id


_CONDITIONS = {
    "code": "list_contains(codes, ?)",
    "event": "event = ?",
    "source_id": "source_id = ?",
    "since": "received_at >= ?",
    "ids": "list_has_any([quarantine_id, message_id], ?)",
}


def _given(rule: Rule) -> list[str]:
    return [field for field in _CONDITIONS if getattr(rule, field)]


def _values(rule: Rule) -> list[Any]:
    values = [getattr(rule, field) for field in _given(rule)]
    return [list(value) if isinstance(value, tuple) else value for value in values]
