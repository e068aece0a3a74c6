"""What a column's type says of the property it holds."""

from __future__ import annotations

INTEGER_BITS = {
    "tinyint": 8,
    "smallint": 16,
    "int": 32,
    "integer": 32,
    "bigint": 64,
    "hugeint": 128,
}
NUMBERS = frozenset({"decimal", "numeric", "double", "float", "real"})
BOOLEANS = frozenset({"boolean", "bool"})
TIMES = frozenset({"date", "timestamp", "timestamptz", "timestamp with time zone"})
TEXTS = frozenset({"varchar", "text", "string", "char"})
JSON = frozenset({"json"})
COLUMN_TYPES = (*INTEGER_BITS, *sorted(NUMBERS | BOOLEANS | TIMES | TEXTS | JSON))


def base_type(data_type: str | None) -> str:
    """The type without its parameters: `decimal` of `decimal(12, 2)`."""
    return (data_type or "varchar").lower().split("(")[0].strip()


def json_types(data_type: str | None) -> tuple[str, ...]:
    """The JSON types that a property has where the plan names none."""
    return _fitting(data_type)[0]


def fitting_types(data_type: str | None) -> frozenset[str]:
    """The JSON types that the plan may name beside the column's type."""
    first, more = _fitting(data_type)
    return frozenset({*first, *more, "null"})


def implied_format(data_type: str | None) -> str | None:
    """The format that a property has where the plan names no type."""
    return "date-time" if base_type(data_type) in TIMES else None


def _fitting(data_type: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name = base_type(data_type)
    if name in INTEGER_BITS:
        return ("integer",), ("number",)
    if name in NUMBERS:
        return ("number",), ("integer",)
    if name in BOOLEANS:
        return ("boolean",), ()
    if name in TIMES:
        return ("string",), ()
    if name in JSON:
        return ("array", "object"), ("number", "integer", "boolean")
    return ("string",), ("number", "integer", "boolean", "array", "object")
