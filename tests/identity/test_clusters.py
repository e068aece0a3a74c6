"""The materialization `clusters` against one that takes edge after edge.

Many small graphs lie side by side in one table: their nodes differ, so they cannot
touch, and one dbt run decides all of them.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.dbt.conftest import Project
from tests.identity.clusters_project import (
    Batch,
    ClustersProject,
    Edge,
    Limits,
    write_clusters_project,
)
from tests.identity.worlds_of_nodes import (
    DEVICE,
    NOTHING,
    USER,
    Rows,
    add_random_world,
    components_of,
    expected,
)

SECOND_RULES = ("--vars", "{rules: second}")


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


@pytest.mark.parametrize(("model", "cap"), [("limited", None), ("capped", 6)])
def test_every_batch_gives_what_taking_one_edge_after_the_other_gives(
    clusters: ClustersProject, model: str, cap: int | None
) -> None:
    chance = random.Random(20261122)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(3)]
    for _ in range(300):
        add_random_world(clusters, batches, chance)
    known: Rows = {}
    for batch in batches:
        clusters.add(batch)
        clusters.build(model)
        built = clusters.clusters(model)
        assert built == expected(clusters, cap)
        # Who follows the table by batch_id sees every change.
        numbers = clusters.batches(model)
        assert max(numbers.values()) == clusters.batch_id
        for node in built:
            if built[node] != known.get(node):
                assert numbers[node] == clusters.batch_id
        assert clusters.batch_id == 10 or min(numbers.values()) < clusters.batch_id
        known = built
    assert sum(is_contested for _, is_contested, _ in known.values()) > 100
    clusters.build(model, "--full-refresh")
    assert clusters.clusters(model) == known


def test_a_build_with_nothing_new_touches_nothing_and_other_rules_touch_all(
    clusters: ClustersProject,
) -> None:
    chance = random.Random(5)  # noqa: S311 - repeatable, not secret
    batch = Batch()
    for _ in range(30):
        add_random_world(clusters, [batch, batch], chance)
    clusters.add(batch)
    clusters.build()
    assert set(clusters.batches().values()) == {10}
    clusters.build()
    assert set(clusters.batches().values()) == {10}
    clusters.build("limited", *SECOND_RULES)
    assert set(clusters.batches().values()) == {11}
    clusters.joins.append(next(edge for edge in clusters.edges if edge[0] != edge[1]))
    clusters.build("limited", *SECOND_RULES)
    assert set(clusters.batches().values()) == {12}
    assert clusters.clusters() == expected(clusters)
    clusters.splits.pop(next(iter(clusters.splits)))
    clusters.build("limited", *SECOND_RULES)
    assert set(clusters.batches().values()) == {13}
    assert clusters.clusters() == expected(clusters)


def test_what_is_left_undecided_is_told_and_decided_by_later_builds(
    clusters: ClustersProject,
) -> None:
    """A chain decides three edges a round, whatever else arrives meanwhile."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(3)]
    for _ in range(50):
        add_random_world(clusters, batches, chance)
    chain = [-(2**62) - i for i in range(24)]
    batches[0].limits |= dict.fromkeys(chain, DEVICE)
    batches[0].edges |= {
        (right, left): (i, "chain")
        for i, (left, right) in enumerate(itertools.pairwise(chain))
    }
    # Late, at the decided end of the chain; later, at the undecided end.
    batches[1].edges[(chain[1], chain[0] + 1)] = (-1, "late")
    batches[1].edges[(chain[20], chain[0] + 2)] = (100, "later")
    for batch in batches:
        clusters.add(batch)
        clusters.build("hasty")
        assert_right_where_decided(clusters.clusters("hasty"), expected(clusters))
        assert any(
            is_undecided for *_, is_undecided in clusters.clusters("hasty").values()
        )
    for _ in range(20):
        left = sum(
            is_undecided for *_, is_undecided in clusters.clusters("hasty").values()
        )
        if not left:
            break
        clusters.build("hasty")
        assert_right_where_decided(clusters.clusters("hasty"), expected(clusters))
    assert clusters.clusters("hasty") == expected(clusters)


def assert_right_where_decided(built: Rows, right: Rows) -> None:
    """Clusters are parts of the right ones; without an undecided edge, they are it."""
    assert built.keys() == right.keys()
    undecided = {row[0] for row in built.values() if row[2]}
    whole = {right[node][0] for node in built if built[node][0] in undecided}
    parts: dict[int, set[int]] = {}
    for node, row in built.items():
        parts.setdefault(row[0], set()).add(right[node][0])
        if right[node][0] not in whole:
            assert row[0] == right[node][0]
    assert all(len(clusters) == 1 for clusters in parts.values())


