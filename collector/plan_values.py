"""What one value must be: a rule of the plan as tests, each for a kind of violation.

The warehouse looks at JSON text and casts it; this looks at the values themselves.
Where the warehouse compares text, that of a number is the one that DuckDB writes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson

from collector.patterns import compile_pattern
from collector.plan import Rule
from collector.plan_formats import has_format
from collector.plan_types import INTEGER_BITS, TIMES, base_type

Test = Callable[[Any], bool]

_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}
_JS_DIGITS = range(-5, 22)
"""Where the decimal point of a number may stand that is written without exponent."""


def tests_of(rule: Rule) -> list[tuple[str, Test]]:
    """The kinds of violation that a value can be, each with what it must pass.

    Null is no value, and is not tested.
    """
    tests: list[tuple[str, Test]] = []
    if rule.types:
        tests.append(("type_mismatch", _has_type(rule.types)))
    if (fits := _fits(rule.data_type)) is not None:
        tests.append(("type_mismatch", fits))
    if rule.enum is not None:
        allowed = frozenset(map(text_of, rule.enum))
        tests.append(("enum", lambda value: text_of(value) in allowed))
    if rule.pattern is not None:
        search = compile_pattern(rule.pattern).search
        tests.append(("pattern", lambda value: search(text_of(value)) is not None))
    if rule.format is not None:
        tests.append(("format", _has_format(rule.format)))
    if rule.minimum is not None or rule.maximum is not None:
        tests.append(("range", _is_within(rule.minimum, rule.maximum)))
    return tests


def text_of(value: Any) -> str:
    """The value as text, the way the warehouse reads it out of JSON."""
    if isinstance(value, str):
        return str(value)
    if type(value) is float:
        return _float_text(value)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""  # nested deeper than anything that is stored


def _float_text(value: float) -> str:
    text = repr(value)
    if "e" not in text:
        return text
    sign, digits, exponent = Decimal(text).as_tuple()
    point = len(digits) + int(exponent)
    if point in _JS_DIGITS:
        plain = format(Decimal(text), "f")
        return plain if "." in plain else f"{plain}.0"
    first, *rest = map(str, digits)
    fraction = f".{''.join(rest)}" if rest else ""
    return f"{'-' if sign else ''}{first}{fraction}e{point - 1}"


def _has_type(types: tuple[str, ...]) -> Test:
    classes = frozenset(one for name in types for one in _CLASSES[name])
    takes_fractions = "number" in types
    takes_text = str in classes

    def test(value: Any) -> bool:
        found = type(value)
        if found in classes:
            return takes_fractions or found is not float or value.is_integer()
        return takes_text and isinstance(value, str)

    return test


def _fits(data_type: str | None) -> Test | None:
    """Whether a value of the right JSON type can be held by the column."""
    name = base_type(data_type)
    if name in INTEGER_BITS:
        limit = 2 ** (INTEGER_BITS[name] - 1)
        return lambda value: -limit <= round(value) < limit
    if name in ("decimal", "numeric"):
        return _fits_decimal(data_type or name)
    if name in TIMES:
        return lambda value: has_format("date-time", value)
    return None


def _fits_decimal(data_type: str) -> Test:
    sizes = [int(number) for number in re.findall(r"\d+", data_type)] or [18, 3]
    scale = sizes[1] if len(sizes) > 1 else 0
    limit: int = 10 ** (sizes[0] - scale)
    last_digit = Decimal(1).scaleb(-scale)

    def test(value: Any) -> bool:
        if abs(value) < limit - 1:
            return True
        if abs(value) > limit:
            return False
        rounded = Decimal(str(value)).quantize(last_digit, ROUND_HALF_UP)
        return abs(rounded) < limit

    return test


def _has_format(name: str) -> Test:
    return lambda value: has_format(name, text_of(value))


def _is_within(minimum: float | None, maximum: float | None) -> Test:
    low = -math.inf if minimum is None else minimum
    high = math.inf if maximum is None else maximum

    def test(value: Any) -> bool:
        if type(value) is not int and type(value) is not float:
            return True
        return low <= value <= high

    return test
