"""Segment's tracking plan as JSON: `rules.events[].rules` are JSON Schemas.

Both shapes that Segment gives are read: the document with `rules.events`, `identify`,
`group` and `global`, and the list of rules with `type`, `key` and `jsonSchema`. The
former is written. Calls that it has no place for (page, screen, alias, and further
versions of identify and group) are written beside them in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.plan import CALL_TYPES, Plan, PlannedEvent, Rule
from orchestration.plans.exchange import (
    description_of,
    own_words,
    planned_event,
    sorted_events,
)
from orchestration.plans.json_schema import (
    DRAFT,
    OURS,
    Left,
    inside_of,
    rule_of,
    rules_inside,
    schema_of,
)

_FIELDS = ("properties", "traits", "context")
_PLACED = ("$schema", "$id", "title", "type", "properties", "required", "description")


class NotAPlan(Exception):
    """The document is no tracking plan that can be read."""


def to_segment(plan: Plan, *, name: str) -> dict[str, Any]:
    """The plan as Segment's document."""
    rules: dict[str, Any] = {"events": [], "identify_traits": [], "group_traits": []}
    if plan.common:
        rules["global"] = _global(plan.common)
    further = []
    for event in plan.events:
        entry = _entry(event)
        if event.type == "track":
            rules["events"].append(entry)
        elif event.type not in rules and event.version == 1:
            schema = entry["rules"]
            rules[event.type] = schema | {"description": entry["description"]}
        else:
            further.append({"type": event.type, **entry})
    if further:
        rules[OURS] = further
    return {"display_name": name, "rules": rules}


def from_segment(document: Any, left: Left) -> Plan:
    """The plan that a document of Segment describes; raises `NotAPlan`.

    What the plan has no word for is noted in `left`.
    """
    common: dict[str, Rule] = {}
    events = []
    for type, name, version, description, schema in _rules(document):
        if not isinstance(schema, dict):
            raise NotAPlan(f"the rules of '{name or type}' are no JSON Schema")
        if type == "global":
            common |= _common(schema, left)
        else:
            events.append(_event(type, name, version, description, schema, left))
    return Plan(events=sorted_events(events), common=common)


def _entry(event: PlannedEvent) -> dict[str, Any]:
    payload: dict[str, Any] = {"type": "object", **inside_of(event.properties)}
    fields: dict[str, Any] = {field: {} for field in _FIELDS}
    schema: dict[str, Any] = {
        "$schema": DRAFT,
        "type": "object",
        "properties": fields | {event.payload: payload},
    }
    if any(rule.required for rule in event.properties.values()):
        schema["required"] = [event.payload]
    if ours := own_words(event):
        schema[OURS] = ours
    return {
        "name": event.name,
        "description": description_of(event),
        "rules": schema,
        "version": event.version,
    }


def _event(
    type: str,
    name: str,
    version: int,
    description: str,
    schema: Mapping[str, Any],
    left: Left,
) -> PlannedEvent:
    payload = "traits" if type in ("identify", "group") else "properties"
    place = name or type
    fields = schema.get("properties") or {}
    for field, inner in fields.items():
        if field != payload and isinstance(inner, dict) and inner.get("properties"):
            left.append(
                f"{place}: rules for '{field}' can only be common to all events"
            )
    for word, value in schema.items():
        if word not in (*_PLACED, OURS) and value not in ({}, None):
            left.append(f"{place}: the plan has no word for '{word}'")
    rules = rules_inside(fields.get(payload) or {}, left, place)
    for path in [path for path in rules if "." in path]:
        left.append(f"{place}.{path}: a name with a dot would lead into an object")
        del rules[path]
    return planned_event(
        type=type,
        name=name,
        version=version,
        description=str(description or schema.get("description") or "").strip(),
        properties=rules,
        ours=schema.get(OURS) or {},
    )


