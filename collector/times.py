"""When an event happened: RFC 3339 times, and the correction of clients' clocks.

Times are microseconds since 1970, UTC. A wrong time never costs an event: it is
replaced, flagged, and what was sent is kept.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

MAX_SKEW = 30 * 86_400_000_000
MAX_AHEAD = 5 * 60_000_000

_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:", re.ASCII)
_SECOND = re.compile(r"(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII)
_MINUTE_CHARACTERS = len("2026-11-22T12:00:")
_MAX_CHARACTERS = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(time: datetime) -> int:
    """The time as microseconds since 1970."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EARLIEST = micros(datetime.min.replace(tzinfo=UTC))
_EARLIEST_CORRECTED = _EARLIEST + MAX_SKEW
_LATEST = micros(datetime.max.replace(tzinfo=UTC))


Sent = tuple[Any, int | None]
"""When a client says it sent a request: in its words, and as a time if it is one."""


def sent(text: Any) -> Sent:
    """What `sentAt` of a request says."""
    return text, parse_time(text)


class Times(msgspec.Struct, gc=False):
    """The times of one event; `kept` holds those that have no column."""

    timestamp: int
    original: int | None
    sent: int | None
    flags: list[str]
    kept: dict[str, Any]


def correct(raw: dict[str, Any], received: int, request_sent: Sent) -> Times:
    """Correct the client's clock: `received - (sent - original)`.

    This is Segment's formula. A correction of more than `MAX_SKEW` is not believed, and
    nothing happens later than `MAX_AHEAD` after it was received.
    """
    flags: list[str] = []
    kept: dict[str, Any] = {}
    given = raw.get("originalTimestamp")
    if given is None:
        given = raw.get("timestamp")
    elif raw.get("timestamp") is not None:
        kept["timestamp"] = raw["timestamp"]
    own = raw.get("sentAt")
    sent_at, sent = request_sent if own is None else (own, parse_time(own))
    if sent is None and sent_at is not None:
        kept["sentAt"] = sent_at
    if given is None:
        return Times(received, None, sent, flags, kept)
    original = time = parse_time(given)
    if time is None:
        flags.append("bad_timestamp")
        kept["originalTimestamp"] = given
        return Times(received, None, sent, flags, kept)
    if sent is not None:
        skew = received - sent
        if -MAX_SKEW <= skew <= MAX_SKEW and time > _EARLIEST_CORRECTED:
            time += skew
        else:
            flags.append("clock_skew")
    if time > received + MAX_AHEAD:
        flags.append("future_timestamp")
        time = received
    return Times(time, original, sent, flags, kept)


def parse_time(value: Any) -> int | None:
    """An RFC 3339 time, or None: stricter than Python, as SQL engines are.

    Its two halves are remembered, because the events of a busy minute share the first
    and clocks of milliseconds know only 60,000 of the second.
    """
    if type(value) is not str or len(value) > _MAX_CHARACTERS:
        return None
    minute = _minute(value[:_MINUTE_CHARACTERS])
    second = _second(value[_MINUTE_CHARACTERS:])
    if minute is None or second is None:
        return None
    time = minute + second
    return time if _EARLIEST <= time <= _LATEST else None


@lru_cache(maxsize=4_096)
def _minute(text: str) -> int | None:
    """The beginning of a time, up to its seconds."""
    if not _MINUTE.fullmatch(text):
        return None
    try:
        return micros(datetime.fromisoformat(f"{text.upper()}00Z"))
    except ValueError:
        return None


@lru_cache(maxsize=65_536)
def _second(text: str) -> int | None:
    """The rest of a time: seconds, and the way back from its offset to UTC."""
    match = _SECOND.fullmatch(text)
    if not match:
        return None
    second, fraction, sign, hours, minutes = match.groups()
    offset = int(hours or 0) * 60 + int(minutes or 0)
    if int(second) > 59 or int(hours or 0) > 23 or int(minutes or 0) > 59:
        return None
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    east = -offset if sign == "-" else offset
    return int(second) * 1_000_000 + micro - east * 60_000_000
