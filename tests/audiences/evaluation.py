"""What definitions mean, said once more: row by row in Python, from the yml alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from tests.audiences.world import EVENTS, NOW, Row, World

_NAMES = {title: name for name, title in EVENTS.items()} | {
    name: name for name in EVENTS
}
_FOUND: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": lambda left, right: left == right,
    "not_equals": lambda left, right: left != right,
    "less_than": lambda left, right: left < right,
    "at_most": lambda left, right: left <= right,
    "more_than": lambda left, right: left > right,
    "at_least": lambda left, right: left >= right,
    "one_of": lambda left, right: left in right,
    "none_of": lambda left, right: left not in right,
    "contains": lambda left, right: right in left,
    "not_contains": lambda left, right: right not in left,
    "contains_one_of": lambda left, right: any(one in left for one in right),
    "starts_with": lambda left, right: left.startswith(right),
    "ends_with": lambda left, right: left.endswith(right),
    "has": lambda left, right: right in left,
    "has_not": lambda left, right: right not in left,
    "has_one_of": lambda left, right: any(one in left for one in right),
    "before": lambda left, right: left < right,
    "after": lambda left, right: left > right,
    "within_last": lambda left, right: NOW - right < left <= NOW,
    "within_next": lambda left, right: NOW < left <= NOW + right,
    "before_last": lambda left, right: left <= NOW - right,
    "after_next": lambda left, right: left > NOW + right,
}


_MADE: Mapping[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "average": lambda values: sum(values) / len(values),
    "minimum": min,
    "maximum": max,
}


def members(tree: Any, world: World) -> set[str]:
    """Who is in."""
    people = [row["profile_id"] for row in world.rows("profiles")]
    return {person for person in people if holds(tree, person, world)}


def holds(tree: Any, person: str, world: World) -> bool:
    """Whether a definition is true of somebody."""

    def again(inside: Any) -> bool:
        return holds(inside, person, world)

    if isinstance(tree, list):
        return all(map(again, tree))
    match tree:
        case {"all": inside}:
            return all(map(again, inside))
        case {"any": inside}:
            return any(map(again, inside))
        case {"not": inside}:
            return not again(inside)
        case {"did_not": event}:
            return not _events(tree | {"did": event}, person, world)
        case {"did": _}:
            return _did(tree, person, world)
        case {"trait": _}:
            return _compares(tree, {}, _traits(person, world))
        case {"in": audience}:
            return bool(world.rows(audience, profile_id=person))
        case {"funnel": funnel}:
            return _went_through(funnel, person, world)
        case {"account": inside}:
            return any(
                _account(inside, row["account_id"], world)
                for row in world.rows("account_profiles", profile_id=person)
            )
        case {"related": _}:
            return _is_related(tree, person, world)
    raise AssertionError(tree)


def _did(tree: Row, person: str, world: World) -> bool:
    events = _events(tree, person, world)
    numbers = {"sum", "average", "minimum", "maximum"} & set(tree)
    count = tree.get("count", None if numbers else {"at_least": 1})
    if count is not None and not _is(len(events), count):
        return False
    for name in numbers:
        test = dict(tree[name])
        column = test.pop("property")
        values = [event[column] for event in events if event[column] is not None]
        if not _is(_MADE[name](values) if values else None, test):
            return False
    return True


def _events(tree: Row, person: str, world: World) -> list[Row]:
    """The events of somebody that a condition is about."""
    traits = _traits(person, world)
    return [
        event
        for event in world.rows(_NAMES[tree["did"]], profile_id=person)
        if event["timestamp"] <= NOW
        and _in_window(event["timestamp"], tree)
        and _where(tree.get("where", []), event, traits)
    ]


def _where(tree: Any, row: Row, traits: Row) -> bool:
    if isinstance(tree, list):
        return all(_where(one, row, traits) for one in tree)
    match tree:
        case {"all": inside}:
            return all(_where(one, row, traits) for one in inside)
        case {"any": inside}:
            return any(_where(one, row, traits) for one in inside)
        case {"not": inside}:
            return not _where(inside, row, traits)
    return _compares(tree, row, traits)


def _compares(test: Row, row: Row, traits: Row) -> bool:
    rest = dict(test)
    [key] = [key for key in ("property", "column", "trait") if key in rest]
    name = rest.pop(key).rpartition(".")[2]
    left = traits[name] if key == "trait" else row[name]
    [(operator, value)] = rest.items()
    if isinstance(value, dict):
        [(other, name)] = value.items()
        right = traits[name] if other == "trait" else row[name]
        return right is not None and _is(left, {operator: right})
    return _is(left, {operator: value})


def _is(left: Any, test: Row) -> bool:
    [(operator, value)] = test.items()
    if operator == "absent":
        return left is None
    if left is None:
        return False
    if operator == "exists":
        return True
    if isinstance(left, datetime):
        value = _meant(value)
    return _FOUND[operator](left, value)


def _meant(value: Any) -> Any:
    """What a time or a length of time means, as it stands in a definition."""
    if isinstance(value, list):
        return [_meant(one) for one in value]
    if isinstance(value, str) and value.split()[-1].rstrip("s") in (
        "minute", "hour", "day", "week",
    ):  # fmt: skip
        return length(value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value


def length(text: str) -> timedelta:
    """A length of time."""
    number, unit = text.split()
    return timedelta(**{unit.rstrip("s") + "s": int(number)})


def _in_window(at: datetime, tree: Row) -> bool:
    match tree:
        case {"within": text} if "between" not in tree:
            return at > NOW - length(text)
        case {"between": [str(first), str(last)]} if first[-1].isalpha():
            return NOW - length(first) < at <= NOW - length(last)
        case {"between": [first, last]}:
            return bool(_meant(first) <= at < _meant(last))
        case {"during": text}:
            return _is_during(at, text)
    return True


def _is_during(at: datetime, text: str) -> bool:
    which, period = text.split()
    there, here = _period(at, period), _period(NOW, period)
    return there == here if which == "this" else there == here - 1


def _period(at: datetime, period: str) -> int:
    """The number of the period that a time lies in, counted on without a gap."""
    return {
        "day": at.date().toordinal(),
        "week": (at.date().toordinal() - 1) // 7,
        "month": at.year * 12 + at.month,
        "quarter": at.year * 4 + (at.month - 1) // 3,
        "year": at.year,
    }[period]


def _traits(person: str, world: World) -> Row:
    [traits] = world.rows("profiles", profile_id=person)
    levels = [row["level"] for row in world.rows("traits_level", profile_id=person)]
    return traits | {"level": levels[0] if levels else None}


def _went_through(funnel: Row, person: str, world: World) -> bool:
    window = {
        key: funnel[key] for key in ("within", "between", "during") if key in funnel
    }
    same = funnel.get("same", [])
    names = _listed(same)
    own = _listed(funnel.get("without", {}).get("same", same))

    def taken(step: Row, names: list[str]) -> list[Row]:
        asked = {key: step[key] for key in ("did", "where") if key in step}
        events = _events(asked | window, person, world)
        return [one for one in events if all(one[name] is not None for name in names)]

    steps = funnel["steps"]
    between = taken(funnel["without"], own) if "without" in funnel else []
    for way in product(*(taken(step, names) for step in steps)):
        if _is_in_order(way, steps, names) and not any(
            way[0]["timestamp"] < one["timestamp"] < way[-1]["timestamp"]
            and all(one[name] == way[0][name] for name in own)
            for one in between
        ):
            return True
    return False


def _listed(same: Any) -> list[str]:
    return same if isinstance(same, list) else [same]


def _is_in_order(way: tuple[Row, ...], steps: list[Row], names: list[str]) -> bool:
    for before, event, step in zip(way, way[1:], steps[1:], strict=False):
        gap = event["timestamp"] - before["timestamp"]
        if gap <= timedelta(0) or ("within" in step and gap > length(step["within"])):
            return False
        if any(before[name] != event[name] for name in names):
            return False
    return True


def _account(inside: Row, account: str, world: World) -> bool:
    if "where" in inside:
        [row] = world.rows("accounts", account_id=account)
        orders = world.rows("traits_of_accounts", account_id=account)
        traits = {"orders": orders[0]["orders"] if orders else None}
        return _where(inside["where"], row, traits)
    people = {
        row["profile_id"] for row in world.rows("account_profiles", account_id=account)
    }
    found = [holds(inside["matching"], person, world) for person in people]
    return {"any": any(found), "all": all(found), "none": not any(found)}[
        inside["users"]
    ]


def _is_related(tree: Row, person: str, world: World) -> bool:
    rows = list(_related_rows(tree["related"], person, world))
    found = [row for row in rows if _where(tree.get("where", []), row, {})]
    return _is(len(found), tree.get("count", {"at_least": 1}))


def _related_rows(model: str, person: str, world: World) -> Iterator[Row]:
    if model == "subscriptions":
        yield from world.rows("subscriptions", profile_id=person)
    accounts = {
        row["account_id"] for row in world.rows("account_profiles", profile_id=person)
    }
    if model == "accounts":
        yield from (
            row for row in world.rows("accounts") if row["account_id"] in accounts
        )
