"""What becomes of identifiers event by event, computed the slow and obvious way.

A timeline takes events in order of arrival, joins what each links as far as the limits
allow, and notes what every identifier's profile was called at any time. Nothing here is
shared with the SQL but the definition.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Identifier = tuple[str, str]

PRIORITIES = {"user_id": 1, "email": 2, "anonymous_id": 3, "device": 4}


@dataclass(frozen=True, order=True)
class Event:
    """An event and its identifiers, the strongest first."""

    received_at: datetime
    message_id: str
    source_id: str
    identifiers: tuple[Identifier, ...] = field(compare=False)


@dataclass(frozen=True)
class Rules:
    """What may be joined; `weekly` names the types whose limit is per week."""

    limits: dict[str, int]
    weekly: frozenset[str] = frozenset()
    cap: int | None = None
    includes: tuple[tuple[Identifier, Identifier], ...] = ()
    excludes: tuple[tuple[Identifier, Identifier], ...] = ()


@dataclass(frozen=True)
class Edge:
    """A pair of identifiers, as the first event that shows both."""

    left: Identifier
    right: Identifier
    event: Event
    priority: int

    @property
    def order(self) -> tuple[object, ...]:
        """The place in the order of arrival."""
        return (self.event, self.priority, node_id(self.left), node_id(self.right))


@dataclass
class Period:
    """How long an identifier's profile had one name, and the event that began it."""

    profile_id: str
    effective_at: datetime
    event: Event
    superseded_at: datetime | None = None


def node_id(identifier: Identifier) -> int:
    """A number in no order."""
    digest = hashlib.md5(":".join(identifier).encode()).digest()  # noqa: S324 - a number, not a secret
    return int.from_bytes(digest[8:], signed=True)


def profile_id(identifier: Identifier) -> str:
    """The public id of the profile whose earliest identifier this is."""
    return hashlib.md5(":".join(identifier).encode()).hexdigest()[:16]  # noqa: S324 - an id, not a secret