def _rules(document: Any) -> Iterator[tuple[str, str, int, str, Any]]:
    """Each rule as (type, name, version, description, schema); `global` is a type."""
    body = document
    if isinstance(body, dict) and isinstance(body.get("data"), dict):
        body = body["data"].get("trackingPlan") or body["data"]
    rules = body.get("rules") if isinstance(body, dict) else body
    if isinstance(rules, list):
        yield from _listed(rules)
    elif isinstance(rules, dict):
        yield from _grouped(rules)
    else:
        raise NotAPlan("there are no 'rules' in it")


def _listed(rules: list[Any]) -> Iterator[tuple[str, str, int, str, Any]]:
    for rule in rules:
        if not isinstance(rule, dict) or "jsonSchema" not in rule:
            raise NotAPlan("a rule of a list needs type, key and jsonSchema")
        type = str(rule.get("type", "TRACK")).lower()
        type = "global" if type == "common" else type
        if type not in (*CALL_TYPES, "global"):
            raise NotAPlan(f"'{rule['type']}' is no type of rule")
        version = int(rule.get("version") or 1)
        yield type, rule.get("key") or "", version, "", rule["jsonSchema"]


def _grouped(rules: Mapping[str, Any]) -> Iterator[tuple[str, str, int, str, Any]]:
    for word in rules:
        known = ("events", "identify_traits", "group_traits", "global", OURS)
        if word not in (*known, *CALL_TYPES):
            raise NotAPlan(f"'{word}' in 'rules' is not known")
    for entry in rules.get("events") or ():
        if not isinstance(entry, dict) or "name" not in entry or "rules" not in entry:
            raise NotAPlan("each of 'rules.events' needs a name and rules")
        version = int(entry.get("version") or 1)
        description = entry.get("description") or ""
        yield "track", entry["name"], version, description, entry["rules"]
    for type in ("global", *CALL_TYPES):
        if rules.get(type):
            yield type, "", 1, rules[type].get("description") or "", rules[type]
    for entry in rules.get(OURS) or ():
        description, schema = entry.get("description") or "", entry["rules"]
        yield entry["type"], entry["name"], entry["version"], description, schema


def _global(common: Mapping[str, Rule]) -> dict[str, Any]:
    """The common rules as one schema of the whole event.

    In a schema a value is required of the object around it, so the objects on the way
    are too. Which paths are rules of the plan is said beside them.
    """
    paths = sorted(common)
    root: dict[str, Any] = {"$schema": DRAFT, "type": "object", OURS: {"common": paths}}
    for path in paths:
        if any(path.startswith(f"{other}.") for other in paths):
            raise NotAPlan(f"common rules overlap at {path}; make them one")
        node, names = root, path.split(".")
        for name in names:
            if common[path].required and name not in node.setdefault("required", []):
                node["required"].append(name)
            inside = node.setdefault("properties", {})
            node = inside.setdefault(name, {"type": "object"})
        node.clear()
        node.update(schema_of(common[path]))
    return root


def _common(schema: Mapping[str, Any], left: Left) -> dict[str, Rule]:
    paths = (schema.get(OURS) or {}).get("common")
    if paths is None:
        return dict(_outermost(schema, left, ""))
    rules = {}
    for path in paths:
        *way, name = path.split(".")
        node: Mapping[str, Any] = schema
        for step in way:
            node = node["properties"][step]
        required = name in (node.get("required") or [])
        inner = node["properties"][name]
        rules[path] = rule_of(inner, left, f"global.{path}", required=required)
    return rules


def _outermost(
    schema: Mapping[str, Any], left: Left, path: str
) -> Iterator[tuple[str, Rule]]:
    """The rules of anybody's schema: one per value that holds no other planned ones."""
    required = schema.get("required") or []
    properties = {name: {} for name in required} | (schema.get("properties") or {})
    for name, inner in properties.items():
        here = f"{path}.{name}" if path else name
        if isinstance(inner, dict) and inner.get("properties"):
            yield from _outermost(inner, left, here)
        elif inner != {} or name in required:
            is_required = name in required
            yield here, rule_of(inner, left, f"global.{here}", required=is_required)
