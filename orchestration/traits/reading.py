"""Reads what the yml of a topic declares, and tells every mistake in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue
from orchestration.conditions.comparisons import Column
from orchestration.conditions.reading import Mistakes, Place, check_keys, nearest
from orchestration.conditions.where import Scope, read_where
from orchestration.conditions.windows import KEYS, AllTime, read_window
from orchestration.traits.definitions import (
    BY_VALUE,
    FUNCTIONS,
    RULES,
    TYPES,
    Computed,
    Events,
    Golden,
    Per,
    Source,
    Topic,
)
from orchestration.traits.types import default_type, is_fitting

_AT_TOPIC = ("config", "meta", "traits")
_PERS: Mapping[str, Per] = {name: name for name in get_args(Per)}
_EVENTS: Mapping[str, Events] = {name: name for name in get_args(Events)}


def is_topic(model: Mapping[str, Any]) -> bool:
    """Whether a model's entry in its yml declares traits."""
    return "traits" in _meta(model) or any(
        "trait" in _meta(column) for column in _columns(model)
    )


def read_topic(
    model: Mapping[str, Any], catalogue: Catalogue, mistakes: Mistakes
) -> Topic | None:
    """The topic that a model's entry in its yml declares; None if it is mistaken."""
    before = len(mistakes.found)
    settings = _meta(model).get("traits")
    if not isinstance(settings, Mapping):
        mistakes.add(_AT_TOPIC, "says whose traits these are, as {per: profile}")
        return None
    check_keys(settings, ("per", "events"), _AT_TOPIC, mistakes)
    per = _PERS.get(_choice(settings, "per", _PERS, _AT_TOPIC, mistakes))
    if per is None:
        return None
    events: Events = "on_behalf"
    if "events" in settings:
        if per == "profile":
            mistakes.add((*_AT_TOPIC, "events"), "is said of traits per account only")
        events = _EVENTS.get(
            _choice(settings, "events", _EVENTS, _AT_TOPIC, mistakes), events
        )
    name, key = str(model["name"]), f"{per}_id"
    reader = _Reader(per, _of_people(catalogue, besides=name), mistakes)
    columns = _columns(model)
    if not columns or columns[0].get("name") != key:
        mistakes.add(("columns",), f"begin with {key}, by which a row is found")
    traits = [reader.read(column) for column in columns if column.get("name") != key]
    if not traits:
        mistakes.add(("columns",), "have no trait")
    if len(mistakes.found) > before:
        return None
    return Topic(name, per, events, tuple(trait for trait in traits if trait))


