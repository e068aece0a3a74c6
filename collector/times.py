"""When an event happened: RFC 3339 times, and the correction of clients' clocks.

Times are microseconds since 1970, UTC. A wrong time never costs an event: it is
replaced, flagged, and what was sent is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_SKEW = 30 * 86_400_000_000
MAX_AHEAD = 5 * 60_000_000

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(time: datetime) -> int:
    """The time as microseconds since 1970."""
    since = time - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_EARLIEST = micros(datetime.min.replace(tzinfo=UTC))
_LATEST = micros(datetime.max.replace(tzinfo=UTC))


@dataclass(slots=True)
class Times:
    """The times of one event; `kept` holds those that have no column."""

    timestamp: int
    original: int | None = None
    sent: int | None = None
    flags: list[str] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)


def correct(raw: dict[str, Any], received: int, request_sent_at: Any) -> Times:
    """Correct the client's clock: `received - (sent - original)`.

    This is Segment's formula. A correction of more than `MAX_SKEW` is not believed, and
    nothing happens later than `MAX_AHEAD` after it was received.
    """
    times = Times(received)
    given = raw.get("originalTimestamp")
    if given is None:
        given = raw.get("timestamp")
    elif raw.get("timestamp") is not None:
        times.kept["timestamp"] = raw["timestamp"]
    sent_at = raw.get("sentAt")
    if sent_at is None:
        sent_at = request_sent_at
    if sent_at is not None:
        times.sent = parse_time(sent_at)
        if times.sent is None:
            times.kept["sentAt"] = sent_at
    if given is None:
        return times
    original = times.original = parse_time(given)
    if original is None:
        times.flags.append("bad_timestamp")
        times.kept["originalTimestamp"] = given
        return times
    times.timestamp = original
    if times.sent is not None:
        skew = received - times.sent
        if abs(skew) <= MAX_SKEW and original > _EARLIEST + MAX_SKEW:
            times.timestamp = original + skew
        else:
            times.flags.append("clock_skew")
    if times.timestamp > received + MAX_AHEAD:
        times.flags.append("future_timestamp")
        times.timestamp = received
    return times


def parse_time(value: Any) -> int | None:
    """An RFC 3339 time, or None: stricter than Python, as SQL engines are."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        parsed = micros(datetime.fromisoformat(value.upper()))
    except ValueError:
        return None
    return parsed if _EARLIEST <= parsed <= _LATEST else None
