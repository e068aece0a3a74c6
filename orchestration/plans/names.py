"""Names of models and columns for events and properties, and which column fits what."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache

from collector.plan import PlannedEvent, Rule

ENVELOPE = (
    *("source_id", "message_id", "profile_id", "user_id", "anonymous_id"),
    *("timestamp", "received_at"),
)
"""The columns that `event_columns()` gives every event model."""

_OF_CALLS = {
    "identify": "identified",
    "group": "group_joined",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "alias": "aliased",
}
_DATA_TYPES = {
    "string": "varchar",
    "integer": "bigint",
    "number": "double",
    "boolean": "boolean",
    "array": "json",
    "object": "json",
}
# What can stand in quotes in SQL, in Jinja and in a JSON path, as it is.
_PLAIN = re.compile(r"[^\"'\\{}%#.\x00-\x1f]+")


def snake_case(name: str) -> str:
    """The name in lower-case words joined by `_`: `orderID` becomes `order_id`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    words = re.findall(r"[a-z0-9]+", parted.lower())
    if not words:
        return "x" + hashlib.sha256(name.encode()).hexdigest()[:8]
    return "_".join(words)


def model_name(event: PlannedEvent, taken: Collection[str]) -> str:
    """A name for the event's model that is not taken."""
    name = _OF_CALLS.get(event.type) or snake_case(event.name)
    if event.version > 1:
        name += f"_v{event.version}"
    if name[0].isdigit() or name in reserved_words():
        name = f"event_{name}"
    return _free(name, taken)


def with_columns(event: PlannedEvent, known: Mapping[str, str]) -> PlannedEvent:
    """The event with a column for every outermost property that can be one.

    A property whose path is `known` keeps its column's name.
    """
    columns = dict(event.columns)
    properties = dict(event.properties)
    taken = {*ENVELOPE, *columns.values()}
    inside = {path.split(".")[0] for path in columns}
    for name, rule in event.properties.items():
        if name in inside or not rule.types or not _PLAIN.fullmatch(name):
            continue
        column = known.get(name) or snake_case(name)
        if column in ENVELOPE or column[0].isdigit() or column in reserved_words():
            column = f"property_{column}"
        columns[name] = _free(column, taken)
        taken.add(columns[name])
        properties[name] = replace(rule, data_type=rule.data_type or data_type(rule))
    return replace(event, columns=columns, properties=properties)


def data_type(rule: Rule) -> str:
    """The type of the column that holds every value the rule allows."""
    types = set(rule.types) - {"null"}
    if types == {"string"} and rule.format == "date-time":
        return "timestamptz"
    if types == {"string"} and rule.format == "date":
        return "date"
    if types == {"integer", "number"}:
        return "double"
    columns = {_DATA_TYPES[type] for type in types}
    return columns.pop() if len(columns) == 1 else "varchar"


@cache
def reserved_words() -> frozenset[str]:
    """Words that cannot name a table or a column without quotes."""
    import duckdb

    rows = duckdb.execute(
        "select keyword_name from duckdb_keywords() "
        "where keyword_category in ('reserved', 'type_function')"
    ).fetchall()
    return frozenset(word for (word,) in rows)


def _free(name: str, taken: Collection[str]) -> str:
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
