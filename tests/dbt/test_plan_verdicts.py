"""The edge and the warehouse come to the same verdict, whatever the plan and the event.

Hypothesis makes plans and events; dbt builds the violations of all of them in one run.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from dbt.artifacts.resources.v1.components import ColumnConfig, ColumnInfo
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from collector import plan
from collector.plan_check import PlanCheck
from collector.plan_types import COLUMN_TYPES
from collector.plan_words import parse_plan
from collector.strict_json import examine
from collector.validate import Event
from tests.dbt.conftest import Project, Row, event_row, invoke_dbt, parsed
from tests.plans import Node, model

EXAMPLES = 250
PLANS_PER_KIND = 3
EVENTS = 8
TEMPLATE = "model.kith.order_completed"

TEXTS = [
    "a",
    "o-1",
    "o-é",
    "AB",
    "ABC",
    "abc",
    "1",
    "1.0",
    "true",
    "null",
    "card",
    "Card",
    "\u0663",
    "\u017f",
    "\u212a",
    "2026-02-28",
    "2026-02-30",
    "0000-02-29",
    "2026-02-28Z",
    "2026-02-28T10:00",
    "2026-02-28T25:00:00Z",
    "2026-02-28T10:00:00Z",
    "2026-02-28T24:00:00+01:00",
    "2026-02-28T10:00:00.5+0100",
    "a@b.cd",
    "a@b",
    "a@b..c",
    "é@x.é",
    "mailto:a",
    "x:y",
    "/path",
    "123e4567-e89b-12d3-a456-426614174000",
    "123e4567e89b12d3a456426614174000",
    "127.0.0.1",
    "256.0.0.1",
    "01.2.3.4",
    "::1",
    "2001:db8::8a2e:370:7334",
    "1::2::3",
    "::ffff:1.2.3.4",
    "1:2:3:4:5:6:7:8",
]
STRINGS = st.sampled_from([*TEXTS, "", " ", "a b", "a\n", "\na", "a\tb", "\x0b", "'"])
INTEGERS = [0, 1, -1, 5, 100, 127, 128, -129, 2**31, 2**63 - 1, -(2**63), 2**63, 10**30]
FRACTIONS = [0.5, 1.0, -0.0, 12.345, 99.994, 99.995, 999.9949, 99999.5, 1e-7]
LARGE = [1e3, 1e16, 1e21, 1e30, 1e300]
NUMBERS = st.sampled_from([*INTEGERS, *FRACTIONS, *LARGE])
SCALARS = STRINGS | NUMBERS | st.booleans() | st.none()
KEYS = st.sampled_from(["a", "b", "c", "A", "a.b", "it's", ""])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=6,
)
PATTERNS = st.sampled_from(
    [
        "^o-",
        "^[A-Z]{3}$",
        "(?i)^k|s",
        "(?s)a.b",
        "^.$",
        "^$",
        "a$",
        "[^a-z]",
        "a{1,2}b?c*",
        r"\d",
        r"^\w+$",
        r"\s",
        r"\bo\b",
        r"^[\w.-]+@",
        r"\.|\x41",
        "[]'\"]",
    ]
)
TYPES = st.sampled_from([*plan.JSON_TYPES]) | st.lists(
    st.sampled_from(plan.JSON_TYPES), min_size=1, max_size=3, unique=True
)
FORMATS = st.sampled_from(plan.FORMATS)
LIMITS = st.sampled_from([-1, 0, 0.5, 1, 100])
DATA_TYPES = st.sampled_from([*COLUMN_TYPES, "decimal(4, 2)", "decimal(12, 2)"])
WORDS: dict[str, st.SearchStrategy[Any]] = {
    "type": TYPES,
    "enum": st.lists(STRINGS, min_size=1, max_size=4)
    | st.lists(NUMBERS | st.booleans(), min_size=1, max_size=4),
    "pattern": PATTERNS,
    "format": FORMATS,
    "minimum": LIMITS,
    "maximum": LIMITS,
    "required": st.booleans(),
}


def words_of_a_rule(draw: st.DrawFn) -> dict[str, Any]:
    """One word, or several, which are seldom at one with each other."""
    number = draw(st.sampled_from([1, 1, 1, 2, 3]))
    chosen = st.lists(
        st.sampled_from(sorted(WORDS)), min_size=number, max_size=number, unique=True
    )
    return {word: draw(WORDS[word]) for word in draw(chosen)}


few_words = st.composite(words_of_a_rule)


RULES = st.recursive(
    few_words(),
    lambda inner: (
        st.fixed_dictionaries(
            {"properties": st.dictionaries(KEYS, inner, min_size=1, max_size=3)},
            optional={"type": st.just("object"), "required": st.booleans()},
        )
        | st.fixed_dictionaries({"items": inner}, optional={"type": st.just("array")})
    ),
    max_leaves=4,
)


def suited_to(words: dict[str, Any], data_type: str = "") -> st.SearchStrategy[Any]:
    """Values that a rule speaks of: by chance alone few would keep to it."""
    if "properties" in words:
        inside = {name: suited_to(rule) for name, rule in words["properties"].items()}
        return st.fixed_dictionaries({}, optional=inside) | VALUES
    if "items" in words:
        return st.lists(suited_to(words["items"]), max_size=3) | VALUES
    if "enum" in words:
        return st.sampled_from(words["enum"]) | SCALARS
    kind = f"{words.get('type')} {data_type}"
    if any(name in kind for name in ("int", "number", "decimal", "double", "float")):
        return NUMBERS | SCALARS
    return STRINGS | SCALARS


@dataclass
class Case:
    """A planned event, and what is sent under its name."""

    node: Node
    sent: list[dict[str, Any]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A plan without mistakes for one event, with events that may suit it."""
    columns: dict[str, tuple[str | None, dict[str, Any]]] = {}
    properties: dict[str, Any] = {}
    suited: dict[str, st.SearchStrategy[Any]] = {}
    for name in draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)):
        if name and draw(st.booleans()):
            words, data_type = draw(few_words()), draw(DATA_TYPES)
            columns[f"column {name}"] = (data_type, words | {"property": name})
            suited[name] = suited_to(words, data_type)
        else:
            properties[name] = draw(RULES)
            suited[name] = suited_to(properties[name])
    meta: dict[str, Any] = {"event": "Event 1", "properties": properties}
    if draw(st.booleans()):
        meta["renames"] = {"old": draw(st.sampled_from(["a", "b", "new"]))}
        suited["old"] = VALUES
    node = model("planned", meta, columns)
    assume(not parse_plan([node], {}, project_file="")[1])
    payloads = st.fixed_dictionaries({}, optional=suited)
    strays = st.dictionaries(KEYS, VALUES, max_size=2)
    sent = st.tuples(strays, payloads).map(lambda parts: parts[0] | parts[1])
    return Case(node, draw(st.lists(sent, min_size=EVENTS, max_size=EVENTS)))


