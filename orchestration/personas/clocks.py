"""Times in persona files: `3 days ago`, `in 2 hours`, `now`, or a date or time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 5, 13, 12, tzinfo=UTC)
"""What personas that name no time take for now. It is fixed, so that what holds today
holds tomorrow; and a Wednesday in the middle of a month and of a quarter, so that a few
days ago lie in the same ones."""

_UNITS = "second|minute|hour|day|week"
_LENGTH = rf"\d+\s+(?:{_UNITS})s?"
_LENGTHS = re.compile(rf"{_LENGTH}(?:,?\s+(?:and\s+)?{_LENGTH})*")
_PART = re.compile(rf"(\d+)\s+({_UNITS})s?")


def read_moment(value: object, *, now: datetime) -> datetime | None:
    """A time as a persona file says it; None when it is none."""
    if not isinstance(value, str):
        return None
    said = " ".join(value.split())
    try:
        if said == "now":
            return now
        if said.endswith(" ago"):
            length = read_length(said.removesuffix(" ago"))
            return None if length is None else now - length
        if said.startswith("in "):
            length = read_length(said.removeprefix("in "))
            return None if length is None else now + length
        at = datetime.fromisoformat(said)
    except (OverflowError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def read_length(value: object) -> timedelta | None:
    """A length of time such as `40 days` or `2 days 3 hours`; None when it is none."""
    if not isinstance(value, str) or not _LENGTHS.fullmatch(value.strip()):
        return None
    try:
        return sum(
            (timedelta(**{f"{unit}s": int(n)}) for n, unit in _PART.findall(value)),
            timedelta(),
        )
    except OverflowError:
        return None
