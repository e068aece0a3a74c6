"""Lint finds each way of breaking the plan, and is silent on what it cannot know."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.plan import Plan, PlannedEvent, Rule
from orchestration.plans.lint import Finding, LintReport, lint

TEXT = Rule(types=("string",))
LINE = Rule(
    types=("object",),
    properties={
        "sku": Rule(types=("string",), required=True),
        "quantity": Rule(types=("integer",), minimum=1),
    },
)
PAID = PlannedEvent(
    name="Paid",
    properties={
        "order_id": Rule(types=("string",), required=True),
        "total": Rule(types=("number",), data_type="decimal(6, 2)", minimum=0),
        "currency": Rule(types=("string",), pattern="^[A-Z]{3}$"),
        "method": Rule(types=("string",), enum=("card", "cash")),
        "at": Rule(types=("string",), format="date-time"),
        "lines": Rule(types=("array",), items=LINE),
        "note": Rule(types=("string", "null")),
    },
    renames={"id": "order_id"},
    aliases=("Order Paid",),
)
PLAN = Plan(
    events=(
        PAID,
        PlannedEvent(name="Left", version=1),
        PlannedEvent(
            name="Left", version=2, properties={"why": Rule(types=("string",))}
        ),
        PlannedEvent(
            name="identify",
            type="identify",
            properties={"email": Rule(types=("string",), format="email")},
        ),
        PlannedEvent(
            name="page", type="page", properties={"path": Rule(types=("string",))}
        ),
        PlannedEvent(
            name="group",
            type="group",
            properties={"seats": Rule(types=("integer",), required=True)},
        ),
    )
)

PYTHON_OK = """
import segment.analytics as analytics
from shop import client, tracker, rules