class Timeline:
    """The profiles of some events; half of the worlds `cut_short` is open."""

    def __init__(
        self,
        events: Iterable[Event],
        rules: Rules,
        *,
        cut_short: frozenset[str] = frozenset(),
    ) -> None:
        self.rules = rules
        self.first: dict[Identifier, Event] = {}
        self.last_seen: dict[Identifier, datetime] = {}
        self.merges: dict[str, tuple[str, datetime, str, str]] = {}
        self.history: dict[Identifier, list[Period]] = {}
        self.conflicts: dict[frozenset[Identifier], tuple[str, str]] = {}
        self._class: dict[Identifier, Identifier] = {}
        self.cluster: dict[Identifier, set[Identifier]] = {}
        ordered = self.events = sorted(events)
        for event in ordered:
            for identifier in event.identifiers:
                self.first.setdefault(identifier, event)
                self.last_seen[identifier] = event.received_at
        self.edges = self._edges_of(ordered)
        self._join_by_rule()
        self._take(ordered, cut_short)
        self._note_conflicts()

    def age(self, identifier: Identifier) -> tuple[object, ...]:
        """The place in the order of first arrival; what was never seen comes last."""
        first = self.first.get(identifier)
        if first is None:
            return (True, identifier)
        name, value = identifier
        return (False, first.received_at, first.message_id, PRIORITIES[name], value)

    def keys(self, identifier: Identifier) -> list[tuple[str, int]]:
        """What the identifier counts toward, each with its limit."""
        found = []
        name = identifier[0]
        if identifier in self.first and name in self.rules.limits:
            week = self.first[identifier].received_at.strftime("%G-W%V")
            key = f"{name} {week}" if name in self.rules.weekly else name
            found.append((key, self.rules.limits[name]))
        for pair in self.rules.excludes:
            if identifier in pair:
                found.append((f"split {pair_key(pair)}", 1))
        return found

    def breaks(self, left: set[Identifier], right: set[Identifier]) -> bool:
        """Whether one profile may not hold both."""
        return bool(self.broken_keys(left, right))

    def broken_keys(
        self, left: set[Identifier], right: set[Identifier]
    ) -> dict[str, int]:
        """Every limit that one profile of both would break."""
        both = left | right
        held: dict[tuple[str, int], set[Identifier]] = {}
        for node in both:
            for key in self.keys(node):
                held.setdefault(key, set()).add(self._class_of(node))
        if self.rules.cap is not None:
            everything = {self._class_of(node) for node in both}
            held["identifiers", self.rules.cap] = everything
        return {
            key: limit for (key, limit), classes in held.items() if len(classes) > limit
        }

    def name(self, identifier: Identifier) -> str:
        """The profile of an identifier."""
        return profile_id(min(self.cluster[identifier], key=self.age))

    def _class_of(self, node: Identifier) -> Identifier:
        return self._class.get(node, node)

    def _edges_of(self, ordered: list[Event]) -> list[Edge]:
        edges: dict[frozenset[Identifier], Edge] = {}
        for event in ordered:
            strongest, *others = event.identifiers
            for other in others:
                left, right = sorted((strongest, other), key=node_id)
                edge = Edge(left, right, event, PRIORITIES[other[0]])
                edges.setdefault(frozenset((left, right)), edge)
        return sorted(edges.values(), key=lambda edge: edge.order)

    def _join_by_rule(self) -> None:
        for place, pair in enumerate(self.rules.includes):
            for node in pair:
                self.cluster.setdefault(node, {node})
            left, right = (self.cluster[node] for node in pair)
            if left is right:
                continue
            older, younger = self._by_age(left, right)
            if younger in self.first:
                names = profile_id(younger), profile_id(older)
                self.merges[names[0]] = (names[1], *rule_fact(place), "rule")
            self._unite(left, right)
        for node, cluster in self.cluster.items():
            self._class[node] = min(cluster)

    def _take(self, ordered: list[Event], cut_short: frozenset[str]) -> None:
        edges: dict[Event, list[Edge]] = {}
        worlds = Counter(world_of(edge.left) for edge in self.edges)
        taken: Counter[str] = Counter()
        for edge in self.edges:
            world = world_of(edge.left)
            taken[world] += 1
            if world not in cut_short or 2 * taken[world] < worlds[world]:
                edges.setdefault(edge.event, []).append(edge)
        for event in ordered:
            for identifier in event.identifiers:
                self.cluster.setdefault(identifier, {identifier})
            for edge in edges.get(event, []):
                self._take_edge(edge)
            for identifier in event.identifiers:
                for member in self.cluster[identifier]:
                    if member in self.first and self.first[member] <= event:
                        self._note_name(member, event)

    def _take_edge(self, edge: Edge) -> None:
        left, right = self.cluster[edge.left], self.cluster[edge.right]
        if left is right or self.breaks(left, right):
            return
        older, younger = self._by_age(left, right)
        if self.first[younger] != edge.event:
            event = edge.event
            self.merges[profile_id(younger)] = (
                profile_id(older),
                event.received_at,
                event.message_id,
                event.source_id,
            )
        self._unite(left, right)

    def _by_age(
        self, left: set[Identifier], right: set[Identifier]
    ) -> tuple[Identifier, Identifier]:
        oldest = [min(cluster, key=self.age) for cluster in (left, right)]
        return min(oldest, key=self.age), max(oldest, key=self.age)

    def _unite(self, left: set[Identifier], right: set[Identifier]) -> None:
        if left is not right:
            left |= right
            for node in right:
                self.cluster[node] = left

    def _note_name(self, identifier: Identifier, event: Event) -> None:
        name = self.name(identifier)
        periods = self.history.setdefault(identifier, [])
        if not periods:
            periods.append(Period(name, event.received_at, event))
        elif periods[-1].profile_id != name:
            if periods[-1].effective_at == event.received_at:
                periods[-1].profile_id = name
                if len(periods) > 1:
                    periods[-1].event = event
            else:
                periods[-1].superseded_at = event.received_at
                periods.append(Period(name, event.received_at, event))

    def _note_conflicts(self) -> None:
        for edge in self.edges:
            left, right = self.cluster[edge.left], self.cluster[edge.right]
            if left is not right:
                state = "refused" if self.breaks(left, right) else "undecided"
                pair = frozenset((edge.left, edge.right))
                self.conflicts[pair] = (state, edge.event.message_id)


def world_of(identifier: Identifier) -> str:
    """The small world that an identifier belongs to, by its value."""
    return identifier[1].split("-")[0]


def rule_fact(place: int) -> tuple[datetime, str]:
    """When the rule at that place among `includes` was made, and its id."""
    made_at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=place)
    return made_at, f"rule-{place:04}"


def pair_key(pair: tuple[Identifier, Identifier]) -> str:
    """A short name of a pair."""
    names = sorted(":".join(identifier) for identifier in pair)
    return hashlib.md5(" ".join(names).encode()).hexdigest()[:16]  # noqa: S324 - a name, not a secret
