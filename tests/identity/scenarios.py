"""The identity scenarios of dbt_project/README.md, read as they stand there.

A scenario is a heading with a number and a block of lines: calls in their order, then
what must come of them.

    identify  user_id=abc456 email=jane@example.com
    profile   user_id=abc456
    merged    anonymous_id=b into anonymous_id=a by 4
    refused   user_id=abc456 email=jane@example.com by 2: the reason

An identifier is written as `type=value`. A call may have a day; the others follow one
another on the first day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.dbt.conftest import PROJECT_DIR, START, Row, event_row
from tests.identity.reference import Identifier

CALLS = frozenset({"page", "track", "identify", "group", "alias"})
_HEADING = re.compile(r"^### (\d+)\. (.+)$|^### (Under other rules)$", re.MULTILINE)
_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_RULES = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AGAIN = re.compile(r"as in (\d+), under the rules that ship\n")


@dataclass(frozen=True)
class Scenario:
    """What happens, and the lines that tell what comes of it.

    `story` is the number of the scenario whose calls these are: another one's, where a
    scenario looks at the same calls under the rules that ship.
    """

    number: int
    title: str
    story: int
    calls: tuple[str, ...]
    outcome: frozenset[str]
    has_other_rules: bool


def read_scenarios() -> tuple[list[Scenario], dict[str, Any]]:
    """All scenarios of the README, and the rules that the later ones need."""
    _, chapter = (
        (PROJECT_DIR / "README.md").read_text("utf-8").split("## Segment's ", 1)
    )
    chapter = chapter.split("\n## ", 1)[0]
    headings = list(_HEADING.finditer(chapter))
    ends = [heading.start() for heading in headings[1:]] + [len(chapter)]
    scenarios = []
    rules: dict[str, Any] = {}
    for heading, end in zip(headings, ends, strict=True):
        text = chapter[heading.end() : end]
        if heading[3]:
            (written,) = _blocks(_RULES, text)
            rules = yaml.safe_load(written)
        else:
            (block,) = _blocks(_BLOCK, text)
            scenarios.append(_scenario(int(heading[1]), heading[2], block, bool(rules)))
    return scenarios, rules


def _scenario(number: int, title: str, block: str, has_other_rules: bool) -> Scenario:
    again = _AGAIN.match(block)
    lines = [" ".join(line.split()) for line in _AGAIN.sub("", block).splitlines()]
    calls = [line for line in lines if line.split()[0] in CALLS]
    return Scenario(
        number,
        title,
        story=int(again[1]) if again else number,
        calls=tuple(calls),
        outcome=frozenset(lines).difference(calls),
        has_other_rules=has_other_rules and not again,
    )


def _blocks(pattern: re.Pattern[str], text: str) -> list[str]:
    return [match[1] for match in pattern.finditer(text)]


def rows_of(scenario: Scenario) -> list[Row]:
    """Its calls as rows of `raw/events`; the n-th has the message id `number/n`."""
    return [
        _row(call, f"{scenario.number}/{place}", timedelta(seconds=place))
        for place, call in enumerate(scenario.calls, start=1)
    ]


def identifiers_of(call: str) -> list[Identifier]:
    """The identifiers of a line, in their order."""
    found = [word.partition("=") for word in call.split() if "=" in word]
    return [(kind, value) for kind, _, value in found]


def _row(call: str, message_id: str, later: timedelta) -> Row:
    kind, second, *_ = call.split()
    day = START
    if re.fullmatch(r"\d{4}-\d\d-\d\d", second):
        day = datetime.fromisoformat(second).replace(tzinfo=UTC)
    at = day + later
    row: Row = {
        "user_id": None,
        "anonymous_id": None,
        "traits": {},
        "properties": {},
        "context": {},
    }
    for name, value in identifiers_of(call):
        _place(row, name, value)
    row |= {"message_id": message_id, "timestamp": at, "received_at": at}
    return event_row(type=kind, **row)


def _place(row: Row, name: str, value: str) -> None:
    """Put an identifier where Segment's libraries send it."""
    context = row["context"]
    if name == "email":
        row["traits"]["email"] = value
    elif name in ("ios_id", "android_id"):
        context["device"] = {"id": value, "type": name.removesuffix("_id")}
    elif name == "ga_client_id":
        context["integrations"] = {"Google Analytics": {"clientId": value}}
    elif name == "phone":
        context["externalIds"] = [
            {"id": value, "type": "phone", "collection": "users", "encoding": "none"}
        ]
    elif name.startswith("properties."):
        row["properties"][name.removeprefix("properties.")] = value
    else:
        row[name] = value
