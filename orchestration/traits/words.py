"""Traits in plain language, as dbt docs show them."""

from __future__ import annotations

from orchestration.conditions.windows import AllTime
from orchestration.traits.definitions import Computed, Golden, Topic

_FUNCTIONS = {
    "sum": "Sum",
    "average": "Average",
    "minimum": "Smallest",
    "maximum": "Greatest",
}
_RULES = {
    "most_recent": "the one told last",
    "first": "the one told first",
    "most_frequent": "the one told most often, of several such the one told last",
    "longest": "the longest one, of several such the one told last",
}


def trait_words(topic: Topic, trait: Computed | Golden) -> str:
    """What a trait is."""
    if isinstance(trait, Golden):
        return _golden_words(trait)
    source = trait.source.table
    events = f"'{source.title}'"
    if trait.source.is_members:
        rows = "the members of the account"
    elif topic.per == "profile":
        rows = f"{events} events"
    elif topic.events == "of_members":
        rows = f"{events} events of the account's members"
    else:
        rows = f"{events} events on behalf of the account"
    if not isinstance(trait.window, AllTime):
        rows = f"{rows} {trait.window.words}"
    if trait.where is not None:
        rows = f"{rows} where {trait.where.words}"
    return f"{_what(trait)} {rows}."


def _what(trait: Computed) -> str:
    name = trait.column.name if trait.column else ""
    match trait.type:
        case "aggregation":
            return f"{_FUNCTIONS[trait.function]} {name} of"
        case "most_frequent":
            least = trait.minimum_frequency
            enough = f", {least} times or more" if least > 1 else ""
            ties = "of several such the first by its value"
            return f"The {name} that came most often{enough} ({ties}), in"
        case "first" | "last":
            return f"The {name} that came {trait.type}, in"
        case "unique_list":
            return f"Every {name} that came, in order, in"
        case "unique_list_count":
            return f"How many different values of {name} came, in"
    return "Number of"


def _golden_words(trait: Golden) -> str:
    if trait.rule == "source_priority":
        order = ", then ".join(trait.sources)
        chosen = f"that of the most trusted source ({order}, then any other), told last"
    else:
        chosen = _RULES[trait.rule]
        if trait.sources:
            chosen += f", of what {' or '.join(trait.sources)} sent"
    kept = " In lower case." if trait.is_lowered else ""
    return f"Of the values of the trait {trait.trait} in identify calls {chosen}.{kept}"
