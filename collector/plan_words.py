"""The words of the plan: from the `meta` of dbt's models to planned events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from collector.plan import (
    ACTIONS,
    CALL_TYPES,
    KINDS,
    WITHOUT_VALUE,
    Mistake,
    Plan,
    PlannedEvent,
    Rule,
)
from collector.plan_conflicts import conflicts
from collector.plan_rules import Place, Reader, plant, shown

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
META = ("config", "meta")


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
        file = str(node.get("patch_path") or "").split("://")[-1]
        reader = Reader(mistakes, file, node["name"])
        if meta.get("event"):
            events.append(_event(node, meta, file, reader))
        elif meta.get("common"):
            common |= {
                path: reader.rule(words, (*META, "common", path))
                for path, words in reader.map(meta, "common", META).items()
            }
    events.sort(key=_place_in_plan)
    mistakes += conflicts(events)
    project = Reader(mistakes, project_file, None)
    plan = Plan(
        events=tuple(events),
        common=common,
        enforcement=_project_enforcement(variables, project),
    )
    return plan, tuple(mistakes)


def _place_in_plan(event: PlannedEvent) -> tuple[str, str, int, str]:
    return event.type, event.name, event.version, event.model


def _event(
    node: Mapping[str, Any], meta: Mapping[str, Any], file: str, reader: Reader
) -> PlannedEvent:
    reader.only(meta, EVENT_WORDS, META)
    type = reader.one_of(meta.get("type", "track"), CALL_TYPES, (*META, "type"))
    name = meta["event"]
    if not isinstance(name, str):
        reader.note((*META, "event"), f"{shown(name)} is no text; put it in quotes")
    elif type != "track" and name != type:
        reader.note((*META, "event"), f"'{name}' must be {type}, as its type is")
    properties, columns = _properties(node, meta, reader)
    enforcement = reader.map(meta, "enforcement", META)
    renames = reader.map(meta, "renames", META)
    aliases = reader.list(meta, "event_aliases", META)
    return PlannedEvent(
        name=str(name) if type == "track" else type,
        type=type,
        version=_version(meta, reader),
        properties=properties,
        columns=columns,
        enforcement=_enforcement(enforcement, (*META, "enforcement"), reader),
        renames={old: str(new) for old, new in renames.items()},
        aliases=tuple(map(str, aliases)),
        owner=str(meta.get("owner") or ""),
        description=str(node.get("description") or "").strip(),
        model=node["name"],
        table=f"{node['schema']}.{node['alias']}",
        file=file,
    )


def _version(meta: Mapping[str, Any], reader: Reader) -> int:
    version = meta.get("version", 1)
    if type(version) is int and version > 0:
        return version
    reader.note((*META, "version"), f"{shown(version)} is not one of 1, 2, 3 ...")
    return 1


def _properties(
    node: Mapping[str, Any], meta: Mapping[str, Any], reader: Reader
) -> tuple[dict[str, Rule], dict[str, str]]:
    """The rules of the outermost properties, and the columns that hold properties."""
    properties: dict[str, Rule] = {}
    columns: dict[str, str] = {}
    for column in node["columns"].values():
        words = column["config"].get("meta") or {}
        if not words.get("property"):
            continue
        path, place = str(words["property"]), ("columns", column["name"], *META)
        rule = reader.column(column, place)
        if problem := plant(properties, path.split("."), rule):
            reader.note((*place, "property"), f"'{path}': {problem}")
        columns[path] = column["name"]
    for path, words in reader.map(meta, "properties", META).items():
        place = (*META, "properties", path)
        if problem := plant(properties, path.split("."), reader.rule(words, place)):
            reader.note(place, f"'{path}': {problem}")
    return properties, columns


def _enforcement(
    words: Mapping[str, Any], place: Place, reader: Reader
) -> dict[str, str]:
    reader.only(words, KINDS, place)
    for kind in WITHOUT_VALUE & words.keys():
        if words[kind] == "omit":
            reader.note(
                (*place, kind),
                "there is no property to omit; allowed are allow, quarantine",
            )
    return {
        kind: reader.one_of(words[kind], ACTIONS, (*place, kind))
        for kind in words
        if kind in KINDS
    }


def _project_enforcement(
    variables: Mapping[str, Any], reader: Reader
) -> dict[str, dict[str, str]]:
    place = ("vars", "enforcement")
    words = reader.map(variables, "enforcement", place[:1])
    reader.only(words, ("default", *CALL_TYPES), place)
    return {
        type: _enforcement(reader.map(words, type, place), (*place, type), reader)
        for type in words
    }