def shapes() -> Iterator[Edge]:
    """Graphs that break label propagation, recursion or a fixed number of rounds."""
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    start = 0

    def from_here(edges: list[Edge], size: int) -> Iterator[Edge]:
        nonlocal start
        yield from ((start + left, start + right) for left, right in edges)
        start += size

    def chain(order: list[int]) -> list[Edge]:
        return list(itertools.pairwise(order))

    yield from from_here(chain(list(range(100_000))), 100_000)
    yield from from_here(chain(chance.sample(range(20_000), 20_000)), 20_000)
    bits = [int(f"{i:012b}"[::-1], 2) for i in range(2**12)]
    yield from from_here(chain(bits), 2**12)
    yield from from_here([(5_000, i) for i in range(10_000)], 10_000)
    yield from from_here([(i, (i - 1) // 2) for i in range(1, 4_000)], 4_000)
    yield from from_here([(i, (i + 1) % 500) for i in range(500)], 500)
    yield from from_here([(1, 1), (2, 2), (2, 3)], 4)
    power_law = [int(chance.paretovariate(0.8)) % 20_000 for _ in range(40_000)]
    yield from from_here(
        list(zip(power_law[::2], power_law[1::2], strict=True)), 20_000
    )
    for _ in range(200):
        size = chance.randint(2, 40)
        count = chance.randint(1, 2 * size)
        edges = [(chance.randrange(size), chance.randrange(size)) for _ in range(count)]
        yield from from_here(edges, size)


def test_without_limits_clusters_are_the_components_of_union_find(
    clusters: ClustersProject,
) -> None:
    """An edge model of two columns is all that another entity needs."""
    edges = list(shapes())
    clusters.add(Batch(edges=dict.fromkeys(edges, (0, ""))))
    clusters.build("plain")
    # Not compared in the assertion, which would spell the difference out.
    is_right = clusters.clusters("plain") == components_of(edges)
    assert is_right


def test_without_limits_who_follows_sees_all_of_the_clusters_that_a_batch_touches(
    clusters: ClustersProject,
) -> None:
    chance = random.Random(13)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(4)]
    for _ in range(200):
        add_random_world(clusters, batches, chance)
    known: Rows = {}
    for batch in batches:
        clusters.add(batch)
        clusters.build("growing")
        built = clusters.clusters("growing")
        assert built == components_of(clusters.edges)
        ends = {
            node
            for edge, (_, number) in clusters.edges.items()
            for node in edge
            if number == clusters.batch_id
        }
        changed = {node for node in built if built[node] != known.get(node)}
        touched = {built[node][0] for node in ends}
        seen = {
            node
            for node, number in clusters.batches("growing").items()
            if number == clusters.batch_id
        }
        assert changed <= seen == {n for n, row in built.items() if row[0] in touched}
        assert clusters.batch_id == 10 or seen < built.keys()
        known = built


def test_without_limits_a_build_goes_on_from_one_that_was_killed(
    clusters: ClustersProject,
) -> None:
    """Where there are no transactions, nodes may be there and their names not."""
    chance = random.Random(17)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(3)]
    for _ in range(100):
        add_random_world(clusters, batches, chance)
    for batch in batches[:2]:
        clusters.add(batch)
        clusters.build("growing")
    clusters.project.query("create table graph.saved as from graph.growing__names")
    clusters.add(batches[2])
    clusters.build("growing")
    right, numbers = clusters.clusters("growing"), clusters.batches("growing")
    assert right == components_of(clusters.edges)
    clusters.project.query(
        "create or replace table graph.growing__names as from graph.saved"
    )
    assert clusters.clusters("growing") != right
    clusters.build("growing")
    assert clusters.clusters("growing") == right
    assert clusters.batches("growing") == numbers


def test_a_limit_that_comes_or_goes_makes_all_anew(clusters: ClustersProject) -> None:
    """With it the model is a table, without it a view of two."""
    chance = random.Random(19)  # noqa: S311 - repeatable, not secret
    batches = [Batch() for _ in range(4)]
    for _ in range(50):
        add_random_world(clusters, batches, chance)
    for number, batch in enumerate(batches):
        clusters.add(batch)
        cap = number % 2 and 6
        clusters.build("growing", "--vars", f"{{maximum_nodes: {cap or 'null'}}}")
        built = clusters.clusters("growing")
        tables = clusters.project.query(
            "select table_name from information_schema.tables where table_schema = "
            "'graph' and table_type = 'BASE TABLE' order by all"
        )
        if cap:
            assert max(Counter(cluster for cluster, *_ in built.values()).values()) <= 6
            assert tables == [("growing",)]
        else:
            assert built == components_of(clusters.edges)
            assert tables == [("growing__names",), ("growing__nodes",)]
        assert set(clusters.batches("growing").values()) == {clusters.batch_id}


worlds = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                st.integers(0, 7),
                st.integers(0, 7),
                st.integers(0, 9),
                st.integers(0, 1),
            ),
            min_size=1,
            max_size=20,
        ),
        st.lists(st.sampled_from([NOTHING, USER, DEVICE]), min_size=8, max_size=8),
    ),
    min_size=20,
    max_size=60,
)


@settings(
    max_examples=2,
    # An example costs seconds, so a failing one is not made smaller.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(worlds=worlds)
def test_batches_change_nothing(
    clusters: ClustersProject,
    worlds: list[tuple[list[tuple[int, int, int, int]], list[Limits]]],
) -> None:
    clusters.clear()
    batches = [Batch(), Batch()]
    for place, (edges, limits) in enumerate(worlds):
        first = 8 * place
        batches[0].limits |= {first + i: limit for i, limit in enumerate(limits)}
        for left, right, at, number in edges:
            edge = first + min(left, right), first + max(left, right)
            known = batches[number].edges.setdefault(edge, (at, ""))
            batches[number].edges[edge] = min(known, (at, ""))
    for batch in batches:
        clusters.add(batch)
        clusters.build("capped")
        assert clusters.clusters("capped") == expected(clusters, 6)