analytics.track("u", "Paid", {"order_id": "1", "total": 9, "lines": [], "note": None})
analytics.track(event="Paid", user_id="u", properties={"id": f"order-{x}"})
analytics.track("u", "Order Paid", {"order_id": x, "lines": [{"sku": "a"}, line]})
analytics.track("u", "Left", {"why": "rain"}, {"protocols": {"event_version": 2}})
analytics.identify("u", {"email": "ada@example.com"})
analytics.identify("u")
analytics.page("u", "Shop", "Home", {"path": "/"})
analytics.group("u", "g", traits={"seats": 3})
analytics.screen("u", name="Anything", properties={"is": "unplanned"})
tracker.track("u", "No Client Of Ours")
rules.page("not a call of a client")
"""
PYTHON_UNKNOWN = """
client.track("u", name, {"total": "x"})
client.track("u", "Paid", properties)
client.track("u", "Paid", {**common, "total": 1})
client.track(*arguments)
client.track("u", "Left", {}, context)
client.track("u", "Paid", **more)
"""
PYTHON_WRONG = """
client.track("u", "Payd", {})
client.track("u", "Paid")
client.track("u", "Paid", {"order_id": "1", "totl": 1})
client.track("u", "Paid", {"order_id": 1})
client.track("u", "Paid", {
    "order_id": "1",
    "total": -1,
    "currency": "euro",
    "method": "fax",
    "at": "yesterday",
    "lines": [{"sku": "a"}, {"quantity": 0}],
})
client.track("u", "Paid", {"order_id": None, "total": 99999.5})
client.track("u", "Left", {"why": "rain"})
client.identify("u", {"email": "ada", "age": 3})
client.group("u", "g", {})
client.track("u", "Paid", {"order_id": {}, "total": f"{x}"})
"""

BROWSER_OK = """
analytics.track("Paid", { order_id: "1", total: 9.5, note: null, lines });
window.analytics?.track(`Paid`, { "id": `order-${x}`, currency: undefined });
analytics.track("Left", { why: "rain" }, { context: { protocols: {
  event_version: 2,
} } });
analytics.identify(user.id, { email: "ada@example.com" });
analytics.identify({ email: "ada@example.com" });
analytics.identify("u");
analytics.page("Shop", "Home", { path: "/" });
analytics.page();
analytics.group("g", { seats: 0x10 });
console.track("Nonsense", {});
track("Nonsense");
"""
BROWSER_UNKNOWN = """
analytics.track(name, { total: "x" });
analytics.track("Paid", properties);
analytics.track("Paid", { ...common, [key]: 1 });
analytics.track(...args);
analytics.track("Left", {}, options);
"""
NODE_WRONG = """
const client = new Analytics({ writeKey });
client.track({ userId: "u", event: "Payd", properties: {} });
client.track({ userId: "u", event: "Paid" });
client.track({ userId: "u", event: "Paid", properties: { order_id: "1", totl: 1 } });
rudderanalytics.track("Paid", { order_id: 1 });
this.analytics.track("Paid", {
  order_id: "1" as string,
  total: -1,
  currency: "euro",
  method: "fax" as const,
  at: "yesterday",
  lines: [{ sku: "a" }, { quantity: 0 }],
} satisfies Payload);
analytics.track("Paid", { order_id: undefined, total: 99999.5 });
analytics.track("Left", { why: "rain" });
analytics.identify("u", { email: "ada", age: 3 });
client.group({ userId: "u", groupId: "g", traits: {} });
analytics!.track("Paid", { order_id: {}, total: `${x}` });
"""


def _lint(tmp_path: Path, name: str, source: str, **more: frozenset[str]) -> LintReport:
    file = tmp_path / "src" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(source, encoding="utf-8")
    return lint([tmp_path / "src"], PLAN, **more)


def _places(findings: tuple[Finding, ...]) -> list[tuple[int, str]]:
    return [(finding.line, finding.kind) for finding in findings]


@pytest.mark.parametrize(
    ("name", "source"),
    [("shop.py", PYTHON_OK), ("shop.js", BROWSER_OK), ("shop.ts", BROWSER_OK)],
)
def test_calls_that_keep_the_plan_pass(tmp_path: Path, name: str, source: str) -> None:
    report = _lint(tmp_path, name, source)
    assert report.problems == ()
    assert report.not_checked == ()
    assert report.calls == 9


WRONG = [
    (2, "unplanned_event"),
    (3, "required_missing"),
    (4, "unplanned_property"),
    (5, "type_mismatch"),
    (8, "range"),
    (9, "pattern"),
    (10, "enum"),
    (11, "format"),
    (12, "range"),
    (12, "required_missing"),
    (14, "required_missing"),
    (14, "type_mismatch"),
    (15, "unplanned_property"),
    (16, "format"),
    (16, "unplanned_property"),
    (17, "required_missing"),
    (18, "type_mismatch"),
    (18, "type_mismatch"),
]


def test_each_break_is_found_in_python(tmp_path: Path) -> None:
    report = _lint(tmp_path, "shop.py", PYTHON_WRONG)
    assert _places(report.problems) == WRONG
    told = {finding.message for finding in report.problems}
    assert {
        "'Payd' is not planned; did you mean 'Paid'?",
        "'Paid': 'totl' is not planned; did you mean 'total'?",
        "'Paid': 'order_id' must be string, here it is 1",
        "'Paid': 'lines[].sku' is required and missing",
        "'Paid': 'lines[].quantity' must be at least 1, here it is 0",
        "'Paid': 'total' must be number that fits decimal(6, 2), here it is 99999.5",
        "'Paid': 'method' must be one of card, cash, here it is \"fax\"",
        "'Paid': 'total' must be number that fits decimal(6, 2), here it is text",
        "'identify': 'age' is not planned",
    } <= told


@pytest.mark.parametrize("name", ["shop.ts", "shop.tsx", "shop.mts"])
def test_each_break_is_found_in_typescript(tmp_path: Path, name: str) -> None:
    report = _lint(tmp_path, name, NODE_WRONG)
    # One line of the sample makes the client.
    assert _places(report.problems) == [(line + 1, kind) for line, kind in WRONG]


@pytest.mark.parametrize(
    ("name", "source", "lines"),
    [
        ("shop.py", PYTHON_UNKNOWN, [2, 3, 4, 5, 6, 7]),
        ("shop.js", BROWSER_UNKNOWN, [2, 3, 4, 5, 6]),
    ],
)
def test_what_is_computed_is_not_checked(
    tmp_path: Path, name: str, source: str, lines: list[int]
) -> None:
    report = _lint(tmp_path, name, source)
    assert report.problems == ()
    assert _places(report.not_checked) == [(line, "not_checked") for line in lines]


def test_other_clients_can_be_named(tmp_path: Path) -> None:
    source = 'metrics.track("u", "Payd")\n'
    assert _lint(tmp_path, "shop.py", source).calls == 0
    report = _lint(tmp_path, "shop.py", source, clients=frozenset({"metrics"}))
    assert _places(report.problems) == [(1, "unplanned_event")]


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    _lint(tmp_path, "broken.py", "def (:\n")
    report = _lint(tmp_path, "broken.ts", 'analytics.track("Payd", {});\nlet = = ;\n')
    assert [(one.file.name, one.line) for one in report.not_checked] == [
        ("broken.py", 1),
        ("broken.ts", 2),
    ]
    # What can be read of it is looked at all the same.
    assert _places(report.problems) == [(1, "unplanned_event")]


def test_code_of_others_is_passed_over(tmp_path: Path) -> None:
    for folder in ("node_modules", ".venv", "dist"):
        (tmp_path / "src" / folder).mkdir(parents=True)
        file = tmp_path / "src" / folder / "index.js"
        file.write_text('analytics.track("Payd")', encoding="utf-8")
    assert lint([tmp_path / "src"], PLAN) == LintReport(0, 0, (), ())
