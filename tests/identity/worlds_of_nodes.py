"""Small random graphs for the materialization `clusters`, and what it makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.identity.clusters_project import Batch, ClustersProject, Edge, Limits
from tests.identity.reference import UnionFind, clusters_of

Rows = dict[int, tuple[int, bool, bool]]

# What a node counts toward: nothing, a type, a type within a week.
NOTHING: Limits = frozenset()
USER: Limits = frozenset({("user", 1)})
DEVICE: Limits = frozenset({("device", 3)})
COOKIE: Limits = frozenset({("cookie week 2", 2)})
EARLIER_COOKIE: Limits = frozenset({("cookie week 1", 2)})


def add_random_world(
    project: ClustersProject, batches: list[Batch], chance: random.Random
) -> None:
    """Spread a small graph over the batches, in order of time or out of it."""
    nodes = [chance.getrandbits(63) - 2**62 for _ in range(chance.randint(2, 16))]
    is_in_order = chance.random() < 0.5
    span = chance.choice([3, 20, 1000])
    if chance.random() < 0.8:
        kinds = [NOTHING, USER, DEVICE, DEVICE, COOKIE]
        batches[0].limits |= {node: chance.choice(kinds) for node in nodes}
    for _ in range(chance.randint(1, 3 * len(nodes))):
        left, right = chance.choice(nodes), chance.choice(nodes)
        number = chance.randrange(len(batches))
        at = chance.randrange(span) + (number * span if is_in_order else 0)
        edge = min(left, right), max(left, right)
        order = at, str(chance.randrange(3))
        known = batches[number].edges.setdefault(edge, order)
        batches[number].edges[edge] = min(known, order)
    # A late event moves the first sight of a cookie to another week.
    cookies = [node for node in nodes if batches[0].limits.get(node) == COOKIE]
    if cookies and chance.random() < 0.3:
        batches[-2].limits[chance.choice(cookies)] = EARLIER_COOKIE
    if chance.random() < 0.2 and len(nodes) > 3:
        project.joins += [(nodes[0], nodes[1])]
        if chance.random() < 0.5:
            project.joins += [(nodes[2], nodes[1])]
    if chance.random() < 0.3:
        limit = frozenset({(f"split {nodes[0]}", 1)})
        project.splits |= {nodes[0]: limit, nodes[-1]: limit}


def expected(project: ClustersProject, maximum_nodes: int | None = None) -> Rows:
    """What the reference makes of everything seen so far."""
    found = clusters_of(project.graph(maximum_nodes))
    return {node: (*row, False) for node, row in found.items()}


def components_of(edges: Iterable[Edge]) -> Rows:
    """What union-find makes of edges that nothing limits."""
    forest = UnionFind[int]()
    for left, right in edges:
        forest.join(left, right)
    return {
        node: (smallest, False, False)
        for component in forest.components()
        for smallest in [min(component)]
        for node in component
    }
