"""Definitions of every kind, as they stand in yml."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from tests.audiences.world import EVENTS, PROPERTIES, TEXTS, TRAITS

Tree = Any
_NAMES = st.sampled_from(sorted(EVENTS) + sorted(EVENTS.values()))
_LENGTHS = st.sampled_from(
    [
        "1 minute",
        "30 minutes",
        "1 hour",
        "2 hours",
        "1 day",
        "2 days",
        "1 week",
        "30 days",
        "60 days",
    ]
)
_NUMBERS = st.sampled_from((0, 1, 2, 2.5, 4))
_TEXT = st.sampled_from(TEXTS)
_DATES = st.sampled_from(
    ("2026-11-22", "2026-11-21 12:00", "2026-11-22T11:00:00+00:00", date(2026, 10, 1))
)
_YES = st.just(True)


def _one(values: st.SearchStrategy[Any], *operators: str) -> st.SearchStrategy[Tree]:
    return st.tuples(st.sampled_from(operators), values).map(lambda pair: dict([pair]))


def _some(values: st.SearchStrategy[Any], *operators: str) -> st.SearchStrategy[Tree]:
    return _one(st.lists(values, min_size=1, max_size=3), *operators)


_KNOWN = _one(_YES, "exists", "absent")
NUMBER_TESTS = _one(
    _NUMBERS, "equals", "not_equals", "less_than", "at_most", "more_than", "at_least"
) | _some(_NUMBERS, "one_of", "none_of")

TESTS = {
    "decimal(12, 2)": NUMBER_TESTS | _KNOWN,
    "bigint": NUMBER_TESTS | _KNOWN,
    "varchar": _KNOWN
    | _one(_TEXT, "equals", "not_equals", "contains", "not_contains")
    | _one(_TEXT, "starts_with", "ends_with")
    | _some(_TEXT, "one_of", "none_of", "contains_one_of"),
    "boolean": _KNOWN | _one(st.booleans(), "equals", "not_equals"),
    "timestamptz": _KNOWN
    | _one(_DATES, "equals", "not_equals", "before", "after")
    | _some(_DATES, "one_of", "none_of")
    | _one(_LENGTHS, "within_last", "within_next", "before_last", "after_next"),
    "varchar[]": _KNOWN | _one(_TEXT, "has", "has_not") | _some(_TEXT, "has_one_of"),
}
"""What can be asked of a column, by its type."""


def _asked(key: str, columns: dict[str, str]) -> st.SearchStrategy[Tree]:
    return st.sampled_from(sorted(columns.items())).flatmap(
        lambda column: TESTS[column[1]].map(lambda test: {key: column[0], **test})
    )


def _joined(leaves: st.SearchStrategy[Tree], most: int) -> st.SearchStrategy[Tree]:
    return st.recursive(
        leaves,
        lambda inside: (
            st.lists(inside, min_size=1, max_size=3).flatmap(
                lambda parts: st.sampled_from(({"all": parts}, {"any": parts}, parts))
            )
            | inside.map(lambda part: {"not": part})
        ),
        max_leaves=most,
    )


_TRAIT = (
    _asked("trait", {**TRAITS, "level": "bigint"})
    | st.sampled_from(("score", "level")).map(
        lambda name: {"trait": name, "at_least": {"trait": "score"}}
    )
    | st.just({"trait": "traits_level.level", "more_than": 1})
)
_OF_EVENTS = _joined(
    _asked("property", PROPERTIES)
    | _TRAIT
    | st.sampled_from(
        (
            {"property": "total", "more_than": {"trait": "score"}},
            {"property": "product", "equals": {"trait": "country"}},
            {"property": "timestamp", "before": {"property": "ships_at"}},
        )
    ),
    2,
)
_WINDOWS: st.SearchStrategy[Tree] = st.one_of(
    st.just({}),
    _LENGTHS.map(lambda length: {"within": length}),
    st.sampled_from(
        (
            {"between": ["2 days", "1 hour"]},
            {"between": ["60 days", "30 days"]},
            {"between": [date(2026, 11, 1), "2026-11-22 11:00"]},
        )
    ),
    st.builds(
        lambda which, period: {"during": f"{which} {period}"},
        st.sampled_from(("this", "last")),
        st.sampled_from(("day", "week", "month", "quarter", "year")),
    ),
)
_NOTHING: st.SearchStrategy[Tree] = st.just({})
_WHERE = _NOTHING | _OF_EVENTS.map(lambda tree: {"where": tree})
_COUNTS = _NOTHING | NUMBER_TESTS.map(lambda test: {"count": test})


@st.composite
def _dids(draw: st.DrawFn) -> Tree:
    made = draw(
        st.sets(st.sampled_from(("sum", "average", "minimum", "maximum")), max_size=1)
    )
    numbers = {
        name: {"property": "total", **draw(NUMBER_TESTS)} for name in sorted(made)
    }
    if draw(st.integers(0, 9)) == 0:
        test = draw(_one(_LENGTHS, "within_last", "before_last"))
        numbers |= {"maximum": {"property": "timestamp", **test}}
    parts = (draw(_WINDOWS), draw(_WHERE), draw(_COUNTS))
    tree: Tree = {"did": draw(_NAMES), **numbers}
    for part in parts:
        tree |= part
    return tree


@st.composite
def funnels(draw: st.DrawFn) -> Tree:
    """One step after the other."""
    steps = [
        {"did": draw(_NAMES), **draw(_WHERE)}
        | ({"within": draw(_LENGTHS)} if number and draw(st.booleans()) else {})
        for number in range(draw(st.integers(2, 4)))
    ]
    funnel: Tree = {"steps": steps, **draw(_WINDOWS)}
    if draw(st.booleans()):
        funnel["without"] = {"did": draw(_NAMES), **draw(_WHERE)}
    if draw(st.booleans()):
        same = ["product", ["product"], ["product", "is_gift"]]
        funnel["same"] = draw(st.sampled_from(same))
        if "without" in funnel and draw(st.booleans()):
            own = [[], "product", ["product"]]
            funnel["without"]["same"] = draw(st.sampled_from(own))
    return {"funnel": funnel}


def _related() -> st.SearchStrategy[Tree]:
    columns = {
        "accounts": {"plan": "varchar", "seats": "bigint"},
        "subscriptions": {"status": "varchar", "fee": "bigint"},
    }
    return st.sampled_from(sorted(columns)).flatmap(
        lambda model: st.builds(
            lambda where, count: {"related": model, **where, **count},
            st.just({})
            | _joined(_asked("column", columns[model]), 2).map(
                lambda one: {"where": one}
            ),
            _COUNTS,
        )
    )


_DID_NOT = st.builds(
    lambda event, where, window: {"did_not": event, **where, **window},
    _NAMES,
    _WHERE,
    _WINDOWS,
)
_ONE = _TRAIT | _dids() | _DID_NOT | st.just({"in": "fans"}) | funnels() | _related()
_OF_ACCOUNTS = (
    _asked("column", {"plan": "varchar", "seats": "bigint"})
    | _asked("trait", {"orders": "bigint"})
    | st.just({"column": "seats", "at_most": {"trait": "orders"}})
)
_ACCOUNT = st.builds(
    lambda users, matching: {"account": {"users": users, "matching": matching}},
    st.sampled_from(("any", "all", "none")),
    _joined(_ONE, 3),
) | _joined(_OF_ACCOUNTS, 2).map(lambda tree: {"account": {"where": tree}})

LEAVES = {
    "did": _dids(),
    "did_not": _DID_NOT,
    "trait": _TRAIT,
    "in": st.just({"in": "fans"}),
    "funnel": funnels(),
    "account": _ACCOUNT,
    "related": _related(),
}
"""Definitions of one condition, by its kind."""

DEFINITIONS = _joined(_ONE | _ACCOUNT, 5)
"""Definitions of any size."""
