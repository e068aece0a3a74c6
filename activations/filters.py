"""Filters of manifests: how values are cleaned, hashed and written down.

Each takes None for "no value" and gives None where nothing is left after cleaning, so
that an empty or odd value is left out and never makes a whole record fail. What a tool
wants of an e-mail address or a phone number differs; the manifest says which applies.
"""

from __future__ import annotations

import base64 as b64
import hashlib
import hmac
import json as json_module
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import phonenumbers

_HASHED = re.compile(r"[0-9a-f]{64}\Z")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_GMAIL = frozenset({"gmail.com", "googlemail.com"})


class NotPossible(ValueError):
    """A filter was asked for something that no value could give."""


def email(value: Any) -> str | None:
    """An e-mail address, trimmed and in lower case; None where it is none."""
    text = str(value).strip().lower()
    return text if _EMAIL.match(text) else None


def gmail(value: Any) -> str | None:
    """An e-mail address as Google compares it: dots and a +tag of Gmail do not count.

    https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started
    """
    text = email(value)
    if text is None:
        return None
    local, _, domain = text.rpartition("@")
    if domain in _GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local else None


def e164(value: Any, country: str | None = None) -> str | None:
    """A phone number as +14155552671; without a country only numbers that start with +.

    None where no such number exists, by the tables of libphonenumber.
    """
    try:
        number = phonenumbers.parse(str(value), country and country.upper())
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def digits(value: Any) -> str | None:
    """Only the ASCII digits."""
    return re.sub(r"[^0-9]", "", str(value)) or None


def letters(value: Any) -> str | None:
    """Lower case without blanks, punctuation and digits, letters of any script kept."""
    return "".join(c for c in str(value).lower() if c.isalpha()) or None


def alphanumeric(value: Any) -> str | None:
    """Lower case without blanks and punctuation, as in a postcode."""
    return "".join(c for c in str(value).lower() if c.isalnum()) or None


def trimmed(value: Any) -> str | None:
    """Without blanks at either end."""
    return str(value).strip() or None


def country_code(value: Any) -> str | None:
    """A country's two letters, in upper case; None where it is anything else."""
    text = str(value).strip().upper()
    return text if re.fullmatch(r"[A-Z]{2}", text) else None


def lower(value: Any) -> str:
    """In lower case; unlike Jinja's own it makes no text of a null."""
    return str(value).lower()


def upper(value: Any) -> str:
    """In upper case; unlike Jinja's own it makes no text of a null."""
    return str(value).upper()


def sha256(value: Any) -> str | None:
    """SHA-256 in hexadecimal; 64 hexadecimal digits are a hash already and stay."""
    text = str(value)
    if _HASHED.match(text.lower()):
        return text.lower()
    return hashlib.sha256(text.encode()).hexdigest() if text.strip() else None


def md5(value: Any) -> str:
    """MD5 in hexadecimal, where a tool names records by it; not for secrecy."""
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()


def hmac_sha256(value: Any, key: str) -> str:
    """HMAC-SHA256 of the text in hexadecimal, which proves that the key is known."""
    return hmac.new(str(key).encode(), str(value).encode(), "sha256").hexdigest()


def base64(value: Any) -> str:
    """Base64 of the text's UTF-8."""
    return b64.b64encode(str(value).encode()).decode()


def moment(value: Any) -> datetime:
    """A time of the payload: ISO 8601, in UTC where it names no zone; or a date."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise NotPossible(f"'{value}' is not a time") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def unix(value: Any) -> int:
    """Seconds since 1970."""
    return unix_us(value) // 1_000_000


def unix_ms(value: Any) -> int:
    """Milliseconds since 1970."""
    return unix_us(value) // 1000


def unix_us(value: Any) -> int:
    """Microseconds since 1970."""
    since = moment(value) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def date(value: Any, form: str = "%Y-%m-%d") -> str:
    """The time in another form, in UTC; the letters are those of strftime."""
    return moment(value).astimezone(UTC).strftime(form)


def json(value: Any) -> str:
    """JSON text."""
    return json_module.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(value: Any) -> str:
    """A text: true and false as JSON has them, objects and lists as JSON text."""
    if isinstance(value, bool | dict | list):
        return json(value)
    return str(value)


def scalars(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object whose objects and lists are JSON texts, for tools that are flat."""
    return {
        name: json(inner) if isinstance(inner, dict | list) else inner
        for name, inner in value.items()
    }


def texts(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object whose values are texts, for tools that know no other; null stays."""
    return {
        name: None if inner is None else text(inner) for name, inner in value.items()
    }


def capture(value: Any, pattern: str) -> str | None:
    """What the pattern's first group finds in the text; None where it finds nothing."""
    found = re.search(pattern, str(value))
    return found.group(1) if found else None


def only(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The object with these fields alone; what it does not have it does not get."""
    return {name: value[name] for name in names if name in value}


def whole(value: Any) -> int | None:
    """A whole number; None for what is none, such as a place that nobody named."""
    try:
        return int(str(value))
    except ValueError:
        return None


def without(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The object without these fields."""
    return {name: inner for name, inner in value.items() if name not in names}


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object without its empty fields: a null is left out instead of sent."""
    return {name: inner for name, inner in value.items() if inner is not None}


def merged(value: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both objects in one; where both have a field, `other` counts."""
    return {**value, **other}


def required(value: Any, message: str) -> Any:
    """The value, or the record is refused with `message` where there is none."""
    if value is None:
        raise NotPossible(message)
    return value


def _unless_hashed(cleaning: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, which leaves alone what was hashed before it came here."""

    def tolerant(value: Any, *arguments: Any) -> Any:
        if isinstance(value, str) and _HASHED.match(value.lower()):
            return value.lower()
        return cleaning(value, *arguments)

    tolerant.__name__ = cleaning.__name__
    return tolerant


def _or_none(cleaning: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, for which no value stays no value."""

    def tolerant(value: Any, *arguments: Any) -> Any:
        return None if value is None else cleaning(value, *arguments)

    return tolerant


_IDENTIFIERS = (
    *(email, gmail, e164, digits, letters, alphanumeric),
    *(trimmed, country_code),
)
_OTHERS = (
    *(
        lower,
        upper,
        sha256,
        md5,
        hmac_sha256,
        base64,
        unix,
        unix_ms,
        unix_us,
        date,
        json,
    ),
    *(text, scalars, texts, capture, only, without, without_nulls, merged),
)
FILTERS: Mapping[str, Callable[..., Any]] = {
    **{each.__name__: _or_none(_unless_hashed(each)) for each in _IDENTIFIERS},
    **{each.__name__: _or_none(each) for each in _OTHERS},
    # Jinja's own makes 0 of what is no number, and 0 is somebody's place.
    "int": _or_none(whole),
    "required": required,
}
