"""Reads the cron expressions of sync schedules: five fields, as Dagster takes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: index for index, name in enumerate(_MONTHS, start=1)}),
    ("day of the week", 0, 7, {name: index for index, name in enumerate(_DAYS)}),
)

# Two times of a schedule for 29 February, and nothing is rarer.
_LOOK_BACK = timedelta(days=9 * 366)


def cron_problem(expression: str) -> str | None:
    """What is wrong with a cron expression, or None: `61 * * * *` has no minute 61."""
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        return (
            f"'{expression}' has {len(fields)} fields; a schedule has five: "
            "minute, hour, day of the month, month, day of the week."
        )
    for text, (label, lowest, highest, names) in zip(fields, _FIELDS, strict=True):
        for part in text.lower().split(","):
            if not _is_valid(part, lowest, highest, names):
                return (
                    f"'{expression}': '{part}' is not a {label} ({lowest}-{highest})."
                )
    return None


def _is_valid(part: str, lowest: int, highest: int, names: dict[str, int]) -> bool:
    span, has_step, step = part.partition("/")
    if has_step and not (step.isascii() and step.isdigit() and int(step) > 0):
        return False
    if span == "*":
        return True
    first, has_last, last = span.partition("-")
    numbers = [
        _number(text, names) for text in ([first, last] if has_last else [first])
    ]
    known = [number for number in numbers if number is not None]
    return (
        len(known) == len(numbers)
        and all(lowest <= number <= highest for number in known)
        and known == sorted(known)
    )


def _number(text: str, names: dict[str, int]) -> int | None:
    if text in names:
        return names[text]
    return int(text) if text.isascii() and text.isdigit() else None


def ticks_before(expression: str, moment: datetime) -> Iterator[datetime]:
    """The times at which a valid expression fell due, in UTC, the latest first.

    They end some nine years back.
    """
    texts = expression.lower().split()
    minutes, hours, dates, months, weekdays = (
        _numbers(text, lowest, highest, names)
        for text, (_, lowest, highest, names) in zip(texts, _FIELDS, strict=True)
    )
    # With both the date and the day of the week restricted, either will do.
    is_either = texts[2] != "*" and texts[4] != "*"
    day = moment.astimezone(UTC).replace(second=0, microsecond=0)
    last_day = day - _LOOK_BACK
    while day > last_day:
        is_date = day.day in dates
        is_weekday = bool(weekdays & {day.isoweekday(), day.isoweekday() % 7})
        fits = (is_date or is_weekday) if is_either else (is_date and is_weekday)
        if fits and day.month in months:
            for hour in sorted(hours, reverse=True):
                for minute in sorted(minutes, reverse=True):
                    tick = day.replace(hour=hour, minute=minute)
                    if tick <= moment:
                        yield tick
        day -= timedelta(days=1)


def _numbers(
    text: str, lowest: int, highest: int, names: dict[str, int]
) -> frozenset[int]:
    """What one field stands for: `*/20` of minutes is 0, 20 and 40."""
    found: set[int] = set()
    for part in text.split(","):
        span, has_step, step = part.partition("/")
        ends = [_number(end, names) for end in span.split("-")] if span != "*" else []
        known = [end for end in ends if end is not None]
        first = known[0] if known else lowest
        is_open = not known or (len(known) == 1 and bool(has_step))
        last = highest if is_open else known[-1]
        found.update(range(first, last + 1, int(step) if has_step else 1))
    return frozenset(found)
