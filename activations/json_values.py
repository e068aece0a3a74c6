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
_decoder = json.JSONDecoder(parse_constant=NotANumber)


def json_reader(types: Iterable[str]) -> Callable[[str], Any]:
    """A reader of JSON that DuckDB wrote of columns of these types.

    Integers are exact whatever their size.
    """
    is_long = any(_MAY_BE_LONG.search(kind) for kind in types)
    return _decoder.decode if is_long else _read_quickly


def _read_quickly(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _decoder.decode(text)


def json_bytes(data: Any) -> bytes:
    """The data as compact JSON; not-a-number is an error."""
    try:
        return orjson.dumps(data, option=_STRICT)
    except TypeError:
        text = json.dumps(
            data, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode()
