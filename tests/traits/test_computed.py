"""Compiled traits against a plain evaluation in Python, on generated events."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle, islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.conditions.comparisons import OPERATORS
from orchestration.conditions.windows import PERIODS
from orchestration.traits.definitions import TYPES, Topic
from tests.traits import reference
from tests.traits.worlds import (
    LENGTHS,
    NOW,
    PROPERTIES,
    WORDS,
    World,
    answer,
    make_world,
    topic_of,
)

Definition = dict[str, Any]

WINDOWS: list[dict[str, Any]] = [
    {},
    *({"within": length} for length in LENGTHS),
    {"between": ["30 days", "1 day"]},
    {"between": ["2 weeks", "90 minutes"]},
    {"between": ["2026-10-01", "2026-11-15"]},
    *({"during": f"{which} {unit}"} for which in ("this", "last") for unit in PERIODS),
]
TIMES = ["2026-11-17", "2026-11-18T15:30:00+00:00"]
OF_EVENTS: list[Definition] = [
    {"type": "event_counter"},
    *(
        {"type": "aggregation", "function": function, "property": property}
        for function in ("sum", "average", "minimum", "maximum")
        for property in ("amount", "number")
    ),
    {"type": "aggregation", "function": "maximum", "property": "seen_at"},
    *(
        {"type": type, "property": property}
        for type in TYPES
        if type not in ("event_counter", "aggregation", "golden")
        for property in ("word", "amount", "number", "is_new", "seen_at")
    ),
    {"type": "most_frequent", "property": "word", "minimum_frequency": 1},
    {"type": "most_frequent", "property": "number", "minimum_frequency": 3},
    {"type": "first", "property": "tags"},
]


def conditions() -> list[Definition]:
    """Every operator, on a column of each kind that it takes."""
    columns = {
        "text": "word",
        "number": "amount",
        "boolean": "is_new",
        "time": "seen_at",
        "list": "tags",
    }
    values: dict[str, list[Any]] = {
        "text": [word for word in WORDS if word],
        "number": [0, 0.01, 50, -1.5],
        "boolean": [True, False],
        "time": TIMES,
        "list": ["a", "b"],
    }
    found = []
    for name, operator in OPERATORS.items():
        for kind in (kind for kind in operator.kinds if kind in columns):
            takes: dict[str, list[Any]] = {
                "yes": [True],
                "length": list(LENGTHS),
                "time": list(TIMES),
                "one": values[kind],
                "many": [values[kind], values[kind][:1]],
            }
            asked = takes[operator.takes]
            found += [{"property": columns[kind], name: one} for one in asked]
    return found


def as_definitions() -> Iterator[Definition]:
    """Every type with every operator, every type with every window, and every operator
    with every window."""
    wheres, types, windows = conditions(), OF_EVENTS, WINDOWS
    by_operator: dict[str, list[Definition]] = {}
    for where in wheres:
        by_operator.setdefault(list(where)[1], []).append(where)
    for place, one in enumerate(types):
        for number, some in enumerate(by_operator.values()):
            window = windows[(place + number) % len(windows)]
            yield {**one, "where": some[place % len(some)], **window}
        for window in windows:
            yield {**one, **window}
    turns = cycle(types)
    for where in wheres:
        yield {**next(turns), "where": where}
    for some in by_operator.values():
        for number, window in enumerate(windows):
            yield {**next(turns), "where": some[number % len(some)], **window}


def type_of(definition: Definition) -> str:
    """The data type that a definition asks for in the yml."""
    if definition["type"] in ("event_counter", "unique_list_count"):
        return "bigint"
    data_type = PROPERTIES[definition["property"]]
    if definition["type"] == "unique_list":
        return f"{data_type}[]"
    if definition.get("function") == "sum":
        return "decimal(22, 2)" if "decimal" in data_type else "bigint"
    return "decimal(18, 4)" if definition.get("function") == "average" else data_type


def assert_equal(
    world: World,
    topic: Topic,
    definitions: dict[str, Definition],
    found: dict[str, dict[str, Any]],
) -> None:
    keys = ["A", "B", "C"] if topic.per == "profile" else ["acme", "bolt", "calm"]
    assert set(found) <= set(keys)
    for key in keys:
        for name, definition in definitions.items():
            model = definition["event"].lower().replace(" ", "_")
            rows = world.rows_of(topic, model, key)
            wanted = reference.value_of(definition, rows, NOW, world.known)
            counts = definition["type"] in ("event_counter", "unique_list_count")
            got = found.get(key, {}).get(name, 0 if counts else None)
            if definition.get("function") == "average" and wanted is not None:
                # The last digit may be rounded either way.
                assert abs(got - wanted) <= Decimal("0.000051"), (key, definition)
            else:
                assert got == wanted, (key, definition)


@pytest.mark.parametrize(
    "settings",
    [
        {"per": "profile"},
        {"per": "account"},
        {"per": "account", "events": "of_members"},
    ],
    ids=["profile", "account", "of_members"],
)
def test_every_type_operator_and_window_gives_what_python_gives(
    settings: dict[str, str],
) -> None:
    random = Random(settings["per"])  # noqa: S311 - nothing secret
    events = cycle(["Thing Done", "thing_done", "Thing Seen"])
    asked = [{**one, "event": next(events)} for one in as_definitions()]
    if settings["per"] == "account":
        asked = random.sample(asked, len(asked) // 4)
    random.shuffle(asked)
    seen = set()
    remaining = iter(asked)
    while group := list(islice(remaining, 60)):
        world = make_world(random, 40)
        definitions = {f"t{number}": one for number, one in enumerate(group)}
        types = {name: type_of(one) for name, one in definitions.items()}
        topic = topic_of(definitions, types, settings)
        with world.connection() as connection:
            found = answer(topic, connection)
        assert_equal(world, topic, definitions, found)
        seen |= {one["type"] for one in group}
    assert seen == set(TYPES) - {"golden"}


TESTS = st.one_of(
    st.sampled_from(conditions()),
    st.sampled_from(
        [
            {"trait": "country", "equals": "GB"},
            {"trait": "age", "at_least": 1},
            {"trait": "traits_known.country", "absent": True},
            {"property": "word", "equals": {"trait": "country"}},
            {"property": "number", "more_than": {"trait": "age"}},
            {"trait": "age", "less_than": {"property": "number"}},
        ]
    ),
)
WHERES = st.recursive(
    TESTS,
    lambda inside: st.one_of(
        st.lists(inside, min_size=1, max_size=3),
        st.builds(
            lambda parts: {"all": parts}, st.lists(inside, min_size=1, max_size=3)
        ),
        st.builds(
            lambda parts: {"any": parts}, st.lists(inside, min_size=1, max_size=3)
        ),
        st.builds(lambda part: {"not": part}, inside),
    ),
    max_leaves=6,
)


@st.composite
def trees(draw: st.DrawFn) -> list[Definition]:
    """A few definitions with conditions of any shape."""
    return [
        {
            **draw(st.sampled_from(OF_EVENTS)),
            **draw(st.sampled_from(WINDOWS)),
            "event": draw(st.sampled_from(["Thing Done", "Thing Seen"])),
            "where": draw(WHERES),
        }
        for _ in range(draw(st.integers(1, 4)))
    ]


@settings(max_examples=80, deadline=None)
@given(
    asked=trees(),
    seed=st.integers(0, 10_000),
    per=st.sampled_from(["profile", "account"]),
)
def test_conditions_of_any_shape_give_what_python_gives(
    asked: list[Definition], seed: int, per: str
) -> None:
    world = make_world(Random(seed), 25)  # noqa: S311 - nothing secret
    definitions = {f"t{number}": one for number, one in enumerate(asked)}
    types = {name: type_of(one) for name, one in definitions.items()}
    topic = topic_of(definitions, types, {"per": per})
    names = {name: _without_model(one) for name, one in definitions.items()}
    with world.connection() as connection:
        found = answer(topic, connection)
    assert_equal(world, topic, names, found)


def _without_model(definition: Any) -> Any:
    """The same, with traits called by their column alone, as the reference does."""
    if isinstance(definition, list):
        return [_without_model(one) for one in definition]
    if not isinstance(definition, dict):
        return definition
    return {
        key: value.rpartition(".")[2] if key == "trait" else _without_model(value)
        for key, value in definition.items()
    }
