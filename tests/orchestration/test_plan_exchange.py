"""The tracking plan survives every form it is written in: yml, Segment's JSON, CSV."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.plan import CALL_TYPES, FORMATS, Plan, PlannedEvent, Rule
from collector.plan_words import parse_plan
from orchestration.plans.exchange import without_files
from orchestration.plans.names import model_name, with_columns
from orchestration.plans.pairs import pair
from orchestration.plans.segment_json import NotAPlan, from_segment, to_segment
from orchestration.plans.spreadsheet import from_csv, to_csv

# Names as people give them, and as they should not.
NAMES = st.sampled_from(
    [
        *("total", "orderID", "First Name", "products", "select", "user_id", "ÄÖ"),
        *("a'b", 'a"b', "a[0]", "2nd", "x\\y", "line\nbreak", " spaced ", "null"),
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(
    str.strip
)
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False)
PATTERNS = st.sampled_from([None, "^[A-Z]{3}$", r"^\d+(,\d+)*$", "a|b", "'\"", "{{x"])


@st.composite
def rules(draw: st.DrawFn, depth: int = 2) -> Rule:
    """A rule that some value can keep."""
    kinds = ["string", "number", "integer", "boolean", "any", "several"]
    kind = draw(st.sampled_from([*kinds, *(("array", "object") if depth else ())]))
    rule = Rule(
        types={"any": (), "several": ("string", "null")}.get(kind, (kind,)),
        required=draw(st.booleans()),
        pii=draw(st.booleans()),
        description=draw(TEXTS),
    )
    inner = rules(depth - 1)
    if kind == "string":
        format, pattern = draw(st.sampled_from([None, *FORMATS])), draw(PATTERNS)
        return replace(rule, format=format, pattern=pattern)
    if kind == "several":
        return replace(rule, enum=draw(st.sampled_from([None, ("a", "1", "")])))
    if kind in ("number", "integer"):
        low, high = draw(st.none() | NUMBERS), draw(st.none() | NUMBERS)
        is_range = low is not None and high is not None and low > high
        low, high = (high, low) if is_range else (low, high)
        return replace(rule, minimum=low, maximum=high)
    if kind == "array":
        element = inner.map(lambda one: replace(one, required=False))
        return replace(rule, items=draw(st.none() | element))
    if kind == "object":
        keys = NAMES | st.sampled_from(["a.b", "[]", "."])
        return replace(rule, properties=draw(st.dictionaries(keys, inner, max_size=3)))
    return rule


@st.composite
def events(draw: st.DrawFn) -> PlannedEvent:
    """An event as `kith plan` itself would plan it, with the columns that fit."""
    type = draw(st.sampled_from(CALL_TYPES))
    properties = draw(st.dictionaries(NAMES, rules(), max_size=4))
    event = PlannedEvent(
        name=draw(NAMES) if type == "track" else type,
        type=type,
        version=draw(st.integers(1, 3)),
        properties=properties,
        enforcement=draw(st.sampled_from([{}, {"enum": "omit", "range": "allow"}])),
        renames=dict.fromkeys(["old"], next(iter(properties))) if properties else {},
        aliases=draw(st.sampled_from([(), ("Old Name", "Older: Name")])),
        owner=draw(st.sampled_from(["", "shop", "team: data"])),
        description=f"{draw(TEXTS)} One row per event.".strip(),
    )
    named = replace(event, model=model_name(event, ()))
    return with_columns(named, {}) if draw(st.booleans()) else named


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan without what no exchange format carries."""
    found = draw(st.lists(events(), max_size=4, unique_by=_identity))
    paths = ["context.library.name", "context.locale", "userId", "traits.email"]
    common = draw(st.dictionaries(st.sampled_from(paths), rules(), max_size=3))
    return without_files(
        Plan(events=tuple(sorted(found, key=_identity)), common=common)
    )


def _identity(event: PlannedEvent) -> tuple[str, str, int]:
    return event.type, event.name, event.version


@settings(max_examples=40, deadline=None)
@given(plan=plans())
def test_json_carries_the_whole_plan(plan: Plan) -> None:
    left: list[str] = []
    document = json.loads(json.dumps(to_segment(plan, name="Shop")))
    assert from_segment(document, left) == plan
    assert left == []


@settings(max_examples=40, deadline=None)
@given(plan=plans())
def test_csv_carries_the_whole_plan(plan: Plan) -> None:
    left: list[str] = []
    assert from_csv(to_csv(plan), left) == plan
    assert left == []


@settings(max_examples=40, deadline=None)
@given(event=events())
def test_a_pair_says_what_the_event_is_planned_to_be(event: PlannedEvent) -> None:
    [model] = yaml.safe_load(pair(event).yml)["models"]
    plan, mistakes = parse_plan([_node(_rendered(model))], {}, project_file="")
    assert mistakes == ()
    assert plan.events == (replace(event, table=f"events.{event.model}"),)


