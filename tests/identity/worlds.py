"""Small worlds of people and devices, and what the identity graph must make of them.

Worlds lie side by side in one warehouse: their names differ, so they cannot touch, and
one dbt run decides all of them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.dbt.conftest import START, Row, event_row
from tests.identity.people import Person
from tests.identity.reference import Graph, Identifier, clusters_of, profile_id

Pair = tuple[Identifier, Identifier]
PHONES = "externalIds"


@dataclass(frozen=True)
class Sight:
    """The identifiers of one event or row of a table, the strongest first."""

    received_at: datetime
    message_id: str
    source_id: str
    identifiers: tuple[Identifier, ...]


@dataclass(frozen=True)
class Rules:
    """What may be joined: priorities, limits with their windows, and people's rules."""

    priorities: Mapping[str, int]
    limits: Mapping[str, int]
    weekly: frozenset[str] = frozenset()
    joins: tuple[Pair, ...] = ()
    splits: tuple[Pair, ...] = ()
    maximum_identifiers: int | None = None


def person_event(message_id: str, hour: int, **places: str | None) -> Row:
    """An event that shows the given identifiers; `previous_id` makes it an alias."""
    at = START + timedelta(hours=hour)
    email, phone = places.pop("email", None), places.pop("phone", None)
    element = {"id": phone, "type": "phone", "collection": "users", "encoding": "none"}
    return event_row(
        message_id=message_id,
        type="alias" if places.get("previous_id") else "identify",
        traits={"email": email} if email else None,
        context={PHONES: [element]} if phone else None,
        timestamp=at,
        received_at=at,
        **{"user_id": None, "anonymous_id": None} | places,
    )


def sight_of_event(message_id: str, hour: int, **places: str | None) -> Sight:
    """What the event of `person_event` with the same arguments shows."""
    found = (
        ("user_id", places.get("user_id")),
        ("email", places.get("email")),
        ("phone", places.get("phone")),
        ("anonymous_id", places.get("anonymous_id")),
        ("anonymous_id", places.get("previous_id")),
    )
    identifiers = dict.fromkeys((name, value) for name, value in found if value)
    at = START + timedelta(hours=hour)
    return Sight(at, message_id, "shop", tuple(identifiers))


def sight_of_person(person: Person) -> Sight:
    """What a row of the table of people shows."""
    number, work_email, home_email, changed_at = person
    assert changed_at is not None
    found = (
        ("email", work_email),
        ("email", home_email),
        ("customer_number", str(number)),
    )
    identifiers = dict.fromkeys((name, value.lower()) for name, value in found if value)
    return Sight(changed_at, str(number), "table:crm.people", tuple(identifiers))


def random_world(name: str, chance: random.Random) -> list[dict[str, Any]]:
    """Some people, some devices, and events of six weeks that mix them.

    Each event is what `person_event` takes; often several arrive at the same moment.
    """
    users = [f"{name}-u{i}" for i in range(chance.randint(1, 3))]
    emails = [f"{name}-{i}@example.com" for i in range(chance.randint(0, 4))]
    phones = [f"{name}-p{i}" for i in range(chance.randint(0, 3))]
    devices = [f"{name}-d{i}" for i in range(chance.randint(2, 12))]

    def maybe(values: list[str], share: float) -> str | None:
        return chance.choice(values) if values and chance.random() < share else None

    moments = [chance.randrange(6 * 7 * 24) for _ in range(12)]
    events = []
    for i in range(chance.randint(3, 30)):
        places = {
            "user_id": maybe(users, 0.4),
            "email": maybe(emails, 0.4),
            "phone": maybe(phones, 0.2),
            "anonymous_id": maybe(devices, 0.8),
            "previous_id": maybe(devices, 0.2),
        }
        if any(places.values()):
            message_id = f"{name}-{chance.randrange(1000):03}-{i}"
            hour = chance.choice(moments)
            events.append({"message_id": message_id, "hour": hour, **places})
    return events


def family_computer(name: str) -> list[dict[str, Any]]:
    """Two people sign in on one shared device, each has a phone of their own."""
    ann, ben = f"{name}-ann", f"{name}-ben"
    computer, phone = f"{name}-computer", f"{name}-phone"
    signs = [(None, computer), (ann, computer), (ben, computer), (ben, phone)]
    return [
        {
            "message_id": f"{name}-{hour}",
            "hour": hour,
            "user_id": user,
            "anonymous_id": device,
        }
        for hour, (user, device) in enumerate(signs, start=1)
    ]


def number_of(identifier: Identifier) -> int:
    """The identifier as the number by which the graph knows it."""
    digest = hashlib.md5(":".join(identifier).encode()).digest()  # noqa: S324 - an id, not a secret
    return int.from_bytes(digest[8:], "little") >> 1


def expected_profiles(sights: Iterable[Sight], rules: Rules) -> dict[Identifier, str]:
    """Every identifier's profile_id, by taking one edge after the other."""
    ordered = sorted(
        sights, key=lambda sight: (sight.received_at, sight.message_id, sight.source_id)
    )
    ages = _ages(ordered, rules)
    graph = Graph(
        edges=_edges(ordered, rules),
        limits=_limits(ages, rules),
        joins=tuple((number_of(left), number_of(right)) for left, right in rules.joins),
        maximum_nodes=rules.maximum_identifiers,
    )
    clusters = clusters_of(graph)
    members: dict[int, list[Identifier]] = {}
    for identifier in ages:
        number = number_of(identifier)
        cluster, _ = clusters.get(number, (number, False))
        members.setdefault(cluster, []).append(identifier)
    return {
        identifier: profile_id(min(cluster, key=lambda member: ages[member]))
        for cluster in members.values()
        for identifier in cluster
    }


Age = tuple[datetime, str, int, str]


def _ages(ordered: Iterable[Sight], rules: Rules) -> dict[Identifier, Age]:
    ages: dict[Identifier, Age] = {}
    for sight in ordered:
        for kind, value in sight.identifiers:
            age = (sight.received_at, sight.message_id, rules.priorities[kind], value)
            ages[kind, value] = min(ages.get((kind, value), age), age)
    return ages


def _edges(ordered: Iterable[Sight], rules: Rules) -> tuple[tuple[int, int], ...]:
    """Each pair once, in order; the weaker end of an edge is never its first."""
    edges: dict[tuple[int, int], None] = {}
    for sight in ordered:
        strongest, *others = sight.identifiers
        here = []
        for other in others:
            left, right = sorted((number_of(strongest), number_of(other)))
            here.append((rules.priorities[other[0]], left, right))
        edges |= dict.fromkeys((left, right) for _, left, right in sorted(here))
    return tuple(edges)


def _limits(
    ages: Mapping[Identifier, Age], rules: Rules
) -> dict[int, frozenset[tuple[str, int]]]:
    limits: dict[int, set[tuple[str, int]]] = {}
    for (kind, value), (first_seen_at, *_) in ages.items():
        if kind in rules.limits:
            year, week, _ = first_seen_at.isocalendar()
            key = f"{kind} {year}-{week}" if kind in rules.weekly else kind
            held = limits.setdefault(number_of((kind, value)), set())
            held.add((key, rules.limits[kind]))
    for pair in rules.splits:
        for identifier in pair:
            held = limits.setdefault(number_of(identifier), set())
            held.add((f"split {pair}", 1))
    return {node: frozenset(held) for node, held in limits.items()}
