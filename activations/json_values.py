"""JSON as it is sent and as DuckDB writes it: quick, and exact where that matters.

What orjson would change without a word (not-a-number, integers beyond 64 bits) goes
through the standard library, which writes it exactly or refuses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

# What the standard library refuses to write must not pass because orjson can.
_STRICT = (
    orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


class NotANumber(float):
    """NaN or an infinity: orjson passes it on to the standard library by its class."""


# Types that can have integers beyond 64 bits, where orjson reads a rounded number.
_MAY_BE_LONG = re.compile(r"HUGEINT|BIGNUM|DECIMAL\((19|[23]\d)|JSON|VARIANT|UNION")
_MAY_BE_NO_NUMBER = re.compile(r"FLOAT|DOUBLE|JSON|VARIANT|UNION")
_decoder = json.JSONDecoder(parse_constant=NotANumber)


def json_reader(types: Iterable[str]) -> Callable[[str], Any]:
    """A reader of JSON that DuckDB wrote of columns of these types.

    Integers are exact whatever their size.
    """
    is_long = any(_MAY_BE_LONG.search(kind) for kind in types)
    return _decoder.decode if is_long else _read_quickly


def json_carrier(types: Iterable[str]) -> Callable[[str], Any]:
    """As `json_reader`, for what is only sent on: JSON that `json_bytes` copies.

    What may hold not-a-number is read, so that it is found where it is written.
    """
    kinds = list(types)
    if not any(_MAY_BE_NO_NUMBER.search(kind) for kind in kinds):
        return orjson.Fragment
    read = json_reader(kinds)

    def carry(text: str) -> Any:
        if "NaN" in text or "Infinity" in text:
            return read(text)
        return orjson.Fragment(text)

    return carry


def _read_quickly(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decoder.decode(text)


def _read_carried(value: Any) -> Any:
    """What a fragment carries, for the library that knows no fragments."""
    if isinstance(value, orjson.Fragment):
        return _decoder.decode(orjson.dumps(value).decode())
    raise TypeError(f"{type(value).__name__} is nothing that JSON has")


def json_bytes(data: Any) -> bytes:
    """The data as compact JSON; not-a-number is an error."""
    try:
        return orjson.dumps(data, option=_STRICT)
    except TypeError:
        text = json.dumps(
            data,
            ensure_ascii=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_read_carried,
        )
        return text.encode()
