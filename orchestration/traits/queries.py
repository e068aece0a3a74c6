"""The query of a topic: the model that its yml is compiled to.

Each event model is read once. What is computed from all of its rows stands in one CTE,
what first counts the values of a property in two; then all of them are joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from orchestration.conditions.dbt_sql import call, column, import_of, ref
from orchestration.traits.definitions import (
    BY_VALUE,
    FUNCTIONS,
    Computed,
    Source,
    Topic,
)
from orchestration.traits.golden import golden_parts
from orchestration.traits.parts import (
    PLACE,
    Part,
    best,
    both,
    cast_to,
    is_known,
    kept,
    when,
)
from orchestration.traits.sources import Scan, scan
from orchestration.traits.types import is_floating

_EVERYBODY = "everybody"


def topic_query(topic: Topic) -> exp.Select:
    """The query that computes the topic."""
    imports: dict[str, exp.Select] = {}
    parts: list[Part] = []
    for source, traits in _by_source(topic):
        rows = scan(topic, source, traits)
        for model in rows.models:
            imports.setdefault(model, import_of(model))
        if any(trait.type in ("first", "last") for trait in traits):
            model = source.table.model
            imports[model] = exp.select("*", PLACE.copy()).from_(ref(model))
        parts += _parts_of(topic, source, rows, traits)
    if topic.golden:
        imports["events"] = import_of("events")
        parts += golden_parts(topic.golden)
    ctes: list[tuple[str, exp.Query]] = [*imports.items()]
    if len(parts) == 1:
        ctes += parts[0].steps
        query = _in_order(topic, parts[0].query)
    else:
        for part in parts:
            ctes += [*part.steps, (part.name, part.query)]
        query, everybody = _joined(topic, parts)
        ctes += everybody
    for name, step in ctes:
        query = query.with_(name, as_=step, copy=False)
    return query


def _by_source(topic: Topic) -> list[tuple[Source, list[Computed]]]:
    """The traits of each source, in the order of the yml."""
    found: dict[tuple[str, bool], tuple[Source, list[Computed]]] = {}
    for trait in topic.computed:
        key = (trait.source.table.model, trait.source.is_members)
        found.setdefault(key, (trait.source, []))[1].append(trait)
    return list(found.values())


def _parts_of(
    topic: Topic, source: Source, rows: Scan, traits: Sequence[Computed]
) -> list[Part]:
    """The parts that read one source: what is computed at once, then by property."""
    model = source.table.model
    name = f"members_{model}" if source.is_members else model
    at_once = [trait for trait in traits if trait.type not in BY_VALUE]
    parts = []
    if at_once:
        query = rows.rows.select(_aliased(rows.key, topic.key)).group_by(rows.key)
        for trait in at_once:
            query = query.select(exp.alias_(_aggregate(trait, rows), trait.name))
        parts.append(_part(model, f"{name}_traits", query, at_once))
    by_column: dict[str, list[Computed]] = {}
    for trait in traits:
        if trait.type in BY_VALUE and trait.column is not None:
            by_column.setdefault(trait.column.name, []).append(trait)
    for property, counted in by_column.items():
        parts.append(_by_value(topic, f"{name}_by_{property}", rows, counted))
    return parts


def _part(
    source: str,
    name: str,
    query: exp.Select,
    traits: Sequence[Computed],
    steps: Sequence[tuple[str, exp.Select]] = (),
) -> Part:
    counts = frozenset(
        trait.name
        for trait in traits
        if trait.type in ("event_counter", "unique_list_count")
    )
    others = frozenset(trait.name for trait in traits) - counts
    return Part(source, name, query, counts, others, list(steps))


def _aggregate(trait: Computed, rows: Scan) -> exp.Expr:
    """What is computed from all rows of a key at once."""
    condition = rows.condition(trait)
    if trait.column is None:
        counted = exp.Star() if condition is None else exp.Literal.number(1)
        return exp.Count(this=when(condition, counted))
    value = rows.names(trait.source.table.model, trait.column)
    if trait.type in ("first", "last"):
        counts = both(is_known(value), condition)
        chosen = best(value, counts, column("place"), is_least=trait.type == "first")
        return kept(chosen, trait.data_type, trait.column)
    function = FUNCTIONS[trait.function]
    if trait.function in ("minimum", "maximum"):
        found = exp.func(function, when(condition, value))
        return kept(found, trait.data_type, trait.column)
    if is_floating(trait.column.data_type) and not is_floating(trait.data_type):
        # Added up as decimals, a sum does not depend on the order of the rows.
        value = cast_to(value, trait.data_type)
    return cast_to(exp.func(function, when(condition, value)), trait.data_type)


def _by_value(topic: Topic, name: str, rows: Scan, traits: Sequence[Computed]) -> Part:
    """What is computed from how often each value of a property came."""
    [first, *_] = traits
    model, property = first.source.table.model, first.column
    assert property is not None  # noqa: S101 - such traits have one
    value = rows.names(model, property)
    by_value = rows.rows.select(_aliased(rows.key, topic.key), value)
    query = exp.select(topic.key).from_(name).group_by(topic.key)
    for trait in traits:
        times = exp.Count(this=when(rows.condition(trait), value.copy()))
        by_value = by_value.select(exp.alias_(times, f"{trait.name}_times"))
        query = query.select(exp.alias_(_of_counts(trait), trait.name))
    by_value = by_value.group_by(rows.key, value)
    return _part(model, f"{name}_traits", query, traits, [(name, by_value)])


def _of_counts(trait: Computed) -> exp.Expr:
    """A trait from the values of a property and how often each came."""
    assert trait.column is not None  # noqa: S101 - such traits have one
    value, times = column(trait.column.name), column(f"{trait.name}_times")
    if trait.type == "most_frequent":
        is_enough = times >= trait.minimum_frequency
        chosen = best(
            value, is_enough, exp.Neg(this=times.copy()), value.copy(), is_least=True
        )
        return kept(chosen, trait.data_type, trait.column)
    there = times > 0
    number = exp.Count(this=when(there, exp.Literal.number(1)))
    if trait.type == "unique_list_count":
        return number
    # Distinct takes the null out that stands for the values that do not count.
    values = call("array_agg", when(there.copy(), value))
    return when(number > 0, call("array_sort", call("array_distinct", values)))


def _joined(
    topic: Topic, parts: Sequence[Part]
) -> tuple[exp.Select, list[tuple[str, exp.Query]]]:
    """The parts side by side, and the CTE with the keys of all of them if they are of
    several sources."""
    of_sources = {part.source: part for part in reversed(parts)}
    first = parts[0].name
    everybody: list[tuple[str, exp.Query]] = []
    if len(of_sources) > 1:
        first = _EVERYBODY
        bases = [part for part in parts if of_sources[part.source] is part]
        keys = [exp.select(topic.key).from_(part.name) for part in bases]
        everybody = [(first, exp.union(*keys, distinct=True))]
    query = exp.select(column(topic.key, first)).from_(first)
    for trait in topic.traits:
        [part] = [one for one in parts if trait.name in one.traits]
        value: exp.Expr = column(trait.name, part.name)
        if trait.name in part.counts and part.name != first:
            zero = exp.Literal.number(0)
            value = exp.alias_(exp.func("coalesce", value, zero), trait.name)
        query = query.select(value)
    for part in parts:
        if part.name != first:
            same = column(topic.key, first).eq(column(topic.key, part.name))
            query = query.join(part.name, on=same, join_type="left")
    return query, everybody


def _in_order(topic: Topic, query: exp.Select) -> exp.Select:
    """The query with its columns in the order of the yml."""
    columns = {one.alias_or_name: one for one in query.expressions}
    names = [topic.key, *(trait.name for trait in topic.traits)]
    return query.select(*(columns[name] for name in names), append=False)


def _aliased(key: exp.Expr, name: str) -> exp.Expr:
    return key.copy() if key.name == name else exp.alias_(key.copy(), name)
