"""The words of the plan: from the `meta` of models and columns to rules.

Everything that is wrong is noted, none of it stops the reading: whoever mends a plan
wants to see all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from collector.patterns import PatternError, compile_pattern
from collector.plan import (
    ACTIONS,
    CALL_TYPES,
    EVENT_KINDS,
    FORMATS,
    JSON_TYPES,
    KINDS,
    Mistake,
    Plan,
    PlannedEvent,
    Rule,
)

EVENT_WORDS = (
    "event",
    "type",
    "version",
    "enforcement",
    "owner",
    "properties",
    "renames",
    "event_aliases",
)
RULE_WORDS = (
    "required",
    "type",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "items",
    "properties",
    "pii",
    "description",
)
COLUMN_WORDS = ("property", *(word for word in RULE_WORDS if word != "description"))

_INTEGERS = frozenset({"tinyint", "smallint", "int", "integer", "bigint", "hugeint"})
_NUMBERS = frozenset({"decimal", "numeric", "double", "float", "real"})
_TIMES = frozenset({"date", "timestamp", "timestamptz", "timestamp with time zone"})


def parse_plan(
    nodes: Iterable[Mapping[str, Any]],
    variables: Mapping[str, Any],
    *,
    project_file: str,
) -> tuple[Plan, tuple[Mistake, ...]]:
    """The plan of a manifest's nodes and a project's vars, and what is wrong in it."""
    mistakes: list[Mistake] = []
    events = []
    common: dict[str, Rule] = {}
    for node in nodes:
        if node.get("resource_type") != "model":
            continue
        meta = node["config"].get("meta") or {}
        if meta.get("event"):
            events.append(_Reading(node, mistakes).event(meta))
        elif meta.get("common"):
            common |= _Reading(node, mistakes).common(meta["common"])
    project = _Reading({"file": project_file}, mistakes)
    enforcement = project.project_enforcement(variables.get("enforcement"))
    events.sort(key=lambda event: (event.type, event.name, event.version, event.model))
    plan = Plan(events=tuple(events), common=common, enforcement=enforcement)
    return plan, tuple(mistakes)


def types_of(data_type: str | None) -> tuple[tuple[str, ...], str | None]:
    """The JSON types and the format that a column's type asks for."""
    name = (data_type or "varchar").lower().split("(")[0].strip()
    if name in _INTEGERS:
        return ("integer",), None
    if name in _NUMBERS:
        return ("number",), None
    if name in ("boolean", "bool"):
        return ("boolean",), None
    if name in _TIMES:
        return ("string",), "date-time"
    if name == "json":
        return ("array", "object"), None
    return ("string",), None


