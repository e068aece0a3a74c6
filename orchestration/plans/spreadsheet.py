"""The tracking plan as CSV: one row an event, then one row a property.

The columns are those of Segment's editor; the ones that it lacks come after them, and
the last holds Kith's own words as JSON. A property's name is its path: `address.city`,
`products[].price`; a dot or bracket in a name itself is written after a backslash.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from collector.plan import CALL_TYPES, Plan, PlannedEvent, Rule
from orchestration.plans.exchange import (
    description_of,
    own_words,
    planned_event,
    sorted_events,
)
from orchestration.plans.json_schema import OURS, Left, rule_of, schema_of
from orchestration.plans.segment_json import NotAPlan

COLUMNS = (
    "Rule Type",
    "Event Name",
    "Event Version",
    "Event Description",
    "Property Name",
    "Property Description",
    "Property Type",
    "Property Status",
    "Permitted Values",
    "Enum",
    "Format",
    "Minimum",
    "Maximum",
    "Kith",
)
_NEEDED = ("Event Name", "Property Name")
_COMMON = "common"
_STEP = re.compile(r"((?:\\.|[^.\\\[])+)((?:\[\])*)", re.DOTALL)
_PATH = re.compile(rf"{_STEP.pattern}(?:\.{_STEP.pattern})*", re.DOTALL)
_TYPES = {"date time": "date-time", "datetime": "date-time", "date-time": "date-time"}

Row = dict[str, str]


def to_csv(plan: Plan) -> str:
    """The plan as the text of a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for path, rule in sorted(plan.common.items()):
        base = {"Rule Type": _COMMON}
        writer.writerows(_rows(path, _escaped(path), rule, base))
    for event in plan.events:
        base = {
            "Rule Type": event.type,
            "Event Name": event.name,
            "Event Version": str(event.version),
        }
        row = {**base, "Event Description": description_of(event)}
        if ours := own_words(event):
            row["Kith"] = json.dumps(ours, ensure_ascii=False)
        writer.writerow(row)
        for name, rule in event.properties.items():
            writer.writerows(_rows(name, _escaped(name), rule, base))
    return text.getvalue()


