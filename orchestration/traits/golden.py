"""Golden traits: of all values of an identity trait that were told, the one to keep."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from orchestration.conditions.dbt_sql import column, macro, moment, text
from orchestration.traits.definitions import Golden
from orchestration.traits.parts import PLACE, Part, best, both, is_known, when

_CALLS = "identifies"


def golden_parts(traits: Sequence[Golden]) -> list[Part]:
    """The parts that choose among the values of identify calls: one for all traits, and
    one for each trait of which the frequent values are counted first."""
    counted = [trait for trait in traits if trait.rule == "most_frequent"]
    others = [trait for trait in traits if trait.rule != "most_frequent"]
    calls = [(_CALLS, _calls(traits))]
    parts = []
    if others:
        query = exp.select("profile_id").from_(_CALLS).group_by("profile_id")
        for trait in others:
            query = query.select(exp.alias_(_chosen(trait), trait.name))
        parts.append(_part("identified", query, others, calls))
        calls = []
    for trait in counted:
        parts.append(_counted(trait, calls))
        calls = []
    return parts


def _part(
    name: str,
    query: exp.Select,
    traits: Sequence[Golden],
    steps: list[tuple[str, exp.Select]],
) -> Part:
    names = frozenset(trait.name for trait in traits)
    return Part("events", name, query, frozenset(), names, steps)


def _calls(traits: Sequence[Golden]) -> exp.Select:
    """The identify calls with the values that they tell."""
    query = exp.select("profile_id", "source_id", PLACE.copy())
    for trait in traits:
        query = query.select(exp.alias_(_told(trait), trait.name))
    conditions = exp.and_(
        column("type").eq("identify"),
        is_known(column("profile_id")),
        column("timestamp") <= moment(),
    )
    return query.from_("events").where(conditions)


def _told(trait: Golden) -> exp.Expr:
    """The value of a trait in a call; null where it is missing, null or blank."""
    written = macro("json_text", "traits", trait.trait)
    if trait.kind == "text":
        trimmed = macro("trimmed", written)
        value = macro("lowered", trimmed) if trait.is_lowered else trimmed
        return exp.func("nullif", value, text(""))
    if trait.kind == "time":
        return macro("parsed_timestamp", written)
    if trait.kind == "number":
        return macro("trait", trait.trait, trait.data_type)
    # Only the JSON value true is a yes: consent is never guessed from a text.
    json_type = macro("json_type_of", "traits", trait.trait)
    is_true = exp.and_(json_type.copy().eq("boolean"), written.eq("true"))
    return when(json_type.neq("null"), is_true)


def _chosen(trait: Golden) -> exp.Expr:
    value, place = column(trait.name), column("place")
    if trait.rule == "source_priority":
        return best(value, is_known(value), _trust(trait), place)
    counts = both(is_known(value), _is_asked(trait))
    if trait.rule == "longest":
        length = exp.Anonymous(this="length", expressions=[value.copy()])
        return best(value, counts, length, place)
    return best(value, counts, place, is_least=trait.rule == "first")


def _trust(trait: Golden) -> exp.Expr:
    """How much the source of a call is trusted: the first one named most."""
    ranks = [
        exp.If(
            this=column("source_id").eq(text(source)),
            true=exp.Literal.number(len(trait.sources) - number),
        )
        for number, source in enumerate(trait.sources)
    ]
    return exp.Case(ifs=ranks, default=exp.Literal.number(0))


def _is_asked(trait: Golden) -> exp.Expr | None:
    """That a call came through one of the sources that the trait takes."""
    if not trait.sources:
        return None
    sources = [text(source) for source in trait.sources]
    return exp.In(this=column("source_id"), expressions=sources)


def _counted(trait: Golden, calls: list[tuple[str, exp.Select]]) -> Part:
    """The value told most often; of several such the one told last."""
    value, values = column(trait.name), f"{_CALLS}_by_{trait.name}"
    times = exp.Count(this=when(_is_asked(trait), value.copy()))
    last = exp.Max(this=when(_is_asked(trait), column("place")))
    by_value = (
        exp.select("profile_id", trait.name)
        .select(exp.alias_(times, "call_count"), exp.alias_(last, "place"))
        .from_(_CALLS)
        .group_by("profile_id", trait.name)
    )
    is_told = column("call_count") > 0
    choice = best(value, is_told, column("call_count"), column("place"))
    query = (
        exp.select("profile_id", exp.alias_(choice, trait.name))
        .from_(values)
        .group_by("profile_id")
    )
    name = f"identified_{trait.name}"
    return _part(name, query, [trait], [*calls, (values, by_value)])
