"""Which fields of a row change, where what the destination holds can be told.

The log remembers a row by its fingerprint alone. The build that was published before
this one may still have the row; where its fingerprint is the remembered one, that row
is exactly what was sent. Else nobody knows the fields, and nothing is claimed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from activations.json_values import json_text, read_number
from activations.payload import record_of
from activations.plan import Plan
from profiles.published import earlier_builds
from profiles.sql_names import literal, quoted


@dataclass(frozen=True)
class FieldChange:
    """A field before and after; None stands for null and for no field at all."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {json_text(self.before)} → {json_text(self.after)}"


Changes = Mapping[str, tuple[FieldChange, ...] | None]


def field_changes(plan: Plan, keys: Sequence[str], *, published_dir: Path) -> Changes:
    """The changed fields of these rows of the payload; None where they are unknown."""
    held = held_records(plan, keys, published_dir=published_dir)
    now = _records(plan, "sync_payload", keys)
    return {
        key: None
        if held.get(key) is None or key not in now
        else _difference(held[key] or {}, now[key])
        for key in keys
    }


def held_records(
    plan: Plan, keys: Sequence[str], *, published_dir: Path
) -> dict[str, dict[str, Any] | None]:
    """What the destination holds of these keys, as far as an earlier build tells."""
    found: dict[str, dict[str, Any] | None] = dict.fromkeys(keys)
    for build in earlier_builds(published_dir) if keys else ():
        missing = [key for key in keys if found[key] is None]
        if missing:
            found |= _records_of_build(plan, build, missing)
    return found


def _records_of_build(
    plan: Plan, build: Path, keys: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The rows of an earlier build that are what the destination holds."""
    sync = plan.sync
    relation = f"earlier.{quoted(sync.schema)}.{quoted(sync.table)}"
    try:
        plan.con.execute(f"attach {literal(str(build))} as earlier (read_only)")
    except duckdb.Error:
        return {}  # it was removed since it was listed
    try:
        described = plan.con.execute(f"describe {relation}").fetchall()
        rows = plan.con.execute(
            # Names of the model and its columns, quoted.
            f"""
            select earlier_rows.key, earlier_rows.record
            from (
                select
                    cast({quoted(sync.key)} as varchar) as key,
                    {record_of({str(row[0]): str(row[1]) for row in described})}
                        as record
                from {relation}
            ) as earlier_rows
            inner join sync_states as states on earlier_rows.key = states.key
            where
                list_contains($keys, earlier_rows.key)
                and states.is_held
                and states.held_fingerprint = md5(earlier_rows.record)
            """,  # noqa: S608 - see above
            {"keys": list(keys)},
        ).fetchall()
    except duckdb.Error:
        rows = []  # the model was not in that build, or had no such key
    finally:
        plan.con.execute("detach earlier")
    return {key: json.loads(text, parse_float=read_number) for key, text in rows}


def _records(plan: Plan, view: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = plan.con.execute(
        # A view that Kith made.
        f"select key, record from {view} where list_contains($keys, key)",  # noqa: S608 - see above
        {"keys": list(keys)},
    ).fetchall()
    return {key: json.loads(text, parse_float=read_number) for key, text in rows}


def _difference(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(field, before.get(field), after.get(field))
        for field in sorted(before.keys() | after.keys())
        # By their text: what differs in the last of many digits differs.
        if json_text(before.get(field)) != json_text(after.get(field))
    )
