"""Where tracking calls in source code break the plan.

Only what is written out is judged. A name, a value or a whole object that the program
computes is not checked, and is said to be so on request.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from collector.plan import Plan, PlannedEvent, Rule
from collector.plan_values import tests_of, text_of
from orchestration.plans.calls import Call, Computed, Unreadable, Value

_JAVASCRIPT = frozenset({".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"})
_PASSED_OVER = frozenset(
    {"node_modules", "venv", "dist", "build", "target", "__pycache__", "site-packages"}
)
NOT_CHECKED = "not_checked"


@dataclass(frozen=True, order=True)
class Finding:
    """A place in source code, and what is wrong there: a kind of violation."""

    file: Path
    line: int
    kind: str
    message: str


@dataclass(frozen=True)
class LintReport:
    """What was looked at, and what was found."""

    files: int
    calls: int
    problems: tuple[Finding, ...]
    not_checked: tuple[Finding, ...]


def lint(
    places: Iterable[Path], plan: Plan, *, clients: frozenset[str] = frozenset()
) -> LintReport:
    """Look at all source files below the places; `clients` are further names."""
    files = calls = 0
    findings: set[Finding] = set()
    for file in sorted({file for place in places for file in _source_files(place)}):
        files += 1
        for found in _calls_in(file, clients):
            if isinstance(found, Unreadable):
                reason = f"the file cannot be read: {found.reason}"
                findings.add(Finding(file, found.line, NOT_CHECKED, reason))
                continue
            calls += 1
            findings.update(check(found, plan))
    ordered = sorted(findings)
    return LintReport(
        files,
        calls,
        tuple(one for one in ordered if one.kind != NOT_CHECKED),
        tuple(one for one in ordered if one.kind == NOT_CHECKED),
    )


def check(call: Call, plan: Plan) -> Iterator[Finding]:
    """What is wrong with one call, and what in it cannot be known."""
    name = call.method
    if call.method == "track":
        text = call.event.text if call.event else None
        if text is None:
            reason = "the name of the event is computed"
            yield Finding(call.file, call.line, NOT_CHECKED, reason)
            return
        name = text
    versions = plan.versions(call.method, name) or _by_alias(plan, call.method, name)
    if not versions:
        if call.method == "track":
            yield _unplanned(call, name, plan)
        return
    event = _version_of(call, versions)
    if event is None:
        reason = f"the version of '{name}' is computed"
        yield Finding(call.file, call.line, NOT_CHECKED, reason)
        return
    yield from _check_payload(call, event)


def _check_payload(call: Call, event: PlannedEvent) -> Iterator[Finding]:
    payload = call.payload or Value(call.line, {})
    if payload.known is None:
        payload = Value(payload.line, {})
    if not payload.is_object:
        reason = f"the {event.payload} of '{event.name}' are computed"
        yield Finding(call.file, payload.line, NOT_CHECKED, reason)
        return
    entries = {event.renames.get(name, name): v for name, v in payload.entries.items()}
    renamed = replace(payload, entries=entries)
    top = Rule(types=("object",), properties=event.properties)
    for found in _inside(renamed, top.properties, "", call.file, call.line):
        yield replace(found, message=f"'{event.name}': {found.message}")


def _inside(
    value: Value, rules: Mapping[str, Rule], path: str, file: Path, line: int
) -> Iterator[Finding]:
    for name, inner in value.entries.items():
        here = f"{path}.{name}" if path else name
        rule = rules.get(name)
        if rule is None:
            near = difflib.get_close_matches(name, rules, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            message = f"'{here}' is not planned{hint}"
            yield Finding(file, inner.line, "unplanned_property", message)
        elif inner.known is not None or rule.is_nullable:
            yield from _check_value(inner, rule, here, file)
    for name, rule in rules.items():
        here = f"{path}.{name}" if path else name
        found = value.entries.get(name)
        is_absent = found is None or (found.known is None and not rule.is_nullable)
        if not rule.required or not is_absent:
            continue
        if value.is_whole or found is not None:
            message = f"'{here}' is required and missing"
            yield Finding(file, line, "required_missing", message)
        else:
            reason = f"'{here}' is required and may be in what is computed"
            yield Finding(file, line, NOT_CHECKED, reason)


def _check_value(value: Value, rule: Rule, path: str, file: Path) -> Iterator[Finding]:
    known = value.known
    if known is Computed.VALUE:
        return
    if known is Computed.TEXT or isinstance(known, (dict, list)):
        # Of these no more than the type is known.
        type_only = Rule(types=rule.types)
        broken = _first_broken("" if known is Computed.TEXT else known, type_only)
    else:
        broken = None if known is None else _first_broken(known, rule)
    if broken is not None:
        message = f"'{path}' {_expected(rule, broken)}, here it is {_shown(value)}"
        yield Finding(file, value.line, broken, message)
        return
    if value.is_object and rule.properties:
        yield from _inside(value, rule.properties, path, file, value.line)
    if rule.items is not None:
        for element in value.elements:
            if element.known is not None:
                yield from _check_value(element, rule.items, f"{path}[]", file)


def _first_broken(value: object, rule: Rule) -> str | None:
    return next((kind for kind, passes in tests_of(rule) if not passes(value)), None)


def _expected(rule: Rule, kind: str) -> str:
    if kind == "type_mismatch":
        fit = f" that fits {rule.data_type}" if rule.data_type else ""
        return f"must be {' or '.join(rule.types)}{fit}"
    if kind == "enum":
        return f"must be one of {', '.join(map(text_of, rule.enum or ()))}"
    if kind == "pattern":
        return f"must match {rule.pattern}"
    if kind == "format":
        return f"must be a {rule.format}"
    bounds = (("at least", rule.minimum), ("at most", rule.maximum))
    said = [f"{word} {bound}" for word, bound in bounds if bound is not None]
    return f"must be {' and '.join(said)}"


def _shown(value: Value) -> str:
    if value.known is Computed.TEXT:
        return "text"
    if isinstance(value.known, dict):
        return "an object"
    if isinstance(value.known, list):
        return "an array"
    text = text_of(value.known)
    shown = f'"{text}"' if isinstance(value.known, str) else text
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _unplanned(call: Call, name: str, plan: Plan) -> Finding:
    known = {event.name for event in plan.events if event.type == "track"}
    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    line = call.event.line if call.event else call.line
    return Finding(call.file, line, "unplanned_event", f"'{name}' is not planned{hint}")


def _by_alias(plan: Plan, type: str, name: str) -> tuple[PlannedEvent, ...]:
    named = {e.name for e in plan.events if e.type == type and name in e.aliases}
    return plan.versions(type, min(named)) if named else ()


def _version_of(call: Call, versions: tuple[PlannedEvent, ...]) -> PlannedEvent | None:
    """The version that the call says it has; the oldest when it says none."""
    if len(versions) == 1:
        return versions[0]
    place = call.context
    for key in ("protocols", "event_version"):
        if place is None:
            return versions[0]
        if not place.is_object:
            return None
        missing = None if place.is_whole else Value(place.line)
        place = place.entries.get(key, missing)
    if place is not None and isinstance(place.known, Computed):
        return None
    asked = place.known if place else None
    return next((one for one in versions if one.version == asked), versions[0])


def _calls_in(file: Path, clients: frozenset[str]) -> Iterator[Call | Unreadable]:
    # The parser of JavaScript is loaded when there is some.
    try:
        source = file.read_bytes()
    except OSError as error:
        yield Unreadable(file, 1, error.strerror or str(error))
        return
    if file.suffix in _JAVASCRIPT:
        from orchestration.plans import javascript_calls

        yield from javascript_calls.calls_in(source, file, clients=clients)
    else:
        from orchestration.plans import python_calls

        yield from python_calls.calls_in(source, file, clients=clients)


def _source_files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    for path in place.iterdir():
        if path.is_dir():
            if path.name not in _PASSED_OVER and not path.name.startswith("."):
                yield from _source_files(path)
        elif path.suffix == ".py" or (
            path.suffix in _JAVASCRIPT and not path.name.endswith((".min.js", ".d.ts"))
        ):
            yield path