COMMON = {
    "userId": {"pattern": "^u"},
    "context.library.name": {"required": True, "enum": ["js", 1]},
    "context.page": {"properties": {"path": {"type": "string", "required": True}}},
    "nowhere": {"type": ["null", "string"], "required": True},
    "properties.a": {"type": ["string", "number"]},
}
VERSIONS = (1, 2, 2.0, 3, "2", True)
CONTEXTS = st.sampled_from(
    [
        None,
        {},
        {"library": {"name": "js"}, "page": {"path": "/", "url": "x"}},
        {"library": {"name": 1}, "page": {}},
        {"library": 1, "page": {"path": None}},
        *({"protocols": {"event_version": version}} for version in VERSIONS),
    ]
)


@dataclass
class Made:
    """A case among others: every fourth plans a second version of the event before it,
    every fifth is sent by an older name, and of each the first by a name unheard of."""

    number: int
    case: Case
    context: dict[str, Any] | None

    @property
    def name(self) -> str:
        """The name of the event."""
        return f"Event {self.number - self.is_second}"

    @property
    def is_second(self) -> bool:
        """Whether it is the second version of its event."""
        return self.number % 4 == 3

    @property
    def has_old_name(self) -> bool:
        """Whether the events have a name of before."""
        return self.number % 5 == 0

    @property
    def sent_name(self) -> str:
        """What clients call the event."""
        return f"Old {self.name}" if self.has_old_name else self.name

    @property
    def node(self) -> Node:
        """The model that plans it."""
        meta = self.case.node["config"]["meta"] | {"event": self.name}
        if self.is_second:
            meta |= {"version": 2}
        if self.has_old_name:
            meta |= {"event_aliases": [self.sent_name]}
        name = f"planned_{self.number}"
        return self.case.node | {"name": name, "config": {"meta": meta}}

    def events(self) -> Iterator[Event]:
        """What is sent, as the collector stores it."""
        for place, sent in enumerate(self.case.sent):
            yield Event(
                "events",
                f"{self.number}-{place}",
                "track",
                timestamp=1,
                received_at=1,
                source_id="shop",
                flags=[],
                event=self.sent_name if place else f"New {self.name}",
                properties=examine(sent, alone=False).value,
                context=self.context,
                user_id="u1" if place % 2 else "x",
            )