def from_csv(text: str, left: Left) -> Plan:
    """The plan in the text of a CSV file; raises `NotAPlan`.

    What the plan has no word for is noted in `left`.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    found = reader.fieldnames or ()
    for needed in _NEEDED:
        if needed not in found:
            raise NotAPlan(f"there is no column '{needed}': {', '.join(COLUMNS)}")
    for column in found:
        if column not in COLUMNS:
            left.append(f"column '{column}': the plan has no word for it")
    heads: dict[tuple[str, str, int], Row] = {}
    inside: dict[tuple[str, str, int], dict[str, Rule]] = {}
    for number, row in enumerate(reader, start=2):
        key = _key(row, number)
        properties = inside.setdefault(key, {})
        if not row.get("Property Name"):
            heads[key] = row
            continue
        _place(properties, row, left, f"row {number}")
    common = inside.pop((_COMMON, "", 1), {})
    events = [
        _event(key, heads.get(key, {}), properties, left)
        for key, properties in inside.items()
    ]
    return Plan(events=sorted_events(events), common=common)


def _rows(name: str, path: str, rule: Rule, base: Row) -> Iterator[Row]:
    """The row of a rule, then those of the rules inside it."""
    if not name:
        raise NotAPlan(f"{path} ends without a name, which no row can say")
    schema = schema_of(rule)
    row = base | {
        "Property Name": path,
        "Property Description": rule.description,
        "Property Type": "|".join(rule.types) or "any",
        "Property Status": "required" if rule.required else "optional",
        "Permitted Values": rule.pattern or "",
        "Format": rule.format or "",
    }
    if rule.enum is not None:
        row["Enum"] = json.dumps(list(rule.enum), ensure_ascii=False)
    for word in ("minimum", "maximum"):
        if word in schema:
            row[word.title()] = json.dumps(schema[word])
    if ours := schema.get(OURS):
        row["Kith"] = json.dumps(ours, ensure_ascii=False)
    yield row
    if rule.items is not None:
        yield from _rows(name, f"{path}[]", rule.items, base)
    for inner, inner_rule in rule.properties.items():
        yield from _rows(inner, f"{path}.{_escaped(inner)}", inner_rule, base)


def _key(row: Row, number: int) -> tuple[str, str, int]:
    type = (row.get("Rule Type") or "track").strip().lower()
    if type not in (*CALL_TYPES, _COMMON):
        raise NotAPlan(f"row {number}: '{type}' is no type of rule")
    version = row.get("Event Version") or "1"
    if not version.isdecimal():
        raise NotAPlan(f"row {number}: '{version}' is no version")
    name = row.get("Event Name") or ""
    if type == "track" and not name:
        raise NotAPlan(f"row {number}: a track call needs an Event Name")
    return type, name if type == "track" else "", int(version)


def _event(
    key: tuple[str, str, int], head: Row, properties: dict[str, Rule], left: Left
) -> PlannedEvent:
    type, name, version = key
    for path in [path for path in properties if "." in path]:
        left.append(f"{name or type}.{path}: a name with a dot would lead elsewhere")
        del properties[path]
    return planned_event(
        type=type,
        name=name,
        version=version,
        description=(head.get("Event Description") or "").strip(),
        properties=properties,
        ours=json.loads(head.get("Kith") or "{}"),
    )


def _place(properties: dict[str, Rule], row: Row, left: Left, place: str) -> None:
    """Put the rule of a row where its path leads; what lies on the way is made."""
    first, *rest = _steps(row["Property Name"], place)
    rule = _rule(row, left, place)
    assert first is not None  # noqa: S101 - a path begins with a name
    properties[first] = _with(properties.get(first), rest, rule)


def _with(known: Rule | None, steps: list[str | None], rule: Rule) -> Rule:
    """What is known, with a rule put where the steps lead; None leads to elements."""
    if not steps:
        if known is None:
            return rule
        return replace(rule, items=known.items, properties=known.properties)
    step, *rest = steps
    if step is None:
        outer = known or Rule(types=("array",))
        return replace(outer, items=_with(outer.items, rest, rule))
    outer = known or Rule(types=("object",))
    inner = _with(outer.properties.get(step), rest, rule)
    return replace(outer, properties={**outer.properties, step: inner})


def _steps(path: str, place: str) -> list[str | None]:
    """The names on a path; None stands for the elements of an array."""
    if not _PATH.fullmatch(path):
        raise NotAPlan(f"{place}: '{path}' is no path such as `products[].price`")
    steps: list[str | None] = []
    for name, elements in _STEP.findall(path):
        steps.append(re.sub(r"\\(.)", r"\1", name, flags=re.DOTALL))
        steps += [None] * (len(elements) // 2)
    return steps


def _rule(row: Row, left: Left, place: str) -> Rule:
    schema: dict[str, Any] = {"description": row.get("Property Description")}
    types = [one.strip().lower() for one in (row.get("Property Type") or "").split("|")]
    schema["type"] = ["string" if one in _TYPES else one for one in types if one]
    formats = [_TYPES[one] for one in types if one in _TYPES]
    schema["format"] = row.get("Format") or next(iter(formats), None)
    schema["pattern"] = row.get("Permitted Values")
    for column in ("Enum", "Minimum", "Maximum", "Kith"):
        text = row.get(column)
        if text:
            word = OURS if column == "Kith" else column.lower()
            schema[word] = _json(text, f"{place}, {column}")
    status = (row.get("Property Status") or "optional").strip().lower()
    if status not in ("required", "optional"):
        raise NotAPlan(f"{place}: Property Status is required or optional")
    return rule_of(schema, left, place, required=status == "required")


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise NotAPlan(f"{place}: '{text}' is no JSON: {error}") from None


def _escaped(name: str) -> str:
    return re.sub(r"([.\\\[])", r"\\\1", name)