def _node(model: dict[str, Any]) -> dict[str, Any]:
    """The model as it stands in dbt's manifest."""
    columns = {
        column["name"]: {"config": {"meta": {}}, **column}
        for column in model["columns"]
    }
    place = {"resource_type": "model", "schema": "events", "alias": model["name"]}
    return {**model, **place, "columns": columns}


def _rendered(value: Any) -> Any:
    """The yml after dbt's templates."""
    if isinstance(value, str) and value.startswith('{{ "'):
        return json.loads(value[3:-3])
    if isinstance(value, dict):
        return {_rendered(key): _rendered(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rendered(inner) for inner in value]
    return value


SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "labels": {},
    "properties": {
        "context": {},
        "traits": {},
        "properties": {
            "type": "object",
            "properties": {
                "total": {"type": ["number", "null"], "minimum": 0, "description": ""},
                "lines": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"sku": {"type": "string"}},
                        "required": ["sku"],
                    },
                },
            },
            "required": ["total", "currency"],
        },
    },
    "required": ["properties"],
}
PLANNED = {
    "total": Rule(types=("number", "null"), required=True, minimum=0),
    "lines": Rule(
        types=("array",),
        items=Rule(
            types=("object",),
            properties={"sku": Rule(types=("string",), required=True)},
        ),
    ),
    "currency": Rule(required=True),
}


@pytest.mark.parametrize(
    "document",
    [
        {"rules": {"events": [{"name": "Paid", "version": 2, "rules": SCHEMA}]}},
        {
            "data": {
                "rules": [
                    {"type": "TRACK", "key": "Paid", "version": 2, "jsonSchema": SCHEMA}
                ]
            }
        },
    ],
)
def test_both_shapes_of_segment_are_read(document: dict[str, Any]) -> None:
    left: list[str] = []
    [event] = from_segment(document, left).events
    assert (event.type, event.name, event.version) == ("track", "Paid", 2)
    assert event.properties == PLANNED
    assert left == []


def test_a_schema_of_all_events_becomes_common_rules() -> None:
    device = {
        "type": "object",
        "properties": {"advertisingId": {"type": "string"}},
        "required": ["advertisingId"],
    }
    schema = {
        "type": "object",
        "properties": {
            "context": {"type": "object", "properties": {"device": device}},
            "userId": {"type": "string"},
        },
        "required": ["userId"],
    }
    assert from_segment({"rules": {"global": schema}}, []).common == {
        "context.device.advertisingId": Rule(types=("string",), required=True),
        "userId": Rule(types=("string",), required=True),
    }


def test_what_the_plan_has_no_word_for_is_told() -> None:
    price = {"type": "number", "multipleOf": 0.01}
    size = {"type": "string", "pattern": "(?!x)", "format": "hostname"}
    payload = {"properties": {"price": price, "size": size, "a.b": {}}}
    rules = {"labels": {"team": "shop"}, "properties": {"properties": payload}}
    left: list[str] = []
    from_segment({"rules": {"events": [{"name": "Paid", "rules": rules}]}}, left)
    assert [line.split(":")[0] for line in left] == [
        "Paid",
        "Paid.price",
        "Paid.size",
        "Paid.size",
        "Paid.a.b",
    ]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"events": []}, "no 'rules'"),
        ({"rules": {"events": [{"name": "x"}]}}, "needs a name and rules"),
        ({"rules": {"event": []}}, "'event' in 'rules' is not known"),
        ({"rules": [{"type": "CLICK", "jsonSchema": {}}]}, "'CLICK'"),
    ],
)
def test_a_document_that_is_no_plan_is_refused(document: Any, told: str) -> None:
    with pytest.raises(NotAPlan, match=told):
        from_segment(document, [])


def test_a_spreadsheet_as_people_keep_it_is_read() -> None:
    text = (
        "Event Name,Property Name,Property Type,Property Status,Permitted Values\n"
        "Paid,,,,\n"
        "Paid,at,Date time,required,\n"
        "Paid,season,string,optional,fall|winter\n"
        "Paid,lines[].sku,string,required,\n"
    )
    [event] = from_csv(text, []).events
    sku = Rule(types=("string",), required=True)
    assert event.properties == {
        "at": Rule(types=("string",), format="date-time", required=True),
        "season": Rule(types=("string",), pattern="fall|winter"),
        "lines": Rule(
            types=("array",), items=Rule(types=("object",), properties={"sku": sku})
        ),
    }


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("track,Paid,x,,maybe", "Property Status is required or optional"),
        ("click,Paid,x,,", "'click' is no type of rule"),
        ("track,,x,,", "row 2: a track call needs an Event Name"),
        ("track,Paid,.x,,", "'.x' is no path"),
        ("track,Paid,x,[1,", "is no JSON"),
    ],
)
def test_a_wrong_row_is_named(row: str, told: str) -> None:
    head = "Rule Type,Event Name,Property Name,Minimum,Property Status\n"
    with pytest.raises(NotAPlan, match="row 2") as caught:
        from_csv(head + row + "\n", [])
    assert told in str(caught.value)