@pytest.fixture(scope="module")
def made() -> list[Made]:
    """Plans for one event each, with what is sent, and in which context."""
    collected: list[tuple[Case, dict[str, Any] | None]] = []

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(), CONTEXTS)
    def collect(case: Case, context: dict[str, Any] | None) -> None:
        collected.append((case, context))

    collect()
    # Most examples are dull: take some that break each kind of rule.
    chosen: dict[int, None] = {}
    for kind in plan.KINDS:
        telling = [n for n, (case, _) in enumerate(collected) if kind in broken(case)]
        chosen |= dict.fromkeys(telling[-PLANS_PER_KIND:])
    return [Made(number, *collected[n]) for number, n in enumerate(chosen)]


def broken(case: Case) -> set[str]:
    """The kinds of violation that the events of a case show."""
    check = PlanCheck(parse_plan([case.node], {}, project_file="")[0])
    events = Made(1, case, None).events()
    return {kind for event in events for _, kind in check.violations(event)}


def injected(nodes: list[Node]) -> Any:
    """The project's manifest with these models for the plan in place of its own."""
    manifest = parsed(()).deepcopy()
    template = manifest.nodes[TEMPLATE]
    for node in manifest.nodes.values():
        if node.resource_type == "model" and node.config.meta.get("event"):
            node.config.meta = {}
    manifest.nodes["model.kith.events"].config.meta = {"common": COMMON}
    for node in nodes:
        planned = deepcopy(template)
        planned.unique_id = f"model.kith.{node['name']}"
        planned.name = planned.alias = node["name"]
        planned.config.meta = node["config"]["meta"]
        planned.columns = {
            name: ColumnInfo(
                name=name,
                data_type=column["data_type"],
                config=ColumnConfig(meta=column["config"]["meta"]),
            )
            for name, column in node["columns"].items()
        }
        manifest.nodes[planned.unique_id] = planned
    manifest.build_flat_graph()
    return manifest


def test_verdicts_are_the_same(project: Project, made: list[Made]) -> None:
    sent = [event for case in made for event in case.events()]
    project.land([row_of(event) for event in sent], segment="generated")
    nodes = [case.node for case in made]
    selection = ["run", "--select", "+event_violations"]
    result = invoke_dbt(*selection, manifest=injected(nodes))
    assert result.success, result.exception or result.result
    found = plan.load_plan(project.data_dir / "dbt" / "target" / "manifest.json")
    assert len(found.events) == len(nodes)
    check = PlanCheck(found)
    here = {
        (event.message_id, path, kind)
        for event in sent
        for path, kind in check.violations(event)
    }
    there = set(
        project.query(
            "select message_id, property, violation from staging.event_violations"
        )
    )
    events = {event.message_id: event for event in sent}
    only_here = [(*one, events[one[0]]) for one in sorted(here - there, key=str)]
    only_there = [(*one, events[one[0]]) for one in sorted(there - here, key=str)]
    assert (only_here, only_there) == ([], [])
    assert {kind for _, _, kind in there} == set(plan.KINDS)


def row_of(event: Event) -> Row:
    """The event as landing writes it."""
    fields = ("message_id", "event", "properties", "context", "user_id")
    return event_row(**{name: getattr(event, name) for name in fields})
