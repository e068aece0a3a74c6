"""Finds one profile in the published database by any of its identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

PROFILE_ID = "profile_id"

# In SQL, so that a value is folded by the same rules as when it was collected.
_NORMALISE = {"email": "select lower(trim(?))"}

# A profile that was merged is found under the identifier of the one it became part of;
# merges can follow each other, and `union` ends the walk should they form a circle.
_MERGED_INTO = """
with recursive chain(profile_id) as (
    select ?
    union
    select profile_merges.profile_id
    from identity.profile_merges
    inner join chain on profile_merges.losing_profile_id = chain.profile_id
)

select profiles.profile_id
from profiles.profiles
inner join chain on profiles.profile_id = chain.profile_id
limit 1
"""

_OWNER = """
select profile_id
from identity.profile_identifiers
where identifier_type = ? and identifier_value = ?
"""

_IDENTIFIERS = """
select identifier_type, identifier_value, first_seen_at, last_seen_at
from identity.profile_identifiers
where profile_id = ?
order by identifier_type, first_seen_at, identifier_value
"""

_AUDIENCES = """
select audience, entered_at
from audiences.audience_memberships
where profile_id = ?
order by audience
"""


@dataclass(frozen=True)
class Identifier:
    """One identifier of a profile and the time between its first and last event."""

    type: str
    value: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True)
class Membership:
    """An audience that the profile is in now."""

    name: str
    entered_at: datetime


@dataclass(frozen=True)
class Profile:
    """What is known of one customer. `traits` holds no trait without a value."""

    profile_id: str
    traits: dict[str, Any]
    identifiers: tuple[Identifier, ...]
    audiences: tuple[Membership, ...]


def find_profile(
    connection: duckdb.DuckDBPyConnection, identifier_type: str, value: str
) -> Profile | None:
    """The profile that this identifier belongs to, or None.

    The value is normalised as it is when identifiers are collected. The type
    `profile_id` finds a profile by its own id and by that of a profile merged into it.
    """
    normalise = _NORMALISE.get(identifier_type, "select trim(?)")
    value = _scalar(connection, normalise, [value]) or ""
    if not value:
        return None
    if identifier_type == PROFILE_ID:
        profile_id = _scalar(connection, _MERGED_INTO, [value])
    else:
        profile_id = _scalar(connection, _OWNER, [identifier_type, value])
    if profile_id is None:
        return None
    return _read(connection, profile_id)


def _read(connection: duckdb.DuckDBPyConnection, profile_id: str) -> Profile:
    identifiers = connection.execute(_IDENTIFIERS, [profile_id]).fetchall()
    audiences = connection.execute(_AUDIENCES, [profile_id]).fetchall()
    return Profile(
        profile_id=profile_id,
        traits=_traits(connection, profile_id),
        identifiers=tuple(Identifier(*row) for row in identifiers),
        audiences=tuple(Membership(*row) for row in audiences),
    )


def _traits(connection: duckdb.DuckDBPyConnection, profile_id: str) -> dict[str, Any]:
    cursor = connection.execute(
        "select * from profiles.profiles where profile_id = ?", [profile_id]
    )
    columns = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    if row is None:
        return {}
    return {
        column: value
        for column, value in zip(columns, row, strict=True)
        if value is not None and column != PROFILE_ID
    }


def _scalar(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[str]
) -> str | None:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else str(row[0])
