"""What became of profiles and audiences between two builds of the warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb


@dataclass(frozen=True, kw_only=True)
class Regrouped:
    """A profile whose identifiers are those of several in the other build.

    `parts` are these several by profile_id, with what each has of it as `type:value`.
    """

    profile_id: str
    parts: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Members:
    """The size of an audience before and after, and who enters and exits."""

    before: int
    after: int
    entered: list[str]
    exited: list[str]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The difference between two builds.

    A profile is `split` when its identifiers belong to several afterwards, `merged`
    when it has afterwards what belonged to several. `created` and `gone` are ids of
    profiles that only one of the builds has. `moved_events` have another profile
    afterwards, or only one of the times.
    """

    profiles_before: int
    profiles_after: int
    identifiers_before: int
    identifiers_after: int
    split: list[Regrouped]
    merged: list[Regrouped]
    created: list[str]
    gone: list[str]
    moved_events: int
    audiences: dict[str, Members]


def compare(before: Path, after: Path) -> Comparison:
    """Compare two database files, which are only read."""
    with duckdb.connect() as connection:
        for name, file in (("before", before), ("after", after)):
            path = str(file).replace("'", "''")
            connection.execute(f"attach '{path}' as {name} (read_only)")
            # A view finds the tables of its own database only while that is in use.
            connection.execute(f"use {name}")
            connection.execute(
                f"create temp table members_{name} as "  # noqa: S608 - one of the two names
                "select audience, profile_id from audiences.audience_memberships"
            )
        connection.execute(_OWNERS)
        counts = connection.execute(_COUNTS).fetchone() or ()
        return Comparison(
            **dict(zip(_COUNTED, counts, strict=True)),
            split=_regrouped(connection, of="before_id", by="after_id"),
            merged=_regrouped(connection, of="after_id", by="before_id"),
            created=_only_in(connection, "after_id", "before_id"),
            gone=_only_in(connection, "before_id", "after_id"),
            audiences=_audiences(connection),
        )


_OWNERS = """
create temp table owners as
select
    identifier_type || ':' || identifier_value as identifier,
    one.profile_id as before_id,
    other.profile_id as after_id
from before.identity.profile_identifiers as one
full join after.identity.profile_identifiers as other
    using (identifier_type, identifier_value)
"""

_COUNTED = (
    "profiles_before",
    "profiles_after",
    "identifiers_before",
    "identifiers_after",
    "moved_events",
)
_COUNTS = """
select
    count(distinct before_id),
    count(distinct after_id),
    count(before_id),
    count(after_id),
    (
        select count(*)
        from before.events.event_profiles as one
        full join after.events.event_profiles as other using (source_id, message_id)
        where one.profile_id is distinct from other.profile_id
    )
from owners
"""


def _regrouped(
    connection: duckdb.DuckDBPyConnection, *, of: str, by: str
) -> list[Regrouped]:
    """The profiles of one side whose identifiers belong to several of the other."""
    rows = connection.execute(
        f"""
        select {of}, {by}, list(identifier order by identifier)
        from owners
        where {by} is not null and {of} in (
            select {of} from owners group by {of} having count(distinct {by}) > 1
        )
        group by all
        order by all
        """  # noqa: S608 - names of our own columns
    ).fetchall()
    found: dict[str, Regrouped] = {}
    for profile_id, part, identifiers in rows:
        one = found.setdefault(profile_id, Regrouped(profile_id=profile_id, parts={}))
        one.parts[part] = identifiers
    return list(found.values())


def _only_in(connection: duckdb.DuckDBPyConnection, side: str, other: str) -> list[str]:
    rows = connection.execute(
        f"select distinct {side} from owners where {side} is not null "  # noqa: S608 - names of our own columns
        f"and {side} not in (select {other} from owners where {other} is not null) "
        "order by all"
    ).fetchall()
    return [profile_id for (profile_id,) in rows]


def _audiences(connection: duckdb.DuckDBPyConnection) -> dict[str, Members]:
    rows: list[tuple[Any, ...]] = connection.execute(
        """
        select
            audience,
            count(one.profile_id),
            count(other.profile_id),
            coalesce(list(profile_id order by profile_id)
                filter (one.profile_id is null), []),
            coalesce(list(profile_id order by profile_id)
                filter (other.profile_id is null), [])
        from members_before as one
        full join members_after as other using (audience, profile_id)
        group by audience
        order by audience
        """
    ).fetchall()
    return {
        audience: Members(before=before, after=after, entered=entered, exited=exited)
        for audience, before, after, entered, exited in rows
    }
