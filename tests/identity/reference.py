"""What the identity graph must be, computed the slow and obvious way.

Events are taken one after the other, as if each were resolved the moment it arrived.
Nothing here is shared with the SQL but the definition.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

Identifier = tuple[str, str]
Node = TypeVar("Node", int, str)


@dataclass(frozen=True)
class Sighting:
    """The identifiers of one event, the strongest first."""

    received_at: datetime
    message_id: str
    identifiers: tuple[Identifier, ...]


@dataclass
class Resolution:
    """Profiles by identifier, merges in order, pairs kept apart with their event."""

    profiles: dict[Identifier, str] = field(default_factory=dict)
    merges: list[tuple[str, str, datetime, str]] = field(default_factory=list)
    conflicts: dict[frozenset[Identifier], str] = field(default_factory=dict)


@dataclass
class _Cluster:
    members: list[Identifier]
    oldest: Identifier


def profile_id(identifier: Identifier) -> str:
    """The public id of the profile whose earliest identifier this is."""
    return hashlib.md5(":".join(identifier).encode()).hexdigest()[:16]  # noqa: S324 - an id, not a secret


def resolve(
    sightings: Iterable[Sighting],
    *,
    priorities: Mapping[str, int],
    limits: Mapping[str, int],
) -> Resolution:
    """Join what each event links, in order of arrival, as far as the limits allow."""
    ordered = sorted(sightings, key=lambda event: (event.received_at, event.message_id))
    age = _ages(ordered, priorities)
    clusters: dict[Identifier, _Cluster] = {}
    born_in: dict[Identifier, str] = {}
    result = Resolution()
    for event in ordered:
        for identifier in event.identifiers:
            clusters.setdefault(identifier, _Cluster([identifier], identifier))
            born_in.setdefault(identifier, event.message_id)
        strongest, *others = event.identifiers
        for other in sorted(set(others), key=lambda i: (priorities[i[0]], age[i])):
            left, right = clusters[strongest], clusters[other]
            if left is right:
                continue
            if _breaks_a_limit(left, right, limits):
                pair = frozenset((strongest, other))
                result.conflicts.setdefault(pair, event.message_id)
                continue
            older, younger = sorted((left, right), key=lambda c: age[c.oldest])
            # What the event itself brought was no profile yet.
            if born_in[younger.oldest] != event.message_id:
                names = profile_id(younger.oldest), profile_id(older.oldest)
                result.merges.append((*names, event.received_at, event.message_id))
            small, large = sorted((left, right), key=lambda c: len(c.members))
            large.members += small.members
            large.oldest = older.oldest
            for identifier in small.members:
                clusters[identifier] = large
    result.profiles = {
        identifier: profile_id(cluster.oldest)
        for identifier, cluster in clusters.items()
    }
    return result


class UnionFind(Generic[Node]):
    """Connected components without limits, for graphs too large for `resolve`."""

    def __init__(self) -> None:
        self._parents: dict[Node, Node] = {}

    def find(self, node: Node) -> Node:
        """The node that stands for the component of `node`."""
        self._parents.setdefault(node, node)
        while self._parents[node] != node:
            self._parents[node] = self._parents[self._parents[node]]
            node = self._parents[node]
        return node

    def join(self, left: Node, right: Node) -> None:
        """Make one component of two."""
        self._parents[self.find(left)] = self.find(right)

    def components(self) -> set[frozenset[Node]]:
        """All components."""
        members: dict[Node, set[Node]] = {}
        for node in self._parents:
            members.setdefault(self.find(node), set()).add(node)
        return {frozenset(component) for component in members.values()}


def _ages(
    ordered: Iterable[Sighting], priorities: Mapping[str, int]
) -> dict[Identifier, int]:
    """Every identifier's place in the order of first arrival; 0 is the oldest."""
    ages: dict[Identifier, int] = {}
    for event in ordered:
        new = sorted(set(event.identifiers), key=lambda i: (priorities[i[0]], i[1]))
        for identifier in new:
            ages.setdefault(identifier, len(ages))
    return ages


def _breaks_a_limit(left: _Cluster, right: _Cluster, limits: Mapping[str, int]) -> bool:
    if not limits:
        return False
    counts = Counter(name for name, _ in left.members + right.members)
    return any(counts[name] > limit for name, limit in limits.items())


@dataclass(frozen=True)
class Graph:
    """Numbered nodes, edges by their order, and what may become one cluster.

    A limit is a pair (key, value) that a node counts toward; joins hold whatever the
    limits, and nodes joined so count as one.
    """

    edges: tuple[tuple[int, int], ...]
    limits: Mapping[int, frozenset[tuple[str, int]]] = field(default_factory=dict)
    joins: tuple[tuple[int, int], ...] = ()
    maximum_nodes: int | None = None


def clusters_of(graph: Graph) -> dict[int, tuple[int, bool]]:
    """Each node's cluster (its smallest node); whether an edge of it was dropped."""
    units = UnionFind[int]()
    for left, right in graph.joins:
        units.join(left, right)
    clusters: dict[int, set[int]] = {}
    ends = [node for edge in graph.joins + graph.edges for node in edge]
    for node in ends:
        clusters.setdefault(units.find(node), set()).add(node)
    cluster_of = {node: clusters[units.find(node)] for node in ends}
    contested: set[int] = set()
    for left, right in graph.edges:
        joined = cluster_of[left] | cluster_of[right]
        if cluster_of[left] is cluster_of[right]:
            continue
        if _is_too_large(joined, units, graph):
            contested |= {left, right}
            continue
        for node in joined:
            cluster_of[node] = joined
    return {
        node: (min(cluster), node in contested) for node, cluster in cluster_of.items()
    }


def _is_too_large(nodes: set[int], units: UnionFind[int], graph: Graph) -> bool:
    held: dict[tuple[str, int], set[int]] = {}
    for node in nodes:
        for limit in graph.limits.get(node, ()):
            held.setdefault(limit, set()).add(units.find(node))
    if any(len(found) > value for (_, value), found in held.items()):
        return True
    size = len({units.find(node) for node in nodes})
    return graph.maximum_nodes is not None and size > graph.maximum_nodes
