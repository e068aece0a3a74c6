"""Who is in by the compiled SQL is who is in by what the definition says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestration.audiences.definitions import Definition
from orchestration.audiences.leaves import leaves_of
from orchestration.audiences.queries import (
    audience_query,
    conditions_queries,
    members_sql,
)
from orchestration.audiences.reading import read_definition
from orchestration.conditions.layout import model_text
from orchestration.conditions.reading import Mistakes
from orchestration.conditions.trees import Condition
from tests.audiences.evaluation import holds, members
from tests.audiences.trees import DEFINITIONS, LEAVES
from tests.audiences.world import (
    NOW,
    PEOPLE,
    TABLES,
    World,
    catalogue,
    crowd,
    rendered,
    worlds,
)

CATALOGUE = catalogue()
# To make a failing example smaller takes minutes, because each try makes tables.
SETTINGS = settings(deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
SCHEMAS = {place.partition(".")[2]: place.partition(".")[0] for place in TABLES}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def read(tree: Any) -> Condition:
    """A definition without mistakes."""
    mistakes = Mistakes()
    condition = read_definition(
        tree,
        (),
        mistakes,
        catalogue=CATALOGUE,
        audience="audience",
        audiences=frozenset({"fans", "audience"}),
    )
    assert not mistakes.found, mistakes.found
    assert condition is not None
    return condition


def built(condition: Condition, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The members by the text of the compiled models, the shared ones as tables."""
    schemas = dict(SCHEMAS)
    for model, query in conditions_queries([condition]).items():
        text = rendered(model_text(query), schema_of=schemas)
        connection.execute(f"create or replace temp table {model} as {text}")
        schemas[model] = "temp"
    text = rendered(model_text(audience_query(condition)), schema_of=schemas)
    return [profile_id for (profile_id,) in connection.execute(text).fetchall()]


def check(tree: Any, world: World, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare, and tell who is in."""
    condition = read(tree)
    found = built(condition, connection)
    assert len(found) == len(set(found))
    assert set(found) == members(tree, world), tree
    asked = members_sql(condition, catalogue=CATALOGUE, now=NOW)
    assert sorted(connection.execute(asked).fetchall()) == sorted(
        (one,) for one in found
    )
    return found


@pytest.mark.parametrize("kind", LEAVES)
def test_each_kind_of_condition_is_what_it_says(
    kind: str, connection: duckdb.DuckDBPyConnection
) -> None:
    @settings(SETTINGS, max_examples=15)
    @given(world=worlds(), trees=st.lists(LEAVES[kind], min_size=4, max_size=8))
    def compare(world: World, trees: list[Any]) -> None:
        world.load(connection)
        for tree in trees:
            check(tree, world, connection)

    compare()


def test_conditions_joined_by_all_any_and_not_are_what_they_say(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    @settings(SETTINGS, max_examples=15)
    @given(world=worlds(), trees=st.lists(DEFINITIONS, min_size=3, max_size=5))
    def compare(world: World, trees: list[Any]) -> None:
        world.load(connection)
        for tree in trees:
            check(tree, world, connection)

    compare()


def test_what_is_the_same_along_a_funnel(connection: duckdb.DuckDBPyConnection) -> None:
    world = crowd()
    world.load(connection)
    view, buy = {"did": "view"}, {"did": "buy"}
    found = []
    for steps in ([view, buy], [view, {**view, "within": "4 hours"}, buy]):
        for same in ([], ["product"], ["product", "is_gift"]):
            # `without` counts by any of these, and by all if it does not say.
            for own in (None, *(same[:length] for length in range(len(same)))):
                without = {"did": "leave"} | ({} if own is None else {"same": own})
                tree = {"funnel": {"steps": steps, "same": same, "without": without}}
                found.append(check(tree, world, connection))
    assert all(found)
    assert len(set(map(frozenset, found))) > 10


def test_each_leaf_tells_of_whom_it_is_true(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    leaves = st.lists(st.one_of(*LEAVES.values()), min_size=1, max_size=6)

    @settings(SETTINGS, max_examples=10)
    @given(world=worlds(), ends=leaves)
    def compare(world: World, ends: list[Any]) -> None:
        world.load(connection)
        definition = Definition("audience", "audience.yml", "us", read({"any": ends}))
        found = leaves_of(definition, catalogue=CATALOGUE, now=NOW)
        assert len(found.words) == len(found.columns) == len(ends)
        rows = connection.execute(found.sql).fetchall()
        assert {row[0]: row[1:] for row in rows} == {
            person: tuple(holds(end, person, world) for end in ends)
            for person in PEOPLE
        }

    compare()
