"""JSON at the edge: one strict reading, and a second, patient one for what it spoils.

Whatever arrives is parsed once and written anew, so that every later reader (Python,
DuckDB, Spark) sees the same value. The usual body is read by `msgspec`, which proves on
the way that 64 bits hold every number, and that nothing nests deeper than usual. Three
things that real clients send need more, and must not cost the other events of their
batch: the literals NaN and Infinity of Python clients, halves of emojis cut apart by
JavaScript, and integers that no 64-bit column can hold. Only a body that shows signs of
them is read a second time, and only its events are examined value by value.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, NoReturn

import msgspec
import orjson

from collector.errors import Refused, Unacceptable

MAX_DEPTH = 64
MAX_DIGITS = 1_000
USUAL_DEPTH = 10
"""Of a body, batch and all. Each level more doubles what making the reader takes."""

_BOM = b"\xef\xbb\xbf"
_MANY_DIGITS = b"0" * 19  # 2^63 has 19 digits
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_INTEGER = re.compile(rb"[:,\[\s]-?\d{19}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_INT64 = range(-(2**63), 2**63)


def _usual(levels: int) -> Any:
    """The type of a value that nests no deeper, with integers of 64 bits."""
    integer = Annotated[int, msgspec.Meta(ge=_INT64[0], le=_INT64[-1])]
    scalar = bool | integer | float | str | None
    value: Any = scalar
    for _ in range(levels):
        value = scalar | list[value] | dict[str, value]
    return value


_read = msgspec.json.Decoder(_usual(USUAL_DEPTH)).decode


class BigInteger(str):
    """An integer beyond 64 bits, as its digits: a float would lose some of them."""

    __slots__ = ()


class NotANumber(str):
    """A number that JSON cannot express (NaN, Infinity, 1e400), as it was written."""

    __slots__ = ()


class Loaded(NamedTuple):
    """A document, and what its reading left open."""

    document: Any
    is_odd: bool
    """Whether its events must go through `examine`."""
    is_shallow: bool
    """Whether it is known to nest far less deep than an event may."""


@dataclass(frozen=True)
class Examined:
    """A value whose odd parts are mended, and what there is to say of them."""

    value: Any
    flags: list[str]
    fault: Unacceptable | None


def load(body: bytes) -> Loaded:
    """The document of a body, as far as one look tells what it is like.

    Raises `Refused` when the body is not JSON, NaN and cut emojis apart.
    """
    body = body.removeprefix(_BOM)
    try:
        document = _read(body)
    except (msgspec.MsgspecError, ValueError):
        return _load_unusual(body)
    return Loaded(document, _has_nul(body), True)


def examine(value: Any, *, alone: bool) -> Examined:
    """The value with what is odd in it mended; what cannot be is its `fault`.

    In a batch the half of an emoji becomes U+FFFD, as nobody can tell its sender. Sent
    alone it is refused, as is a number that is none: neither is JSON.
    """
    look = _Look(alone)
    mended = look.at(value, "", MAX_DEPTH + 1)
    return Examined(mended, sorted(look.flags), look.fault)


class _Look:
    """One pass over an event's values."""

    def __init__(self, alone: bool) -> None:
        self._alone = alone
        self.flags: set[str] = set()
        self.fault: Unacceptable | None = None

    def at(self, value: Any, path: str, levels: int) -> Any:
        """The value to keep; `levels` is how deep it may still nest."""
        if isinstance(value, (dict, list)):
            if levels == 0:
                self._blame("too_deep", f"nested deeper than {MAX_DEPTH} levels", "")
                return value
            if isinstance(value, list):
                return [self.at(item, path, levels - 1) for item in value]
            return {
                self._key(key, path): self.at(
                    child, f"{path}.{key}" if path else key, levels - 1
                )
                for key, child in value.items()
            }
        if isinstance(value, NotANumber):
            code = "invalid_json" if self._alone else "not_a_number"
            self._blame(code, f"{value[:20]} is not a number in JSON", path)
        elif isinstance(value, BigInteger):
            self.flags.add("number_overflow")
        elif isinstance(value, int) and value not in _INT64:
            self.flags.add("number_overflow")
            return BigInteger(value)
        elif isinstance(value, str):
            return self._text(value, path)
        elif isinstance(value, float) and not math.isfinite(value):
            self._blame("not_a_number", f"{value} is not a number in JSON", path)
        elif value is not None and not isinstance(value, (bool, int, float)):
            kind = type(value).__name__
            self._blame("not_json", f"JSON has no word for a {kind}", path)
        return value

    def _key(self, key: Any, path: str) -> Any:
        if not isinstance(key, str):
            self._blame("not_json", f"a key is no text but {key!r:.20}", path)
            return key
        mended = _without_surrogates(key)
        if mended != key and self._alone:
            self._blame("invalid_json", "a key holds half of a character", path)
        elif mended != key:
            self._blame("bad_key", "a key holds half of a character", path)
        elif "\0" in key:
            self._blame("bad_key", "a key holds the character NUL", path)
        return mended

    def _text(self, value: str, path: str) -> str:
        mended = _without_surrogates(value)
        if mended != value:
            self.flags.add("lone_surrogate")
            if self._alone:
                self._blame("invalid_json", "text holds half of a character", path)
        return mended

    def _blame(self, code: str, detail: str, path: str) -> None:
        if self.fault is None:
            self.fault = Unacceptable(code, detail, path=_without_surrogates(path))


def _load_unusual(body: bytes) -> Loaded:
    """Read what is odd, or deep, or no JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        document = _load_patiently(body, error)
        if not isinstance(document, dict):
            raise _not_json(error) from None
        return Loaded(document, True, False)
    if _MANY_DIGITS in body.translate(_DIGITS_TO_ZERO) and _LONG_INTEGER.search(body):
        return Loaded(_load_patiently(body, None), True, False)
    return Loaded(document, _has_nul(body), False)


def _has_nul(body: bytes) -> bool:
    return b"\\" in body and b"\\u0000" in body


def _load_patiently(body: bytes, error: orjson.JSONDecodeError | None) -> Any:
    """Read what the strict parser refused, or would have rounded."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        _refuse_encoding(body)
    try:
        return json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=NotANumber,
        )
    except RecursionError:
        raise Refused(400, "too_deep", "The body is nested too deep.") from None
    except json.JSONDecodeError as patient:
        if b"\0" in body[:4]:
            _refuse_encoding(body)
        if error is not None and error.msg.startswith("depth limit"):
            raise Refused(400, "too_deep", "The body is nested too deep.") from None
        raise _not_json(error or patient) from None


def _not_json(error: json.JSONDecodeError) -> Refused:
    return Refused(400, "invalid_json", f"The body is not JSON: {error}.")


def _refuse_encoding(body: bytes) -> NoReturn:
    if body.startswith(b"\x1f\x8b"):
        hint = "It looks like gzip without `Content-Encoding: gzip`."
        raise Refused(400, "invalid_json", f"The body is not JSON. {hint}") from None
    raise Refused(400, "invalid_utf8", "The body must be JSON in UTF-8.") from None


def _integer(digits: str) -> int | BigInteger | NotANumber:
    if len(digits) > MAX_DIGITS:
        return NotANumber(digits)
    number = int(digits)
    return number if number in _INT64 else BigInteger(digits)


def _float(digits: str) -> float | NotANumber:
    number = float(digits)
    return number if math.isfinite(number) else NotANumber(digits)


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
