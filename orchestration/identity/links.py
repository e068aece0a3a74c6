"""The links of the published identity graph: events and rules that tie identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from orchestration.identity.identifiers import Identifier


@dataclass(frozen=True, kw_only=True)
class Link:
    """An event that was the first to show both identifiers, or a rule that joins them.

    `refused` says why an event's link does not count. `rule_id`, `created_by` and
    `reason` are of a rule, the rest is of an event.
    """

    left: Identifier
    right: Identifier
    refused: str | None = None
    event: str | None = None
    source_id: str | None = None
    message_id: str | None = None
    received_at: datetime | None = None
    rule_id: str | None = None
    created_by: str | None = None
    reason: str | None = None

    def other_end(self, end: Identifier) -> Identifier:
        """The end that is not this one."""
        return self.right if end == self.left else self.left

    def leading_to(self, end: Identifier) -> Link:
        """The same link with `end` on its right."""
        return replace(self, left=self.other_end(end), right=end)


def joins(connection: duckdb.DuckDBPyConnection) -> list[Link]:
    """All joins by rule, the oldest first."""
    rows = connection.execute(
        """
        select left_type, left_value, right_type, right_value,
            rule_id, created_by, reason
        from staging.stg_identity_rules
        where action = 'include'
        order by created_at, rule_id
        """
    ).fetchall()
    return [
        Link(**_ends(row), rule_id=row[4], created_by=row[5], reason=row[6])
        for row in rows
    ]


def events(
    connection: duckdb.DuckDBPyConnection, profiles: Sequence[str]
) -> list[Link]:
    """The links by events that count inside these profiles, in order of arrival."""
    rows = connection.execute(
        """
        with members as (
            select * from identity.profile_identifiers
            where profile_id in (select unnest(?))
        ),

        -- Materialized, or two ends of a profile might be paired before their edges.
        started as materialized (
            select edges.*, members.profile_id, identifier_type, identifier_value
            from identity.int_identity_edges as edges
            inner join members on edges.left_id = members.identifier_id
        )

        select started.identifier_type, started.identifier_value,
            members.identifier_type, members.identifier_value,
            started.source_id, started.message_id, started.received_at
        from started
        inner join members
            on started.right_id = members.identifier_id
            and started.profile_id = members.profile_id
        order by started.received_at, started.message_id, started.source_id,
            started.priority, started.left_id, started.right_id
        """,
        [profiles],
    ).fetchall()
    return [_of_event(row) for row in rows]


def refused(
    connection: duckdb.DuckDBPyConnection, profile_id: str, other_profile_id: str
) -> list[Link]:
    """The links between two profiles that do not count, in order of arrival."""
    rows = connection.execute(
        """
        select identifier_type, identifier_value,
            other_identifier_type, other_identifier_value,
            source_id, message_id, received_at, concat_ws(': ', state, reason)
        from identity.identity_conflicts
        where (profile_id, other_profile_id) in (($1, $2), ($2, $1))
        order by received_at, message_id, source_id, identifier_type,
            identifier_value, other_identifier_type, other_identifier_value
        """,
        [profile_id, other_profile_id],
    ).fetchall()
    return [_of_event(row, refused=row[7]) for row in rows]


def with_event_names(
    connection: duckdb.DuckDBPyConnection, links: Sequence[Link]
) -> list[Link]:
    """The links with the names of their events, or types of call that have no name."""
    rows = connection.execute(
        """
        select source_id, message_id, coalesce(event, type)
        from staging.stg_events
        where (source_id, message_id) in (select (unnest($1), unnest($2)))
        """,
        [[link.source_id for link in links], [link.message_id for link in links]],
    ).fetchall()
    names = {(source_id, message_id): name for source_id, message_id, name in rows}
    return [
        replace(link, event=names.get((link.source_id, link.message_id)))
        for link in links
    ]


def _of_event(row: tuple[Any, ...], *, refused: str | None = None) -> Link:
    return Link(
        **_ends(row),
        refused=refused,
        source_id=row[4],
        message_id=row[5],
        received_at=row[6],
    )


def _ends(row: tuple[Any, ...]) -> dict[str, Any]:
    return {"left": Identifier(*row[0:2]), "right": Identifier(*row[2:4])}
