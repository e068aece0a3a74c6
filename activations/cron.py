"""Checks the cron expressions of sync schedules: five fields, as Dagster takes them."""

from __future__ import annotations

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
