"""The materialization `clusters` against one that takes edge after edge.

Many small graphs lie side by side in one table: their nodes differ, so they cannot
touch, and one dbt run decides all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dbt.clusters_project import (
    Batch,
    ClustersProject,
    Limits,
    write_clusters_project,
)
from tests.dbt.conftest import Project
from tests.dbt.identity_reference import clusters_of

BUILDS = 5
MAXIMUM_NODES = 7
# What a node counts toward: nothing, a type, a type within a week.
NOTHING: Limits = frozenset()
USER: Limits = frozenset({("user", 1)})
DEVICE: Limits = frozenset({("device", 3)})
COOKIE: Limits = frozenset({("cookie week 2", 2)})
EARLIER_COOKIE: Limits = frozenset({("cookie week 1", 2)})


@pytest.fixture(scope="module")
def project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the project; all tests parse it once."""
    return write_clusters_project(tmp_path_factory.mktemp("clusters"))


@pytest.fixture
def clusters(make_project: Callable[[], Project], project_dir: Path) -> ClustersProject:
    """A project with empty tables."""
    project = make_project()
    project.project_dir = project_dir
    return ClustersProject(project)


def add_random_world(
    project: ClustersProject, batches: list[Batch], chance: random.Random
) -> None:
    """Spread a small graph over the batches, in order of time or out of it."""
    nodes = [chance.getrandbits(62) for _ in range(chance.randint(2, 16))]
    is_in_order = chance.random() < 0.5
    span = chance.choice([3, 20, 1000])
    has_limits = chance.random() < 0.8
    for node in nodes:
        if has_limits:
            batches[0].limits[node] = chance.choice(
                [NOTHING, USER, DEVICE, DEVICE, COOKIE]
            )
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


def expected_clusters(
    project: ClustersProject, maximum_nodes: int | None = None
) -> dict[int, tuple[int, bool, bool]]:
    """What the reference makes of everything seen so far."""
    found = clusters_of(project.graph(maximum_nodes))
    return {node: (*row, False) for node, row in found.items()}


@pytest.mark.parametrize("maximum_nodes", [None, MAXIMUM_NODES])
def test_every_batch_gives_what_taking_one_edge_after_the_other_gives(
    clusters: ClustersProject, maximum_nodes: int | None
) -> None:
    chance = random.Random(20261122)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(BUILDS)]
    for _ in range(600):
        add_random_world(clusters, batches, chance)
    known: dict[int, tuple[int, bool, bool]] = {}
    for batch in batches:
        clusters.add(batch)
        clusters.build(maximum_nodes=maximum_nodes)
        built = clusters.clusters()
        assert built == expected_clusters(clusters, maximum_nodes)
        newest = {
            node
            for node, batch_id in clusters.batches().items()
            if batch_id == clusters.batch_id
        }
        assert newest >= {node for node in built if built[node] != known.get(node)}
        known = built
    assert sum(is_contested for _, is_contested, _ in known.values()) > 100
    former = clusters.batches()
    clusters.build(maximum_nodes=maximum_nodes, full_refresh=True)
    assert clusters.clusters() == known
    assert set(clusters.batches().values()) == {max(former.values()) + 1}
