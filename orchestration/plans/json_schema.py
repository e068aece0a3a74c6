"""Rules of the plan as JSON Schema (draft-07), and back.

What JSON Schema has no word for (a column and its type, what is personal) stands under
`x-kith`, which other readers of the schema pass over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.patterns import PatternError, compile_pattern
from collector.plan import FORMATS, JSON_TYPES, Rule

DRAFT = "http://json-schema.org/draft-07/schema#"
OURS = "x-kith"
Left = list[str]
"""What cannot be said in the plan, for people to read."""

_KNOWN = (
    *("type", "enum", "const", "pattern", "format", "minimum", "maximum", "items"),
    *("properties", "required", "description", OURS),
)
# These change nothing of what is planned: unplanned properties are a matter of
# enforcement, and the others are notes.
_PASSED_OVER = ("$schema", "$id", "id", "title", "additionalProperties")


def schema_of(rule: Rule) -> dict[str, Any]:
    """The rule as a schema. Whether it is required, the object around it says."""
    schema: dict[str, Any] = {}
    if rule.description:
        schema["description"] = rule.description
    if rule.types:
        schema["type"] = rule.types[0] if len(rule.types) == 1 else list(rule.types)
    for word in ("enum", "pattern", "format", "minimum", "maximum"):
        value = getattr(rule, word)
        if value is not None:
            schema[word] = list(value) if word == "enum" else value
    if rule.items is not None:
        schema["items"] = schema_of(rule.items)
    schema |= inside_of(rule.properties)
    ours: dict[str, Any] = {"pii": True} if rule.pii else {}
    if rule.data_type is not None:
        ours["data_type"] = rule.data_type
    return schema | ({OURS: ours} if ours else {})


def inside_of(rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The words of a schema that speak of the values inside an object."""
    if not rules:
        return {}
    words: dict[str, Any] = {
        "properties": {name: schema_of(rule) for name, rule in rules.items()}
    }
    required = [name for name, rule in rules.items() if rule.required]
    return words | ({"required": required} if required else {})


def rule_of(schema: Any, left: Left, place: str, *, required: bool = False) -> Rule:
    """The schema as a rule; what the plan has no word for is noted in `left`."""
    if not isinstance(schema, dict):
        if schema is not True:
            left.append(f"{place}: {schema!r} is no schema")
        return Rule(required=required)
    for word in schema:
        if word not in _KNOWN and word not in _PASSED_OVER and schema[word] != {}:
            left.append(f"{place}: the plan has no word for '{word}'")
    ours = schema.get(OURS) or {}
    items = schema.get("items")
    if isinstance(items, list):
        left.append(f"{place}: items: one schema for all elements is known, no list")
        items = None
    return Rule(
        types=tuple(_types(schema, left, place)),
        data_type=ours.get("data_type"),
        required=required,
        enum=_enum(schema),
        pattern=_pattern(schema.get("pattern"), left, place),
        format=_format(schema.get("format"), left, place),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        items=rule_of(items, left, f"{place}[]") if items is not None else None,
        properties=rules_inside(schema, left, place),
        pii=bool(ours.get("pii")),
        description=str(schema.get("description") or "").strip(),
    )


def rules_inside(schema: Mapping[str, Any], left: Left, place: str) -> dict[str, Rule]:
    """The rules of the values inside an object."""
    properties = schema.get("properties") or {}
    required = schema.get("required") or []
    rules = {
        name: rule_of(inner, left, f"{place}.{name}", required=name in required)
        for name, inner in properties.items()
    }
    for name in required:
        rules.setdefault(name, Rule(required=True))
    return rules


def _types(schema: Mapping[str, Any], left: Left, place: str) -> Iterator[str]:
    given = schema.get("type")
    for type in given if isinstance(given, list) else [given]:
        if type in JSON_TYPES:
            yield type
        elif type not in (None, "any"):
            left.append(f"{place}: '{type}' is no type of JSON")


def _enum(schema: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "const" in schema:
        return (schema["const"],)
    return tuple(schema["enum"]) if schema.get("enum") else None


def _pattern(given: Any, left: Left, place: str) -> str | None:
    if not given:
        return None
    try:
        compile_pattern(str(given))
    except PatternError as error:
        left.append(f"{place}: the pattern '{given}' cannot be used: {error}")
        return None
    return str(given)


def _format(given: Any, left: Left, place: str) -> str | None:
    if not given or given in FORMATS:
        return given or None
    left.append(f"{place}: the plan has no format '{given}': {', '.join(FORMATS)}")
    return None
