"""What a trait is, told in Python: definitions as their yml has them, events as rows.

It shares nothing with the compiler but the words of the yml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
Definition = Mapping[str, Any]


def value_of(
    definition: Definition, rows: Iterable[Row], now: datetime, traits: Row
) -> Any:
    """The trait of one person or account, of whom these are the events; `traits` finds
    what else is known of the person of an event."""
    counted = sorted(
        (
            row
            for row in rows
            if row["timestamp"] <= now
            and in_window(definition, row["timestamp"], now)
            and (
                "where" not in definition
                or holds(definition["where"], row, now, traits)
            )
        ),
        key=lambda row: (
            row["timestamp"],
            row["received_at"],
            row["source_id"],
            row["message_id"],
        ),
    )
    if definition["type"] == "event_counter":
        return len(counted)
    found = [row[definition["property"]] for row in counted]
    return summary(definition, [value for value in found if value is not None])


def summary(definition: Definition, values: list[Any]) -> Any:
    """What a definition makes of the values that are there, in their order."""
    times = Counter(values) if definition["type"][0] in "mu" else Counter()
    match definition["type"]:
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case "most_frequent":
            most = max(times.values(), default=0)
            if most < definition.get("minimum_frequency", 2):
                return None
            return min(value for value in times if times[value] == most)
        case "unique_list":
            return sorted(times) or None
        case "unique_list_count":
            return len(times)
    if not values:
        return None
    match definition["function"]:
        case "sum":
            return sum(values)
        case "average":
            return Decimal(sum(values)) / len(values)
        case "minimum":
            return min(values)
    return max(values)


def holds(condition: Any, row: Row, now: datetime, traits: Row) -> bool:
    """Whether a condition is true of an event."""
    if isinstance(condition, list):
        return all(holds(part, row, now, traits) for part in condition)
    for key, inside in condition.items():
        if key == "all":
            return all(holds(part, row, now, traits) for part in inside)
        if key == "any":
            return any(holds(part, row, now, traits) for part in inside)
        if key == "not":
            return not holds(inside, row, now, traits)
    [(operator, wanted)] = (
        item for item in condition.items() if item[0] not in ("property", "trait")
    )
    if isinstance(wanted, Mapping):
        wanted = _named(wanted, row, traits)
        if wanted is None:
            return False
    found = _named(condition, row, traits)
    if operator in ("exists", "absent"):
        return (found is None) is (operator == "absent")
    return found is not None and bool(compares(operator, found, wanted, now))


def _named(condition: Mapping[str, Any], row: Row, traits: Row) -> Any:
    if "trait" in condition:
        return traits.get(row["profile_id"], {}).get(condition["trait"])
    return row[condition["property"]]


def compares(operator: str, found: Any, wanted: Any, now: datetime) -> bool:
    """One operator on a value that is there."""
    if isinstance(found, datetime) and operator[-5:] not in ("_last", "_next"):
        wanted = _each(moment, wanted)
    if isinstance(found, Decimal):  # 0.01 is written, not the float next to it
        wanted = _each(lambda one: Decimal(str(one)), wanted)
    match operator:
        case "equals":
            return bool(found == wanted)
        case "not_equals":
            return bool(found != wanted)
        case "less_than" | "before":
            return bool(found < wanted)
        case "at_most":
            return bool(found <= wanted)
        case "more_than" | "after":
            return bool(found > wanted)
        case "at_least":
            return bool(found >= wanted)
        case "one_of":
            return bool(found in wanted)
        case "none_of":
            return bool(found not in wanted)
        case "contains":
            return bool(wanted in found)
        case "not_contains":
            return bool(wanted not in found)
        case "contains_one_of":
            return any(one in found for one in wanted)
        case "starts_with":
            return bool(found.startswith(wanted))
        case "ends_with":
            return bool(found.endswith(wanted))
        case "has":
            return bool(wanted in found)
        case "has_not":
            return bool(wanted not in found)
        case "has_one_of":
            return any(one in found for one in wanted)
        case "within_last":
            return bool(now - length(wanted) < found <= now)
        case "within_next":
            return bool(now < found <= now + length(wanted))
        case "before_last":
            return bool(found <= now - length(wanted))
        case "after_next":
            return bool(found > now + length(wanted))
    raise AssertionError(operator)


def _each(convert: Callable[[Any], Any], wanted: Any) -> Any:
    if isinstance(wanted, list):
        return [convert(one) for one in wanted]
    return convert(wanted)


def in_window(definition: Definition, at: datetime, now: datetime) -> bool:
    """Whether a time lies in the window of a definition."""
    if "within" in definition:
        return at > now - length(definition["within"])
    if "during" in definition:
        start, end = period(definition["during"], now)
        return start <= at < end
    if "between" not in definition:
        return True
    start, end = definition["between"]
    if str(start)[-1].isalpha():
        return now - length(start) < at <= now - length(end)
    return bool(moment(start) <= at < moment(end))


def period(said: str, now: datetime) -> tuple[datetime, datetime]:
    """A calendar period, UTC: its beginning and that of the one after it."""
    which, unit = said.split()
    today = now.date()
    if unit == "day":
        start, one_before = today, today - timedelta(days=1)
    elif unit == "week":
        start = today - timedelta(days=today.weekday())
        one_before = start - timedelta(days=7)
    else:
        months = {"month": 1, "quarter": 3, "year": 12}[unit]
        number = (today.year * 12 + today.month - 1) // months * months
        start = date(number // 12, number % 12 + 1, 1)
        number -= months
        one_before = date(number // 12, number % 12 + 1, 1)
    if which == "last":
        return moment(one_before), moment(start)
    return moment(start), datetime.max.replace(tzinfo=UTC)


def length(said: str) -> timedelta:
    """A length of time as the yml has it."""
    number, unit = said.split()
    seconds = {"m": 60, "h": 3600, "d": 86400, "w": 604800}[unit[0]]
    return timedelta(seconds=int(number) * seconds)


def moment(said: Any) -> datetime:
    """A date or time as the yml has it."""
    if isinstance(said, str):
        said = datetime.fromisoformat(said)
    if not isinstance(said, datetime):
        said = datetime(said.year, said.month, said.day)  # noqa: DTZ001 - set below
    at: datetime = said if said.tzinfo else said.replace(tzinfo=UTC)
    return at
