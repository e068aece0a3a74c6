"""Why two identifiers are one profile, or are not: the shortest way between them.

All of it is read from the published database. Inside a profile a way goes over links
that count. Between profiles it also goes over links that were refused, over as few of
them as possible.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import duckdb

from orchestration.identity import links
from orchestration.identity.identifiers import Identifier, IdentityProblem, profile_of
from orchestration.identity.links import Link

MOST_REFUSED = 20
"""A way over more refused links than these explains nothing, and is not looked for."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Whose two identifiers are, and the shortest way between them, if there is any.

    `split` is the reason of the rule that keeps these two apart.
    """

    left: Identifier
    right: Identifier
    profile_id: str
    other_profile_id: str
    split: str | None
    links: tuple[Link, ...]

    @property
    def is_one_profile(self) -> bool:
        """Whether both belong to the same profile."""
        return self.profile_id == self.other_profile_id


def explain(
    connection: duckdb.DuckDBPyConnection, left: Identifier, right: Identifier
) -> Explanation:
    """How `left` and `right` hang together in the published database."""
    profile_id, other_profile_id = (_owner(connection, one) for one in (left, right))
    profiles = _profiles_between(connection, profile_id, other_profile_id)
    # Rules count before any event, so where both tie a pair it is the rule that does.
    known = links.joins(connection) + links.events(connection, profiles)
    for one, other in pairwise(profiles):
        known += links.refused(connection, one, other)
    path = _shortest(left, right, known)
    return Explanation(
        left=left,
        right=right,
        profile_id=profile_id,
        other_profile_id=other_profile_id,
        split=_split(connection, left, right),
        links=tuple(links.with_event_names(connection, path)),
    )


def _owner(connection: duckdb.DuckDBPyConnection, identifier: Identifier) -> str:
    owner = profile_of(connection, identifier)
    if owner is None:
        raise IdentityProblem(
            f"no event that the last build knows shows {identifier}. "
            "Mend the spelling, or run `./kith build`."
        )
    return owner


def _profiles_between(
    connection: duckdb.DuckDBPyConnection, start: str, end: str
) -> list[str]:
    """The profiles from one to the other, each tied to the next by a refused link.

    Empty when no few such links lead there; the profile alone when both are the same.
    """
    parents: dict[str, str | None] = {start: None}
    newest = [start]
    for _ in range(MOST_REFUSED):
        if not newest or end in parents:
            break
        rows = connection.execute(
            """
            select other_profile_id as next_id, profile_id, received_at, message_id
            from identity.identity_conflicts where profile_id in (select unnest($1))
            union all
            select profile_id, other_profile_id, received_at, message_id
            from identity.identity_conflicts
            where other_profile_id in (select unnest($1))
            order by received_at, message_id, next_id
            """,
            [newest],
        ).fetchall()
        newest = []
        for profile, parent, *_ in rows:
            if profile not in parents:
                parents[profile] = parent
                newest.append(profile)
    chain: list[str] = []
    profile = end if end in parents else None
    while profile is not None:
        chain.append(profile)
        profile = parents[profile]
    return chain[::-1]


def _shortest(start: Identifier, end: Identifier, known: Iterable[Link]) -> list[Link]:
    """The fewest links from `start` to `end`, each leading on from the one before.

    Of two ways of the same length it is the one whose links stand first in `known`.
    """
    links_of: dict[Identifier, list[Link]] = defaultdict(list)
    for link in known:
        links_of[link.left].append(link)
        links_of[link.right].append(link)
    led_by: dict[Identifier, Link | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in led_by:
        here = waiting.popleft()
        for link in links_of[here]:
            there = link.other_end(here)
            if there not in led_by:
                led_by[there] = link.leading_to(there)
                waiting.append(there)
    path: list[Link] = []
    last = led_by.get(end)
    while last is not None:
        path.append(last)
        last = led_by[last.left]
    return path[::-1]


def _split(
    connection: duckdb.DuckDBPyConnection, left: Identifier, right: Identifier
) -> str | None:
    """Why a rule keeps the two apart, or None where none does."""
    row = connection.execute(
        """
        select concat('by ', created_by, ': ', reason) from staging.stg_identity_rules
        where action = 'exclude'
            and (left_type, left_value, right_type, right_value)
            in (($1, $2, $3, $4), ($3, $4, $1, $2))
        """,
        [left.type, left.value, right.type, right.value],
    ).fetchone()
    return None if row is None else str(row[0])