class _Reading:
    """Reads the words of one model, or of the project, and notes what is wrong."""

    def __init__(self, node: Mapping[str, Any], mistakes: list[Mistake]) -> None:
        self._node = node
        self._mistakes = mistakes
        self._file = (
            node.get("file") or str(node.get("patch_path") or "").split("://")[-1]
        )

    def event(self, meta: Mapping[str, Any]) -> PlannedEvent:
        place = ("config", "meta")
        self._only(meta, EVENT_WORDS, place)
        type = self._one_of(meta.get("type", "track"), CALL_TYPES, (*place, "type"))
        version = meta.get("version", 1)
        if not _is_integer(version) or version < 1:
            self._note(
                (*place, "version"),
                f"{_shown(version)} is no version: give 1, 2, 3 ...",
            )
            version = 1
        properties: dict[str, Rule] = {}
        columns: dict[str, str] = {}
        for column in self._node["columns"].values():
            words = column["config"].get("meta") or {}
            if not words.get("property"):
                continue
            path = str(words["property"])
            here = ("columns", column["name"], "config", "meta")
            if path in columns:
                self._note(
                    (*here, "property"),
                    f"{path} is planned by the column {columns[path]} already",
                )
            columns[path] = column["name"]
            rule = self._column(column, words, here)
            self._plant(properties, path.split("."), rule, (*here, "property"))
        for name, words in self._map(meta, "properties", place).items():
            here = (*place, "properties", name)
            self._plant(properties, name.split("."), self._rule(words, here), here)
        return PlannedEvent(
            name=str(meta["event"]) if type == "track" else type,
            type=type,
            version=version,
            properties=properties,
            columns=columns,
            enforcement=self._enforcement(
                self._map(meta, "enforcement", place), (*place, "enforcement")
            ),
            renames=self._names(meta, place),
            aliases=tuple(map(str, self._list(meta, "event_aliases", place))),
            owner=str(meta.get("owner") or ""),
            description=str(self._node.get("description") or "").strip(),
            model=self._node["name"],
            file=self._file,
        )

    def common(self, words: Any) -> dict[str, Rule]:
        place = ("config", "meta", "common")
        if not isinstance(words, dict):
            self._note(place, f"{_shown(words)} is no map of paths to rules")
            return {}
        return {
            str(path): self._rule(rule, (*place, str(path)))
            for path, rule in words.items()
        }

    def project_enforcement(self, words: Any) -> dict[str, dict[str, str]]:
        place = ("vars", "enforcement")
        allowed = ("default", *CALL_TYPES)
        if words is None:
            return {}
        if not isinstance(words, dict):
            self._note(place, f"{_shown(words)} is no map; keys: {', '.join(allowed)}")
            return {}
        self._only(words, allowed, place)
        return {
            type: self._enforcement(self._map(words, type, place), (*place, type))
            for type in words
            if type in allowed
        }

    def _enforcement(
        self, words: Mapping[str, Any], place: tuple[str, ...]
    ) -> dict[str, str]:
        self._only(words, KINDS, place)
        actions = {}
        for kind, action in words.items():
            if kind not in KINDS:
                continue
            actions[kind] = self._one_of(action, ACTIONS, (*place, kind))
            if action == "omit" and kind in EVENT_KINDS:
                self._note(
                    (*place, kind),
                    "no property is there to omit; allowed are allow, quarantine",
                )
        return actions

    def _column(
        self,
        column: Mapping[str, Any],
        words: Mapping[str, Any],
        place: tuple[str, ...],
    ) -> Rule:
        self._only(words, COLUMN_WORDS, place)
        data_type = column.get("data_type")
        if not data_type:
            self._note(
                (*place[:2],), "needs a data_type: it is the type of the property"
            )
        known = {word: words[word] for word in words if word in RULE_WORDS}
        rule = self._rule(known, place)
        types, format = types_of(data_type)
        return replace(
            rule,
            data_type=data_type,
            types=rule.types or types,
            format=rule.format or (format if not rule.types else None),
            description=str(column.get("description") or "").strip(),
        )

    def _rule(self, words: Any, place: tuple[str, ...]) -> Rule:
        if not isinstance(words, dict):
            self._note(
                place, f"{_shown(words)} is no map; words: {', '.join(RULE_WORDS)}"
            )
            return Rule()
        self._only(words, RULE_WORDS, place)
        properties = {
            str(name): self._rule(rule, (*place, "properties", str(name)))
            for name, rule in self._map(words, "properties", place).items()
        }
        required = words.get("required", False)
        if isinstance(required, list):
            for name in map(str, required):
                if name not in properties:
                    self._note(
                        (*place, "required"), f"{name} is not among the properties"
                    )
                    continue
                properties[name] = replace(properties[name], required=True)
            required = False
        return Rule(
            types=self._types(words, place),
            required=self._truth(required, (*place, "required")),
            enum=tuple(self._list(words, "enum", place)) if "enum" in words else None,
            pattern=self._pattern(words.get("pattern"), (*place, "pattern")),
            format=self._one_of(words["format"], FORMATS, (*place, "format"))
            if words.get("format")
            else None,
            minimum=self._number(words.get("minimum"), (*place, "minimum")),
            maximum=self._number(words.get("maximum"), (*place, "maximum")),
            items=self._rule(words["items"], (*place, "items"))
            if "items" in words
            else None,
            properties=properties,
            pii=self._truth(words.get("pii", False), (*place, "pii")),
            description=str(words.get("description") or "").strip(),
        )

    def _types(
        self, words: Mapping[str, Any], place: tuple[str, ...]
    ) -> tuple[str, ...]:
        given = words.get("type")
        if given is None:
            return ()
        listed = given if isinstance(given, list) else [given]
        return tuple(self._one_of(one, JSON_TYPES, (*place, "type")) for one in listed)

    def _plant(
        self,
        properties: dict[str, Rule],
        path: list[str],
        rule: Rule,
        place: tuple[str, ...],
    ) -> None:
        """Put the rule where its path leads; what lies on the way is an object."""
        name, *rest = path
        known = properties.get(name)
        if not rest:
            if known is not None and known.types != ("object",):
                self._note(place, f"{name} is planned twice")
            inside = (
                {**known.properties, **rule.properties} if known else rule.properties
            )
            properties[name] = replace(rule, properties=inside)
            return
        parent = known or Rule(types=("object",))
        inside = dict(parent.properties)
        self._plant(inside, rest, rule, place)
        properties[name] = replace(parent, properties=inside)

    def _pattern(self, given: Any, place: tuple[str, ...]) -> str | None:
        if given is None:
            return None
        if not isinstance(given, str):
            self._note(place, f"{_shown(given)} is no text; put it in quotes")
            return None
        try:
            compile_pattern(given)
        except PatternError as error:
            self._note(place, f"{_shown(given)} cannot be used: {error}")
            return None
        return given

    def _number(self, given: Any, place: tuple[str, ...]) -> float | None:
        if given is None or (
            isinstance(given, (int, float)) and given is not True and given is not False
        ):
            return given
        self._note(place, f"{_shown(given)} is no number")
        return None

    def _truth(self, given: Any, place: tuple[str, ...]) -> bool:
        if not isinstance(given, bool):
            self._note(place, f"{_shown(given)} is neither true nor false")
        return given is True

    def _names(self, meta: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, str]:
        renames = self._map(meta, "renames", place)
        return {str(old): str(new) for old, new in renames.items()}

    def _map(
        self, words: Mapping[str, Any], word: str, place: tuple[str, ...]
    ) -> Mapping[str, Any]:
        found = words.get(word)
        if found is None:
            return {}
        if not isinstance(found, dict):
            self._note((*place, word), f"{_shown(found)} is no map")
            return {}
        return {str(key): value for key, value in found.items()}

    def _list(
        self, words: Mapping[str, Any], word: str, place: tuple[str, ...]
    ) -> list[Any]:
        found = words.get(word)
        if found is None:
            return []
        if not isinstance(found, list) or not found:
            self._note((*place, word), f"{_shown(found)} is no list of values")
            return []
        return found

    def _only(
        self, words: Mapping[str, Any], allowed: Iterable[str], place: tuple[str, ...]
    ) -> None:
        for word in words:
            if word not in allowed:
                self._note(
                    (*place, str(word)),
                    f"unknown word '{word}'; allowed are {', '.join(allowed)}",
                )

    def _one_of(
        self, given: Any, allowed: tuple[str, ...], place: tuple[str, ...]
    ) -> str:
        if given in allowed:
            return str(given)
        self._note(place, f"{_shown(given)} is not one of {', '.join(allowed)}")
        return allowed[0]

    def _note(self, place: tuple[str, ...], message: str) -> None:
        model = self._node.get("name")
        self._mistakes.append(
            Mistake(file=self._file, place=place, message=message, model=model)
        )


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
