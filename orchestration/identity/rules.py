"""What people decided about identities: two belong together, or never do.

A decision is a fact, appended to `raw/identity_rules`; the next build follows it. Of
the decisions about a pair of identifiers, in either order, the latest is in force, and
`withdraw` ends it. Nothing else remembers one, so a rebuild from raw follows it again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import duckdb
import pyarrow as pa

from collector.datasets import IDENTITY_RULES
from collector.object_storage import RawPlace, parquet_files, register
from collector.raw import reading, write_file
from orchestration.identity.identifiers import Identifier, IdentityProblem

Action = Literal["exclude", "include", "withdraw"]

MEANING: dict[Action, str] = {"exclude": "kept apart", "include": "joined"}
"""What a rule in force does to its pair."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One decision about two identifiers; `withdraw` is the end of an earlier one."""

    rule_id: str
    action: Action
    left: Identifier
    right: Identifier
    reason: str
    created_by: str
    created_at: datetime

    @property
    def pair(self) -> frozenset[Identifier]:
        """The two identifiers, in no order."""
        return frozenset((self.left, self.right))

    def __str__(self) -> str:
        return (
            f"{self.left} and {self.right} are {MEANING[self.action]} "
            f"(by {self.created_by} on {self.created_at:%F}: {self.reason})"
        )


def new_rule(
    action: Action, left: Identifier, right: Identifier, *, reason: str, by: str
) -> Rule:
    """A decision that is made now; it is written nowhere yet."""
    return Rule(
        rule_id=uuid.uuid4().hex,
        action=action,
        left=left,
        right=right,
        reason=reason,
        created_by=by,
        created_at=datetime.now(UTC),
    )


def read_rules(raw_dir: RawPlace) -> list[Rule]:
    """All that was ever decided, the oldest first."""
    with duckdb.connect() as connection, reading(raw_dir, IDENTITY_RULES):
        connection.execute("set TimeZone = 'UTC'")
        register(connection, raw_dir)
        files = list(parquet_files(raw_dir, IDENTITY_RULES.name))
        if not files:
            return []
        rows = connection.execute(
            """
            select rule_id, action, left_type, left_value, right_type, right_value,
                reason, created_by, created_at
            from read_parquet(?, hive_partitioning = false)
            order by created_at, rule_id
            """,
            [files],
        ).fetchall()
    return [
        Rule(
            rule_id=row[0],
            action=row[1],
            left=Identifier(*row[2:4]),
            right=Identifier(*row[4:6]),
            reason=row[6],
            created_by=row[7],
            created_at=row[8],
        )
        for row in rows
    ]


def in_force(rules: Iterable[Rule]) -> list[Rule]:
    """The latest decision of each pair, without what was withdrawn."""
    latest: dict[frozenset[Identifier], Rule] = {}
    for rule in sorted(rules, key=lambda rule: (rule.created_at, rule.rule_id)):
        latest.pop(rule.pair, None)
        latest[rule.pair] = rule
    return [rule for rule in latest.values() if rule.action != "withdraw"]


def following(rules: Iterable[Rule], rule: Rule) -> Rule:
    """The rule, later than any other of its pair whatever the machine's clock says."""
    made = [other.created_at for other in rules if other.pair == rule.pair]
    earliest = max(made, default=rule.created_at) + timedelta(microseconds=1)
    return replace(rule, created_at=max(rule.created_at, earliest))


def check_decision(rules: Iterable[Rule], rule: Rule) -> None:
    """Refuse a decision that has nothing to end, or that contradicts those in force."""
    valid = in_force(rules)
    if rule.action == "withdraw":
        if all(other.pair != rule.pair for other in valid):
            raise IdentityProblem(
                f"no rule about {rule.left} and {rule.right} is in force; "
                "`./kith identity rules` lists them all"
            )
        return
    others = [other for other in valid if other.pair != rule.pair]
    for split in (one for one in (*others, rule) if one.action == "exclude"):
        joins = _joins_between(split.left, split.right, (*others, rule))
        if joins:
            against = [one for one in (split, *joins) if one is not rule]
            listed = "\n".join(f"  {one}" for one in against)
            raise IdentityProblem(
                f"{rule.left} and {rule.right} cannot be {MEANING[rule.action]} while "
                f"these rules are in force:\n{listed}\n"
                "Withdraw one of them first: ./kith identity withdraw A B"
            )


def write_rule(raw_dir: RawPlace, rule: Rule) -> None:
    """Append the decision as a fact."""
    write_file(
        raw_dir,
        IDENTITY_RULES,
        pa.Table.from_pylist([as_row(rule)], schema=IDENTITY_RULES.schema),
        partition={"dt": rule.created_at.astimezone(UTC).date().isoformat()},
        name=rule.rule_id,
    )


def as_row(rule: Rule) -> dict[str, Any]:
    """The rule as a row of `raw/identity_rules`."""
    row = asdict(rule)
    for side in ("left", "right"):
        identifier = row.pop(side)
        row |= {f"{side}_{name}": value for name, value in identifier.items()}
    return row


def _joins_between(
    start: Identifier, end: Identifier, rules: Iterable[Rule]
) -> list[Rule]:
    """The fewest joins that make one of two identifiers; none when they do not."""
    joins: dict[Identifier, list[tuple[Identifier, Rule]]] = defaultdict(list)
    for rule in rules:
        if rule.action == "include":
            joins[rule.left].append((rule.right, rule))
            joins[rule.right].append((rule.left, rule))
    paths: dict[Identifier, list[Rule]] = {start: []}
    waiting = deque([start])
    while waiting and end not in paths:
        here = waiting.popleft()
        for there, rule in joins[here]:
            if there not in paths:
                paths[there] = [*paths[here], rule]
                waiting.append(there)
    return paths.get(end, [])