@dataclass(frozen=True)
class _Reader:
    """Reads the traits of one topic."""

    per: Per
    catalogue: Catalogue
    mistakes: Mistakes

    def read(self, column: Mapping[str, Any]) -> Computed | Golden | None:
        name = str(column.get("name"))
        place = ("columns", name, "config", "meta", "trait")
        found = _meta(column).get("trait")
        if not isinstance(found, Mapping):
            self.mistakes.add(
                ("columns", name),
                "has no definition in config.meta.trait; a model with a column that "
                "cannot be defined is written by hand, without config.meta.traits",
            )
            return None
        type = _choice(found, "type", TYPES, place, self.mistakes)
        if not type:
            return None
        data_type = str(column.get("data_type") or "")
        if type == "golden":
            return self._golden(name, data_type, found, place)
        return self._computed(name, type, data_type, found, place)

    def _golden(
        self, name: str, data_type: str, found: Mapping[str, Any], place: Place
    ) -> Golden | None:
        mistakes, before = self.mistakes, len(self.mistakes.found)
        check_keys(
            found, ("type", "trait", "rule", "sources", "lower"), place, mistakes
        )
        if self.per != "profile":
            mistakes.add(place, "identity traits are of people: {per: profile}")
        kind = Column(name, data_type or None).kind
        if kind not in ("text", "number", "boolean", "time"):
            mistakes.add(
                ("columns", name),
                "needs a data_type: varchar, boolean, timestamptz or one of numbers",
            )
        trait = found.get("trait", name)
        if not isinstance(trait, str) or not trait:
            mistakes.add((*place, "trait"), "names a trait of identify calls")
        rule = _choice(found, "rule", RULES, place, mistakes)
        sources = found.get("sources", [])
        if not isinstance(sources, list) or not all(
            isinstance(source, str) for source in sources
        ):
            mistakes.add((*place, "sources"), "takes a list of sources, as [crm, shop]")
        if rule == "source_priority" and not sources:
            mistakes.add((*place, "rule"), "needs sources, the most trusted one first")
        if rule == "longest" and kind != "text":
            mistakes.add((*place, "rule"), f"is for text, and '{name}' is {data_type}")
        is_lowered = found.get("lower", False)
        if not isinstance(is_lowered, bool) or (is_lowered and kind != "text"):
            mistakes.add((*place, "lower"), "takes true or false, of a text")
        if len(mistakes.found) > before:
            return None
        return Golden(name, data_type, str(trait), rule, tuple(sources), is_lowered)

    def _computed(
        self,
        name: str,
        type: str,
        data_type: str,
        found: Mapping[str, Any],
        place: Place,
    ) -> Computed | None:
        mistakes, before = self.mistakes, len(self.mistakes.found)
        source, column, allowed = self._rows(type, found, place)
        if source is None:
            return None
        function, least = "", 1
        if type == "aggregation":
            allowed += ["function"]
            function = _choice(found, "function", FUNCTIONS, place, mistakes)
        if type == "most_frequent":
            allowed += ["minimum_frequency"]
            least = found.get("minimum_frequency", 2)
            if not isinstance(least, int) or isinstance(least, bool) or least < 1:
                mistakes.add((*place, "minimum_frequency"), "takes a number from 1 on")
        check_keys(found, allowed, place, mistakes)
        if column is not None:
            _check_kind(type, function, column, place, mistakes)
        window = AllTime() if source.is_members else read_window(found, place, mistakes)
        where = None
        if "where" in found:
            scope = Scope(None if source.is_members else source.table, self.catalogue)
            where = read_where(found["where"], (*place, "where"), mistakes, scope=scope)
        default = default_type(type, function, column)
        if default is not None and len(mistakes.found) == before:
            _check_type(name, data_type, default, mistakes)
        if window is None or len(mistakes.found) > before:
            return None
        return Computed(
            name=name,
            type=type,
            data_type=data_type,
            source=source,
            window=window,
            column=column,
            where=where,
            function=function,
            minimum_frequency=least,
        )

    def _rows(
        self, type: str, found: Mapping[str, Any], place: Place
    ) -> tuple[Source | None, Column | None, list[str]]:
        """What the trait is computed from, of it the column, and the keys for both."""
        mistakes = self.mistakes
        if "trait" in found and self.per == "account":
            allowed = ["type", "trait", "where"]
            if type not in (*BY_VALUE, "aggregation"):
                fitting = ", ".join((*BY_VALUE, "aggregation"))
                mistakes.add((*place, "type"), f"of a trait of members is {fitting}")
                return None, None, allowed
            trait = self.catalogue.trait(found["trait"])
            if trait is None:
                hint = nearest(found["trait"], self.catalogue.trait_names)
                unknown = f"unknown trait '{found['trait']}'; {hint}"
                mistakes.add((*place, "trait"), unknown)
                return None, None, allowed
            return Source(trait[0], is_members=True), trait[1], allowed
        allowed = ["type", "event", "where", *KEYS]
        event = self.catalogue.event(found.get("event"), found)
        if event is None:
            hint = nearest(found.get("event", ""), self.catalogue.event_names)
            wrong = (
                f"unknown event '{found['event']}'"
                if "event" in found
                else "is missing"
            )
            mistakes.add((*place, "event"), f"{wrong}; {hint}")
            return None, None, allowed
        if type == "event_counter":
            return Source(event), None, allowed
        allowed += ["property"]
        name = found.get("property")
        if not isinstance(name, str) or name not in event.columns:
            hint = nearest(name or "", event.columns)
            wrong = f"unknown property '{name}'" if name else "is missing"
            mistakes.add((*place, "property"), f"{wrong}; {hint}")
            return None, None, allowed
        if name == f"{self.per}_id":
            mistakes.add((*place, "property"), "is by what the rows are found")
        return Source(event), event.columns[name], allowed


def _check_kind(
    type: str, function: str, column: Column, place: Place, mistakes: Mistakes
) -> None:
    """Whether that can be computed of such a column."""
    if type == "aggregation":
        fitting = ["number", "time"] if function[:1] == "m" else ["number"]
    else:
        fitting = ["text", "number", "boolean", "time"]
        if type in ("first", "last"):
            fitting += ["list"]
    if column.kind not in fitting:
        mistakes.add(
            place, f"'{column.name}' is {column.data_type}; takes {', '.join(fitting)}"
        )


def _check_type(name: str, found: str, default: str, mistakes: Mistakes) -> None:
    place = ("columns", name, "data_type")
    if not found:
        mistakes.add(place, f"is missing; it is {default}")
    elif not is_fitting(found, default):
        mistakes.add(place, f"is {found}, but the definition gives {default}")


def _choice(
    found: Mapping[str, Any],
    key: str,
    allowed: Iterable[str],
    place: Place,
    mistakes: Mistakes,
) -> str:
    """What a key says, if it is one of these; an empty text otherwise."""
    names = list(allowed)
    if key not in found:
        mistakes.add(place, f"has no {key}: {', '.join(names)}")
        return ""
    if found[key] not in names:
        mistakes.add(
            (*place, key),
            f"unknown {key} '{found[key]}'; " + nearest(found[key], names),
        )
        return ""
    return str(found[key])


def _of_people(catalogue: Catalogue, *, besides: str) -> Catalogue:
    """The traits that another topic can use: those of the other topics of people.
    `profiles` is made from topics, so none can be made from it."""
    traits = {
        name: table
        for name, table in catalogue.traits.items()
        if name not in (PROFILES, besides) and PERSON in table.columns
    }
    return replace(catalogue, traits=traits)


def _columns(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in model.get("columns") or () if isinstance(one, Mapping)]


def _meta(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    config = entry.get("config")
    meta = config.get("meta") if isinstance(config, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}
