"""The data types of traits: which one follows from a definition, which else fit."""

from __future__ import annotations

import re

from orchestration.conditions.comparisons import Column

_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_WIDEST = 38
_WHOLE = ("tinyint", "smallint", "integer", "int", "bigint", "hugeint")
_FLOATING = ("float", "real", "double")


def default_type(type: str, function: str, column: Column | None) -> str | None:
    """The type that a trait has unless its yml wants another; None if nobody knows."""
    if type in ("event_counter", "unique_list_count"):
        return "bigint"
    if column is None or column.data_type is None:
        return None
    of_column = column.data_type.lower()
    if type == "unique_list":
        return f"{of_column}[]"
    if function not in ("sum", "average"):
        return of_column
    if function == "sum" and of_column in _WHOLE:
        return "bigint"
    return _widened(of_column) or "double"


def is_fitting(wanted: str, default: str) -> bool:
    """Whether values of the type that follows from a definition go into another one:
    numbers into numbers, all else only into its own."""
    if _spaced(wanted) == _spaced(default):
        return True
    kinds = {Column("", one).kind for one in (wanted, default)}
    return kinds == {"number"}


def is_floating(data_type: str | None) -> bool:
    """Whether a sum depends on the order in which it is added up."""
    return data_type is not None and data_type.lower() in _FLOATING


def same_type(one: str, other: str | None) -> bool:
    """Whether two names mean the same type."""
    return other is not None and _spaced(one) == _spaced(other)


def _widened(data_type: str) -> str | None:
    """A decimal with room for ten billion values; None for any other type."""
    match = _DECIMAL.fullmatch(data_type)
    if match is None:
        return None
    precision, scale = int(match[1]), int(match[2])
    return f"decimal({min(precision + 10, _WIDEST)}, {scale})"


def _spaced(data_type: str) -> str:
    names = {"timestamp with time zone": "timestamptz", "text": "varchar"}
    written = re.sub(r"\s*,\s*", ", ", data_type.lower().strip())
    return names.get(written, written)
