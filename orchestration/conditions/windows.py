"""Windows: which events count by when they happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Protocol

from sqlglot import exp

from orchestration.conditions.dbt_sql import ago, call, moment, time
from orchestration.conditions.reading import (
    Length,
    Mistakes,
    Place,
    nearest,
    read_length,
)

KEYS = ("within", "between", "during")
"""The keys of a definition that give a window; without one it is all time."""

PERIODS = ("day", "week", "month", "quarter", "year")
"""Calendar periods, UTC; a week begins on Monday."""


class Window(Protocol):
    """A span of time; `words` is how people say it."""

    @property
    def words(self) -> str: ...

    def holds(self, at: exp.Expr) -> exp.Expr | None:
        """The condition that a time lies in it, besides not being after the build."""


@dataclass(frozen=True)
class AllTime:
    """Everything up to the build."""

    words = "ever"

    def holds(self, at: exp.Expr) -> exp.Expr | None:
        return None


@dataclass(frozen=True)
class Within:
    """The last so many days (hours, …) before the build."""

    length: Length

    @property
    def words(self) -> str:
        return f"in the last {self.length.words}"

    def holds(self, at: exp.Expr) -> exp.Expr:
        return at.copy() > ago(self.length.number, self.length.unit)


@dataclass(frozen=True)
class BetweenAgo:
    """From so long before the build to so long before it."""

    start: Length
    end: Length

    @property
    def words(self) -> str:
        return f"between {self.start.words} and {self.end.words} ago"

    def holds(self, at: exp.Expr) -> exp.Expr:
        return exp.and_(
            at.copy() > ago(self.start.number, self.start.unit),
            at.copy() <= ago(self.end.number, self.end.unit),
        )


@dataclass(frozen=True)
class BetweenDates:
    """From a time to another, the second one left out."""

    start: datetime
    end: datetime

    @property
    def words(self) -> str:
        return f"from {time_words(self.start)} until {time_words(self.end)}"

    def holds(self, at: exp.Expr) -> exp.Expr:
        return exp.and_(at.copy() >= time(self.start), at.copy() < time(self.end))


@dataclass(frozen=True)
class During:
    """This or the last calendar period, UTC."""

    which: str
    period: str

    @property
    def words(self) -> str:
        return f"{self.which} {self.period}"

    def holds(self, at: exp.Expr) -> exp.Expr:
        begins = call("date_trunc", exp.Literal.string(self.period), moment())
        if self.which == "this":
            return at.copy() >= begins
        number, unit = (3, "month") if self.period == "quarter" else (1, self.period)
        before = exp.Sub(
            this=begins.copy(),
            expression=exp.Interval(
                this=exp.Literal.string(str(number)), unit=exp.Var(this=unit)
            ),
        )
        return exp.and_(at.copy() >= before, at.copy() < begins)


def read_window(
    found: Mapping[str, Any], place: Place, mistakes: Mistakes
) -> Window | None:
    """The window that a definition's keys give; None when there is a mistake in it."""
    given = [key for key in KEYS if key in found]
    if len(given) > 1:
        mistakes.add(place, f"has {' and '.join(given)}; only one of them may stand")
        return None
    if not given:
        return AllTime()
    key = given[0]
    at = (*place, key)
    if key == "within":
        length = read_length(found[key], at, mistakes)
        return None if length is None else Within(length)
    if key == "during":
        return _during(found[key], at, mistakes)
    return _between(found[key], at, mistakes)


def read_time(value: object) -> datetime | None:
    """A date (its beginning) or a time, UTC where it names no offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return None


def time_words(at: datetime) -> str:
    """A moment as people write it, the time of day only where it is not midnight."""
    moment_utc = at.astimezone(UTC)
    form = "%Y-%m-%d" if moment_utc.time() == datetime.min.time() else "%Y-%m-%d %H:%M"
    return moment_utc.strftime(form)


def _during(value: object, place: Place, mistakes: Mistakes) -> Window | None:
    allowed = [f"{which} {period}" for which in ("this", "last") for period in PERIODS]
    if value not in allowed:
        mistakes.add(
            place, f"'{value}' is no calendar period; {nearest(value, allowed)}"
        )
        return None
    which, period = str(value).split()
    return During(which, period)


def _between(value: object, place: Place, mistakes: Mistakes) -> Window | None:
    if not isinstance(value, list) or len(value) != 2:
        mistakes.add(
            place,
            "takes two ends in [ ]: lengths of time ago, as [60 days, 30 days], "
            "or dates, as [2026-01-01, 2026-02-01]",
        )
        return None
    start, end = (read_time(one) for one in value)
    if start is not None and end is not None:
        if start < end:
            return BetweenDates(start, end)
    else:
        first, last = (read_length(one, place, mistakes) for one in value)
        if first is None or last is None:
            return None
        if _seconds(first) > _seconds(last):
            return BetweenAgo(first, last)
    mistakes.add(place, "the first end has to be the earlier one")
    return None


def _seconds(length: Length) -> int:
    seconds = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800}
    return length.number * seconds[length.unit]
