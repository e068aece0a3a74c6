"""JSON as it is sent and as DuckDB writes it: quick, and exact where that matters.

What orjson would change without a word (numbers of many digits, integers beyond 64
bits) is read by the standard library and written digit by digit; not-a-number is
refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import orjson

# What the standard library refuses to write must not pass because orjson can.
_STRICT = (
    orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


class NotANumber(float):
    """NaN or an infinity: orjson, which writes null for them, stops at its class."""


class LongNumber(float):
    """A number of more digits than a double has: where it is written it has them all,
    where it is reckoned with it is the nearest double. orjson stops at its class."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def __int__(self) -> int:
        return int(Decimal(self.text))

    def is_integer(self) -> bool:
        return Decimal(self.text) == int(self)


def read_number(text: str) -> float:
    """A number with a fraction, as JSON has it; every digit of it is kept."""
    number = float(text)
    try:
        is_exact = not math.isinf(number) and Decimal(repr(number)) == Decimal(text)
    except InvalidOperation:
        is_exact = False  # an exponent that not even a decimal has
    return number if is_exact else LongNumber(text)


# Types that can have integers beyond 64 bits, or more digits than a double: there
# orjson reads a rounded number.
_MAY_BE_LONG = re.compile(r"HUGEINT|BIGNUM|DECIMAL\((1[6-9]|[23]\d)|JSON|VARIANT|UNION")
_MAY_BE_LIST = re.compile(r"\[|JSON|VARIANT")
# Found at once by its first character; a number in a list may follow another one.
_HAS_MANY_DIGITS = re.compile(r":-?\d[\d.]{15}")
_MAY_BE_NO_NUMBER = re.compile(r"FLOAT|DOUBLE|JSON|VARIANT|UNION")
# DuckDB takes more spellings of these in JSON than Python does, and keeps them.
_TEXT_OR_NO_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|[-+]?(?:nan|inf(?:inity)?)', re.I)
_decoder = json.JSONDecoder(parse_constant=NotANumber, parse_float=read_number)


def json_reader(types: Iterable[str]) -> Callable[[str], Any]:
    """A reader of JSON that DuckDB wrote of columns of these types.

    Numbers are exact whatever their size.
    """
    long = [kind for kind in types if _MAY_BE_LONG.search(kind)]
    if any(_MAY_BE_LIST.search(kind) for kind in long):
        return _decode
    return _read_exactly if long else _read_quickly


def json_carrier(types: Iterable[str]) -> Callable[[str], Any]:
    """As `json_reader`, for what is only sent on: JSON that `json_bytes` copies.

    What may hold not-a-number is read, so that it is found where it is written.
    """
    kinds = list(types)
    if not any(_MAY_BE_NO_NUMBER.search(kind) for kind in kinds):
        return orjson.Fragment
    read = json_reader(kinds)
    is_spelled = any("JSON" in kind for kind in kinds)
    nan, infinity = ("nan", "inf") if is_spelled else ("NaN", "Infinity")

    def carry(text: str) -> Any:
        searched = text.lower() if is_spelled else text
        if nan in searched or infinity in searched:
            return read(text)
        return orjson.Fragment(text)

    return carry


def _read_exactly(text: str) -> Any:
    # Most have no such number: then orjson is as exact, and quicker.
    if _HAS_MANY_DIGITS.search(text):
        return _decode(text)
    return _read_quickly(text)


def _read_quickly(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decode(text)


def _decode(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError:
        return _decoder.decode(_TEXT_OR_NO_NUMBER.sub(_usual_spelling, text))


def _usual_spelling(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else "NaN"


def json_bytes(data: Any) -> bytes:
    """The data as compact JSON; not-a-number is an error."""
    try:
        return orjson.dumps(data, option=_STRICT)
    except TypeError:
        return orjson.dumps(_written(data), option=_STRICT)


def _written(data: Any) -> Any:
    """The data with all that orjson stops at put so that it does not."""
    match data:
        case bool():
            return data
        case LongNumber():
            return orjson.Fragment(data.text)
        case float():
            if not math.isfinite(data):
                raise ValueError(f"Out of range float values are no JSON: {data}")
            return float(data)
        case int():
            return orjson.Fragment(int.__repr__(data))
        case str():
            return str(data)
        case dict():
            return {_name(name): _written(value) for name, value in data.items()}
        case list() | tuple():
            return [_written(value) for value in data]
    return data


def _name(name: Any) -> str:
    return str(name) if isinstance(name, str) else json.dumps(name)


def json_text(value: Any, *, long_as_text: bool = False) -> str:
    """The value of a column as JSON, as the standard library writes it, but for numbers
    of many digits, which keep them; as texts, for a reader that rounds numbers."""
    match value:
        case LongNumber():
            return f'"{value.text}"' if long_as_text else value.text
        case dict():
            fields = (
                f"{json_text(name)}: {json_text(inner, long_as_text=long_as_text)}"
                for name, inner in value.items()
            )
            return "{" + ", ".join(fields) + "}"
        case list():
            items = (json_text(inner, long_as_text=long_as_text) for inner in value)
            return "[" + ", ".join(items) + "]"
    return json.dumps(value, ensure_ascii=False)
