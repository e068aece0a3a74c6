"""Whether one event keeps to the tracking plan: the verdict of the warehouse, sooner.

The warehouse is the authority. This says the same of an event before it is stored. The
plan is compiled once, so that an event costs a look at each of its properties.

What a path means: `address.city` is inside an object, `products[].price` inside each
element of an array. A path is wrong in one way only: the first of `KINDS` that holds,
whichever element it holds for.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, NamedTuple, Protocol

from collector.plan import KINDS, Plan, PlannedEvent, Rule
from collector.plan_values import Test, tests_of

_ORDER = {kind: place for place, kind in enumerate(KINDS)}
_NOTHING: Mapping[str, Any] = {}
_ABSENT = object()

_DOCUMENTS = frozenset({"properties", "traits", "context", "integrations"})
_TEXTS = {
    "type": "type",
    "event": "event",
    "name": "name",
    "category": "category",
    "messageId": "message_id",
    "userId": "user_id",
    "anonymousId": "anonymous_id",
    "previousId": "previous_id",
    "groupId": "group_id",
}
"""Where an event holds the fields that are text, by the names that clients send."""

Found = dict[str | None, str]
"""The kind of violation by path; without a path it is the event itself."""


class Checkable(Protocol):
    """An event, as the collector stores it."""

    type: str
    event: str | None
    properties: dict[str, Any] | None
    traits: dict[str, Any] | None
    context: dict[str, Any] | None


class Violation(NamedTuple):
    """A departure from the plan; without a path it is the event itself."""

    path: str | None
    kind: str


class PlanCheck:
    """A plan, ready to look at events."""

    def __init__(self, plan: Plan) -> None:
        self._events: dict[tuple[str, str], dict[float, _Event]] = {}
        self._names: dict[str, str] = {}
        for event in sorted(plan.events, key=lambda event: event.version):
            versions = self._events.setdefault((event.type, event.name), {})
            versions.setdefault(event.version, _Event(event))
            for alias in event.aliases:
                self._names.setdefault(alias, event.name)
        self._common = [
            (_steps(path), _Value(rule, path)) for path, rule in plan.common.items()
        ]

    def violations(self, event: Checkable) -> list[Violation]:
        """Where the event departs from the plan, by path."""
        return [Violation(*departure) for departure in self._departures(event)]

    def flags(self, event: Checkable) -> list[str]:
        """What the collector notes beside an event: each kind of violation once."""
        departures = self._departures(event)
        if not departures:
            return []
        return [f"plan:{kind}" for kind in sorted({kind for _, kind in departures})]

    def _departures(self, event: Checkable) -> list[tuple[str | None, str]]:
        found: Found = {}
        type = name = event.type
        if type == "track":
            name = event.event or ""
            if name in self._names:
                name = self._names[name]
                event = _with(event, "event", name)
        versions = self._events.get((type, name))
        if versions is not None:
            planned = next(iter(versions.values()))
            if len(versions) > 1:
                planned = versions.get(_version(event.context), planned)
            event = planned.look(event, found)
        elif type == "track":
            found[None] = "unplanned_event"
        if not self._common:
            return list(found.items())
        common: Found = {}
        for (field, keys), value in self._common:
            found_value = _value_at(event, field, keys)
            if found_value is not _ABSENT:
                value.look(found_value, common)
            elif value.is_required:
                _note(common, value.path, "required_missing")
        return [*found.items(), *common.items()]


class _Event:
    """One version of an event, compiled."""

    def __init__(self, event: PlannedEvent) -> None:
        self._payload = event.payload
        self._renames = event.renames
        self._properties = {
            name: _Value(rule, name) for name, rule in event.properties.items()
        }

    def look(self, event: Checkable, found: Found) -> Checkable:
        """Note what is wrong with the properties; the event, by its names of today."""
        payload: Mapping[str, Any] = getattr(event, self._payload) or _NOTHING
        if self._renames:
            payload = _renamed(payload, self._renames)
            event = _with(event, self._payload, payload)
        _look_inside(payload, self._properties, "", found)
        return event


class _Value:
    """A rule, compiled for the values at one path."""

    __slots__ = ("_inside", "_is_nullable", "_items", "_tests", "is_required", "path")

    def __init__(self, rule: Rule, path: str) -> None:
        self.path = path
        self.is_required = rule.required
        self._is_nullable = rule.is_nullable
        self._tests: list[tuple[str, Test]] = tests_of(rule)
        self._inside = {
            name: _Value(inner, f"{path}.{name}")
            for name, inner in rule.properties.items()
        }
        self._items = _Value(rule.items, f"{path}[]") if rule.items else None

    def look(self, value: Any, found: Found) -> None:
        """Note what is wrong with the value, or with what is inside it."""
        if value is None:
            if self.is_required and not self._is_nullable:
                _note(found, self.path, "required_missing")
            return
        for kind, passes in self._tests:
            if not passes(value):
                _note(found, self.path, kind)
                break
        if self._inside and type(value) is dict:
            _look_inside(value, self._inside, f"{self.path}.", found)
        if self._items is not None and type(value) is list:
            for item in value:
                self._items.look(item, found)


def _look_inside(
    document: Mapping[str, Any],
    planned: Mapping[str, _Value],
    prefix: str,
    found: Found,
) -> None:
    """Look at each value of an object, and at those it lacks."""
    seen = 0
    for name, value in document.items():
        rule = planned.get(name)
        if rule is not None:
            seen += 1
            rule.look(value, found)
        elif value is not None:
            _note(found, f"{prefix}{name}", "unplanned_property")
    if seen < len(planned):
        for name, rule in planned.items():
            if rule.is_required and name not in document:
                _note(found, rule.path, "required_missing")


def _note(found: Found, path: str, kind: str) -> None:
    known = found.get(path)
    if known is None or _ORDER[kind] < _ORDER[known]:
        found[path] = kind


def _renamed(
    payload: Mapping[str, Any], renames: Mapping[str, str]
) -> Mapping[str, Any]:
    """The properties under their names of today; one there already stays as it is."""
    moved = {
        old: new
        for old, new in renames.items()
        if payload.get(old) is not None and payload.get(new) is None
    }
    if not moved:
        return payload
    renamed = {
        name: value for name, value in payload.items() if name not in moved.values()
    }
    return {moved.get(name, name): value for name, value in renamed.items()}


def _with(event: Checkable, field: str, value: Any) -> Checkable:
    changed = copy(event)
    setattr(changed, field, value)
    return changed


def _steps(path: str) -> tuple[str, list[str]]:
    """The field that a path from an event's root begins in, and the keys inside it."""
    keys = path.split(".")
    if path in _TEXTS:
        return _TEXTS[path], []
    if keys[0] in _DOCUMENTS:
        return keys[0], keys[1:]
    return "extra", keys


def _value_at(event: Checkable, field: str, keys: list[str]) -> Any:
    """The value that a path from the event's root leads to."""
    value = getattr(event, field, None)
    if value is None:
        return _ABSENT
    for name in keys:
        if type(value) is not dict:
            return _ABSENT
        value = value.get(name, _ABSENT)
    return value


def _version(context: Mapping[str, Any] | None) -> float:
    """The version that an event says it has; 0, which none has, when it says none."""
    protocols = (context or _NOTHING).get("protocols")
    version = protocols.get("event_version") if type(protocols) is dict else None
    return version if isinstance(version, (int, float)) else 0
