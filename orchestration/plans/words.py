"""From rules back to the words of the plan, as they stand in an event model's yml."""

from __future__ import annotations

from typing import Any

from collector.plan import PlannedEvent, Rule
from collector.plan_types import implied_format, json_types

IMPLIED = {"type": "object"}
"""What is known of an object of which only values inside are planned."""


def rule_words(rule: Rule, *, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The words of a rule; properties inside it that are `without` are left out.

    The type of a column is not repeated where its data_type says it already.
    """
    words: dict[str, Any] = {}
    types, format = _own_types(rule)
    if types:
        words["type"] = types[0] if len(types) == 1 else list(types)
    if rule.required:
        words["required"] = True
    if rule.enum is not None:
        words["enum"] = list(rule.enum)
    if rule.pattern is not None:
        words["pattern"] = rule.pattern
    if format is not None:
        words["format"] = format
    if rule.minimum is not None:
        words["minimum"] = rule.minimum
    if rule.maximum is not None:
        words["maximum"] = rule.maximum
    if rule.items is not None:
        words["items"] = rule_words(rule.items)
    inside = {
        name: rule_words(inner)
        for name, inner in rule.properties.items()
        if name not in without
    }
    if inside:
        words["properties"] = inside
    if rule.pii:
        words["pii"] = True
    # A column's description has a place of its own.
    if rule.description and rule.data_type is None:
        words["description"] = rule.description
    return words


def _own_types(rule: Rule) -> tuple[tuple[str, ...], str | None]:
    """The types and the format that the data_type does not tell."""
    if rule.data_type is None:
        return rule.types, rule.format
    types, format = json_types(rule.data_type), implied_format(rule.data_type)
    if rule.types != types or (format is not None and rule.format is None):
        return rule.types, rule.format
    return (), None if rule.format == format else rule.format


def planted(
    event: PlannedEvent,
) -> tuple[list[tuple[str, Rule, dict[str, Any]]], dict[str, dict[str, Any]]]:
    """What the yml says of an event's properties: columns, and rules without a column.

    A column is (path, rule, words). A value inside an object may have a column of its
    own; then it is planned there and not among the properties of the object.
    """
    columns: list[tuple[str, Rule, dict[str, Any]]] = []
    further: dict[str, dict[str, Any]] = {}

    def plant(path: str, rule: Rule) -> None:
        split = frozenset(
            name
            for name in rule.properties
            if any(f"{other}.".startswith(f"{path}.{name}.") for other in event.columns)
        )
        words = rule_words(rule, without=split)
        if path in event.columns:
            columns.append((path, rule, words))
        elif not (split and words == IMPLIED):
            further[path] = words
        for name in split:
            plant(f"{path}.{name}", rule.properties[name])

    for name, rule in event.properties.items():
        plant(name, rule)
    order = list(event.columns)
    columns.sort(key=lambda column: order.index(column[0]))
    return columns, further
