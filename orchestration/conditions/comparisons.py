"""Comparisons: what a property, trait or column has to be.

`{property: total, at_least: 50}`: a name and one operator. The operators are Segment's;
each says which kinds of column it takes, how people say it and what it is in SQL. One
that finds no value is not true, `not_equals` and its like included; `absent` is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlglot import exp

from orchestration.conditions.dbt_sql import ago, call, moment, text, time
from orchestration.conditions.reading import (
    Length,
    Mistakes,
    Place,
    nearest,
    read_length,
)
from orchestration.conditions.windows import read_time, time_words

Kind = Literal["text", "number", "boolean", "time", "list", "json", "unknown"]
Takes = Literal["one", "many", "yes", "length", "time"]
Sql = Callable[[exp.Expr, Sequence[exp.Expr]], exp.Expr]
Value = str | int | float | Decimal | bool | datetime | Length

_KINDS: Mapping[str, Kind] = {
    "varchar": "text",
    "text": "text",
    "uuid": "text",
    "boolean": "boolean",
    "json": "json",
    "date": "time",
    **dict.fromkeys(
        ("tinyint", "smallint", "integer", "int", "bigint", "hugeint"), "number"
    ),
    **dict.fromkeys(("float", "real", "double", "decimal"), "number"),
    **dict.fromkeys(("timestamp", "timestamptz", "timestamp with time zone"), "time"),
}


@dataclass(frozen=True)
class Column:
    """A column that can be compared. `data_type` as the yml has it, if it does."""

    name: str
    data_type: str | None = None
    description: str = ""
    is_pii: bool = False

    @property
    def kind(self) -> Kind:
        """What sort of values it holds."""
        if self.data_type is None:
            return "unknown"
        name = self.data_type.lower().strip()
        if name.endswith("[]"):
            return "list"
        return _KINDS.get(name.partition("(")[0].strip(), "unknown")


@dataclass(frozen=True)
class Operator:
    """One way to compare. `words` has `{}` where the value is said."""

    takes: Takes
    kinds: tuple[Kind, ...]
    words: str
    sql: Sql
    is_ahead: bool = False
    """Whether a length of time is counted from the build on, instead of back."""


@dataclass(frozen=True)
class Comparison:
    """A column, an operator and what it is compared with: values, or another column."""

    column: Column
    operator: str
    values: tuple[Value, ...] = ()
    other: Column | None = None

    @property
    def words(self) -> str:
        """How people say it."""
        if self.other is not None:
            said = self.other.name
        else:
            said = " or ".join(value_words(value) for value in self.values)
        return f"{self.column.name} {OPERATORS[self.operator].words.format(said)}"

    def holds(self, left: exp.Expr, other: exp.Expr | None = None) -> exp.Expr:
        """The condition in SQL; `left` is the column, `other` the one it is held
        against, if it is one."""
        operator = OPERATORS[self.operator]
        if other is not None:
            right = [other]
        else:
            right = [
                _literal(value, is_ahead=operator.is_ahead) for value in self.values
            ]
        return operator.sql(left, right)


def value_words(value: Value) -> str:
    """A value as people say it."""
    match value:
        case bool():
            return "true" if value else "false"
        case Length():
            return value.words
        case datetime():
            return time_words(value)
        case str():
            return f"'{value}'"
    return str(value)


def read_comparison(
    column: Column,
    found: Mapping[str, Any],
    place: Place,
    mistakes: Mistakes,
    *,
    other_column: Callable[[object, Place], Column | None] | None = None,
) -> Comparison | None:
    """The comparison that stands in `found`, beside the key that names the column.

    `found` holds the remaining keys: exactly one operator. A value may be a map that
    names another column, if `other_column` reads such a one.
    """
    if len(found) != 1:
        names = ", ".join(map(str, found)) or "none"
        mistakes.add(place, f"takes one operator, here are: {names}")
        return None
    [(name, value)] = found.items()
    at = (*place, str(name))
    operator = OPERATORS.get(name)
    if operator is None:
        mistakes.add(at, f"unknown operator; {nearest(name, OPERATORS)}")
        return None
    if column.kind != "unknown" and column.kind not in operator.kinds:
        fitting = [key for key, one in OPERATORS.items() if column.kind in one.kinds]
        mistakes.add(
            at,
            f"'{column.name}' is {column.data_type}, which takes {', '.join(fitting)}",
        )
        return None
    if (
        isinstance(value, Mapping)
        and other_column
        and operator.takes in ("one", "time")
    ):
        other = other_column(value, at)
        if other is None:
            return None
        if "unknown" not in (column.kind, other.kind) and column.kind != other.kind:
            mistakes.add(
                at,
                f"'{column.name}' is {column.data_type}, "
                f"but '{other.name}' is {other.data_type}",
            )
            return None
        return Comparison(column, name, other=other)
    values = _read_values(operator, column, value, at, mistakes)
    return None if values is None else Comparison(column, name, values)


def _read_values(
    operator: Operator, column: Column, value: object, place: Place, mistakes: Mistakes
) -> tuple[Value, ...] | None:
    if operator.takes == "yes":
        if value is not True:
            mistakes.add(place, "takes true; its opposite is an operator of its own")
            return None
        return ()
    if operator.takes == "length":
        length = read_length(value, place, mistakes)
        return None if length is None else (length,)
    if operator.takes == "time":
        at = read_time(value)
        if at is None:
            mistakes.add(place, f"'{value}' is no date, such as 2026-01-31")
        return None if at is None else (at,)
    items = value if operator.takes == "many" else [value]
    if not isinstance(items, list) or not items:
        mistakes.add(place, "takes a list of values, as [GB, IE]")
        return None
    read = [_read_value(column, item, place, mistakes) for item in items]
    values = tuple(value for value in read if value is not None)
    return values if len(values) == len(items) else None


def _read_value(
    column: Column, value: object, place: Place, mistakes: Mistakes
) -> Value | None:
    """A literal in the kind of its column."""
    kind = column.kind
    if kind == "time":
        at = read_time(value)
        if at is None:
            mistakes.add(place, f"'{value}' is no date, such as 2026-01-31")
        return at
    fits = (
        isinstance(value, bool)
        if kind == "boolean"
        else _is_number(value)
        if kind == "number"
        else isinstance(value, bool | str | int | float)
    )
    if not fits:
        wanted = {"boolean": "true or false", "number": "a number"}.get(kind, "a text")
        mistakes.add(place, f"'{value}' does not fit '{column.name}': takes {wanted}")
        return None
    if kind in ("text", "list") and isinstance(value, bool):
        # What yml takes NO, no, off and their like for.
        read = "true" if value else "false"
        mistakes.add(place, f"yml reads this as {read}; put the text in quotes")
        return None
    if kind in ("text", "list") and not isinstance(value, str):
        return str(value)
    assert isinstance(value, bool | str | int | float)  # noqa: S101 - seen above
    return value


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    )


def _literal(value: Value, *, is_ahead: bool) -> exp.Expr:
    match value:
        case bool():
            return exp.true() if value else exp.false()
        case Length():
            return ago(-value.number if is_ahead else value.number, value.unit)
        case datetime():
            return time(value)
        case str():
            return text(value)
    return exp.Literal.number(value)


def _is(kind: type[exp.Binary]) -> Sql:
    """A comparison with one value."""
    return lambda left, right: kind(this=left.copy(), expression=right[0])


def _contains(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    found = [call("instr", left.copy(), part) > 0 for part in right]
    return exp.paren(exp.or_(*found)) if len(found) > 1 else found[0]


def _has_item(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    found = [call("array_contains", left.copy(), item) for item in right]
    return exp.paren(exp.or_(*found)) if len(found) > 1 else found[0]


def _end_is(side: str) -> Sql:
    """Whether a text begins (`left`) or ends (`right`) with another."""
    return lambda left, right: call(
        side, left.copy(), call("length", right[0].copy())
    ).eq(right[0])


def _one_of(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    return exp.In(this=left.copy(), expressions=list(right))


def _not(condition: Sql) -> Sql:
    return lambda left, right: exp.not_(condition(left, right))


def _is_present(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Is(this=left.copy(), expression=exp.Not(this=exp.null()))


def _is_absent(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Is(this=left.copy(), expression=exp.null())


def _up_to_now(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    return exp.and_(left.copy() > right[0], left.copy() <= moment())


def _from_now(left: exp.Expr, right: Sequence[exp.Expr]) -> exp.Expr:
    return exp.and_(left.copy() > moment(), left.copy() <= right[0])


_SCALAR: tuple[Kind, ...] = ("text", "number", "boolean", "time", "unknown")
_NUMBERS: tuple[Kind, ...] = ("number", "unknown")
_TIMES: tuple[Kind, ...] = ("time", "unknown")
_TEXTS: tuple[Kind, ...] = ("text", "unknown")
_ALL: tuple[Kind, ...] = (*_SCALAR, "list", "json")

OPERATORS: Mapping[str, Operator] = {
    "equals": Operator("one", _SCALAR, "is {}", _is(exp.EQ)),
    "not_equals": Operator("one", _SCALAR, "is known and not {}", _is(exp.NEQ)),
    "less_than": Operator("one", _NUMBERS, "is less than {}", _is(exp.LT)),
    "at_most": Operator("one", _NUMBERS, "is at most {}", _is(exp.LTE)),
    "more_than": Operator("one", _NUMBERS, "is more than {}", _is(exp.GT)),
    "at_least": Operator("one", _NUMBERS, "is at least {}", _is(exp.GTE)),
    "one_of": Operator("many", _SCALAR, "is {}", _one_of),
    "none_of": Operator("many", _SCALAR, "is known and none of {}", _not(_one_of)),
    "contains": Operator("one", _TEXTS, "contains {}", _contains),
    "not_contains": Operator(
        "one", _TEXTS, "is known and does not contain {}", _not(_contains)
    ),
    "contains_one_of": Operator("many", _TEXTS, "contains {}", _contains),
    "starts_with": Operator("one", _TEXTS, "starts with {}", _end_is("left")),
    "ends_with": Operator("one", _TEXTS, "ends with {}", _end_is("right")),
    "has": Operator("one", ("list",), "has {}", _has_item),
    "has_not": Operator("one", ("list",), "is known and has not {}", _not(_has_item)),
    "has_one_of": Operator("many", ("list",), "has {}", _has_item),
    "before": Operator("time", _TIMES, "is before {}", _is(exp.LT)),
    "after": Operator("time", _TIMES, "is after {}", _is(exp.GT)),
    "within_last": Operator("length", _TIMES, "was in the last {}", _up_to_now),
    "within_next": Operator(
        "length", _TIMES, "is in the next {}", _from_now, is_ahead=True
    ),
    "before_last": Operator("length", _TIMES, "was more than {} ago", _is(exp.LTE)),
    "after_next": Operator(
        "length", _TIMES, "is more than {} ahead", _is(exp.GT), is_ahead=True
    ),
    "exists": Operator("yes", _ALL, "is known", _is_present),
    "absent": Operator("yes", _ALL, "is not known", _is_absent),
}
"""Every operator by its name in a definition. Texts are compared as they are written,
letter for letter."""
