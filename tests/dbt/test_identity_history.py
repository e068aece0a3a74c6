"""The history of the identity graph, against one that takes event after event.

The tables that the history follows from are written as the graph leaves them, batch by
batch, so that dbt builds nothing but the models in question. Many small worlds of
identifiers lie side by side: their names differ, so they cannot touch.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.dbt.conftest import START, Project
from tests.dbt.identity_timeline import (
    PRIORITIES,
    Event,
    Identifier,
    Rules,
    Timeline,
    node_id,
    pair_key,
    rule_fact,
)

CAP = 12
RUN = (
    "run",
    "--select",
    "profile_identifiers",
    "int_identity_merges",
    "profile_merges",
    "profile_identifier_history",
    "identity_conflicts",
    "--vars",
    f"{{maximum_identifiers: {CAP}}}",
)
COLUMNS = {
    "profile_merges": "losing_profile_id, profile_id, merged_at, message_id, source_id",
    "profile_identifier_history": (
        "identifier_type, identifier_value, profile_id, effective_at, superseded_at, "
        "is_current, message_id, source_id"
    ),
    "identity_conflicts": (
        "profile_id, identifier_type, identifier_value, other_profile_id, "
        "other_identifier_type, other_identifier_value, state, reason, received_at, "
        "message_id, source_id"
    ),
}
LIMITS = {"user_id": 1, "email": 3, "anonymous_id": 4}
TYPES = {
    "identifier_id": pa.int64(),
    "strongest_identifier_id": pa.int64(),
    "node_id": pa.int64(),
    "cluster_id": pa.int64(),
    "left_id": pa.int64(),
    "right_id": pa.int64(),
    "priority": pa.int32(),
    "limit_value": pa.int64(),
    "batch_id": pa.int64(),
    "age_batch_id": pa.int64(),
    "is_contested": pa.bool_(),
    "is_undecided": pa.bool_(),
    "received_at": pa.timestamp("us", "UTC"),
    "first_seen_at": pa.timestamp("us", "UTC"),
    "last_seen_at": pa.timestamp("us", "UTC"),
    "created_at": pa.timestamp("us", "UTC"),
}
SEEDS = {
    "identity.int_event_identifiers": (
        "source_id, message_id, received_at, identifier_type, identifier_value, "
        "priority, identifier_id, strongest_identifier_id, batch_id"
    ),
    "identity.int_identifiers": (
        "identifier_id, identifier_type, identifier_value, priority, first_seen_at, "
        "last_seen_at, first_message_id, age_batch_id, batch_id"
    ),
    "identity.int_identity_edges": (
        "left_id, right_id, received_at, message_id, source_id, priority, batch_id"
    ),
    "identity.int_identity_clusters": (
        "node_id, cluster_id, is_contested, is_undecided, batch_id, rules_version"
    ),
    "identity.int_identity_limits": "node_id, limit_key, limit_value, batch_id",
    "identity.int_identity_joins": "left_id, right_id",
    "staging.stg_identity_rules": (
        "pair_key, action, left_type, left_value, left_id, right_type, right_value, "
        "right_id, reason, created_by, created_at, rule_id"
    ),
}

Rows = list[tuple[Any, ...]]


@dataclass
class Graph:
    """The tables of the graph, each row with the batch that last changed it."""

    project: Project
    _batches: dict[tuple[Any, ...], tuple[Any, int]] = field(default_factory=dict)

    def seed(self, timeline: Timeline, batch: int) -> None:
        """Write the graph of `timeline`; what is not as it was gets the new batch."""
        rules = timeline.rules
        tables: dict[str, Rows] = {
            "identity.int_event_identifiers": [
                (
                    event.source_id,
                    event.message_id,
                    event.received_at,
                    *identifier,
                    PRIORITIES[identifier[0]],
                    node_id(identifier),
                    node_id(event.identifiers[0]),
                    batch,
                )
                for event in timeline.events
                for identifier in event.identifiers
            ],
            "identity.int_identifiers": [
                (
                    node_id(identifier),
                    *identifier,
                    PRIORITIES[identifier[0]],
                    first.received_at,
                    timeline.last_seen[identifier],
                    first.message_id,
                    self._batch(("age", identifier), first, batch),
                    self._batch(
                        ("identifier", identifier),
                        (first, timeline.last_seen[identifier]),
                        batch,
                    ),
                )
                for identifier, first in timeline.first.items()
            ],
            "identity.int_identity_edges": [
                (
                    node_id(edge.left),
                    node_id(edge.right),
                    edge.event.received_at,
                    edge.event.message_id,
                    edge.event.source_id,
                    edge.priority,
                    self._batch(("edge", edge.left, edge.right), edge.event, batch),
                )
                for edge in timeline.edges
            ],
            "identity.int_identity_clusters": self._clusters(timeline, batch),
            "identity.int_identity_limits": [
                (node_id(identifier), *key, batch)
                for identifier in timeline.first
                | dict.fromkeys(node for pair in rules.excludes for node in pair)
                for key in timeline.keys(identifier)
            ],
            "identity.int_identity_joins": [
                (node_id(left), node_id(right)) for left, right in rules.includes
            ],
            "staging.stg_identity_rules": [
                (
                    pair_key((left, right)),
                    action,
                    *left,
                    node_id(left),
                    *right,
                    node_id(right),
                    "told so",
                    "ann",
                    made_at,
                    rule_id,
                )
                for action, pairs in (
                    ("include", rules.includes),
                    ("exclude", rules.excludes),
                )
                for (left, right), (made_at, rule_id) in zip(
                    pairs, map(rule_fact, range(len(pairs))), strict=True
                )
            ],
        }
        self._write(tables)

    def _clusters(self, timeline: Timeline, batch: int) -> Rows:
        edges: dict[int, list[Any]] = {}
        connected = {node for pair in timeline.rules.includes for node in pair}
        for edge in timeline.edges:
            for end in (edge.left, edge.right):
                connected.add(end)
                edges.setdefault(id(timeline.cluster[end]), []).append(edge)
        contested: dict[Identifier, set[str]] = {}
        for pair, (state, _) in timeline.conflicts.items():
            for identifier in pair:
                contested.setdefault(identifier, set()).add(state)
        rows: Rows = []
        for node in connected:
            cluster = timeline.cluster[node]
            content = (frozenset(cluster), frozenset(edges.get(id(cluster), [])))
            rows.append(
                (
                    node_id(node),
                    min(map(node_id, cluster)),
                    node in contested,
                    "undecided" in contested.get(node, ()),
                    self._batch(("cluster", node), content, batch),
                    "rules",
                )
            )
        return rows

    def _batch(self, key: tuple[Any, ...], content: Any, batch: int) -> int:
        if self._batches.get(key, (None, 0))[0] != content:
            self._batches[key] = (content, batch)
        return self._batches[key][1]

    def _write(self, tables: dict[str, Rows]) -> None:
        with duckdb.connect(self.project.data_dir / "warehouse.duckdb") as connection:
            connection.execute("create schema if not exists identity")
            connection.execute("create schema if not exists staging")
            for name, rows in tables.items():
                columns = SEEDS[name].split(", ")
                seeded = pa.table(
                    {
                        column: pa.array(
                            [row[place] for row in rows],
                            TYPES.get(column, pa.string()),
                        )
                        for place, column in enumerate(columns)
                    }
                )
                connection.register("seeded", seeded)
                connection.execute(f"create or replace table {name} as from seeded")
                connection.unregister("seeded")


def random_world(name: str, chance: random.Random) -> list[Event]:
    """Some people and devices, and events that mix them, often at the same moment."""
    values = {
        "user_id": [f"{name}-u{i}" for i in range(chance.randint(1, 4))],
        "email": [f"{name}-e{i}" for i in range(chance.randint(0, 6))],
        "anonymous_id": [f"{name}-a{i}" for i in range(chance.randint(2, 10))],
        "device": [f"{name}-d{i}" for i in range(chance.randint(0, 4))],
    }
    events = []
    for i in range(chance.randint(3, 25)):
        found = [
            (kind, chance.choice(values[kind]))
            for kind in PRIORITIES
            if values[kind] and chance.random() < 0.45
        ]
        if found and chance.random() < 0.2:
            found.append((found[-1][0], chance.choice(values[found[-1][0]])))
        if found:
            events.append(
                Event(
                    START + timedelta(hours=12 * chance.randrange(30)),
                    f"{name}-{chance.randrange(1000):03}-{i}",
                    chance.choice(["shop", "app"]),
                    tuple(dict.fromkeys(found)),
                )
            )
    return events


def random_rules(name: str, events: list[Event], chance: random.Random) -> Rules:
    """What a person says of one world: joins, a pair kept apart, or nothing."""
    seen = sorted({i for event in events for i in event.identifiers})
    includes: list[tuple[Identifier, Identifier]] = []
    excludes: list[tuple[Identifier, Identifier]] = []
    if len(seen) >= 4 and chance.random() < 0.4:
        one, two, three, four = chance.sample(seen, 4)
        if chance.random() < 0.5:
            includes += [(one, two)]
        else:
            never_seen = ("email", f"{name}-never")
            includes += [(two, never_seen), (never_seen, one)]
        if chance.random() < 0.5:
            includes += [(two, three)]
        excludes += [(one, four)]
    return Rules({}, includes=tuple(includes), excludes=tuple(excludes))


def renamed_often(name: str, times: int) -> list[Event]:
    """One device after the other, and then all of them joined from the youngest on."""
    devices = [("device", f"{name}-{i:03}") for i in range(times + 1)]
    born = [
        Event(START + timedelta(seconds=i), f"{name}-born-{i:03}", "shop", (device,))
        for i, device in enumerate(devices)
    ]
    joined = [
        Event(
            START + timedelta(hours=1, seconds=i),
            f"{name}-joined-{i:03}",
            "shop",
            (devices[-1 - i], devices[-2 - i]),
        )
        for i in range(times)
    ]
    return born + joined


@dataclass(frozen=True)
class Worlds:
    """All events, in batches of no order, and the rules about them."""

    batches: list[list[Event]]
    rules: Rules
    cut_short: frozenset[str]

    def timeline(self, events: Iterable[Event]) -> Timeline:
        """What becomes of these events."""
        return Timeline(events, self.rules, cut_short=self.cut_short)

    @property
    def events(self) -> list[Event]:
        """All events."""
        return [event for batch in self.batches for event in batch]


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    """Many worlds, some with rules of a person, some of them not wholly decided."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    batches: list[list[Event]] = [[], [], []]
    includes: list[tuple[Identifier, Identifier]] = []
    excludes: list[tuple[Identifier, Identifier]] = []
    for number in range(150):
        name = f"w{number}"
        events = random_world(name, chance)
        spoken = random_rules(name, events, chance)
        includes += spoken.includes
        excludes += spoken.excludes
        for event in events:
            batches[chance.randrange(3)].append(event)
    rules = Rules(
        LIMITS,
        weekly=frozenset({"anonymous_id"}),
        cap=CAP,
        includes=tuple(includes),
        excludes=tuple(excludes),
    )
    return Worlds(batches, rules, frozenset(f"w{n}" for n in range(0, 150, 7)))


def rows_of(timeline: Timeline) -> dict[str, Rows]:
    """The tables that must follow from a timeline; conflicts without their reasons."""
    return {
        "profile_merges": sorted(
            (loser, *merge) for loser, merge in timeline.merges.items()
        ),
        "profile_identifier_history": sorted(
            (
                (
                    *identifier,
                    period.profile_id,
                    period.effective_at,
                    period.superseded_at,
                    period.superseded_at is None,
                    period.event.message_id,
                    period.event.source_id,
                )
                for identifier, periods in timeline.history.items()
                for period in periods
            ),
            key=lambda row: (row[0], row[1], row[3]),
        ),
        "identity_conflicts": sorted(
            (tuple(sorted(pair)), *conflict)
            for pair, conflict in timeline.conflicts.items()
        ),
    }


def tables_of(project: Project) -> dict[str, Rows]:
    """The rows of the models, in a fixed order."""
    return {
        name: project.query(f"select {columns} from identity.{name} order by all")  # noqa: S608 - names from above
        for name, columns in COLUMNS.items()
    }


def comparable(tables: dict[str, Rows]) -> dict[str, Rows]:
    """The rows of the models as `rows_of` gives them."""
    return {
        "profile_merges": tables["profile_merges"],
        "profile_identifier_history": sorted(
            tables["profile_identifier_history"],
            key=lambda row: (row[0], row[1], row[3]),
        ),
        "identity_conflicts": sorted(
            (tuple(sorted(((row[1], row[2]), (row[4], row[5])))), row[6], row[9])
            for row in tables["identity_conflicts"]
        ),
    }


@dataclass(frozen=True)
class Built:
    """The models after each batch, and what they must be then."""

    project: Project
    found: list[dict[str, Rows]]
    expected: list[Timeline]


@pytest.fixture(scope="module")
def built(make_project: Callable[[], Project], worlds: Worlds) -> Built:
    """The models, built batch by batch."""
    project = make_project()
    graph = Graph(project)
    found, expected, arrived = [], [], []
    for number, batch in enumerate(worlds.batches, start=1):
        arrived += batch
        timeline = worlds.timeline(arrived)
        graph.seed(timeline, batch=10 * number)
        project.dbt(*RUN)
        found.append(tables_of(project))
        expected.append(timeline)
    return Built(project, found, expected)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_batch_leaves_what_taking_event_after_event_gives(
    built: Built, table: str
) -> None:
    for found, timeline in zip(built.found, built.expected, strict=True):
        rows = rows_of(timeline)[table]
        assert comparable(found)[table] == rows
    assert len(rows) > 200


def test_a_full_build_gives_the_same_rows(
    built: Built, make_project: Callable[[], Project]
) -> None:
    project = make_project()
    Graph(project).seed(built.expected[-1], batch=5)
    project.dbt(*RUN)
    assert tables_of(project) == built.found[-1]


def test_what_a_build_does_not_touch_keeps_its_batch(built: Built) -> None:
    """Only the last batch's clusters are of the last batch."""
    for name in COLUMNS:
        batches = [
            batch
            for (batch,) in built.project.query(
                f"select distinct batch_id from identity.{name} order by all"  # noqa: S608 - names from above
            )
        ]
        assert batches == [10, 20, 30]


def test_reasons_tell_what_one_profile_of_both_would_break(built: Built) -> None:
    timeline = built.expected[-1]
    found: Counter[str] = Counter()
    for row in built.found[-1]["identity_conflicts"]:
        ends = [(row[1], row[2]), (row[4], row[5])]
        assert [row[0], row[3]] == [timeline.name(end) for end in ends]
        assert PRIORITIES[row[1]] <= PRIORITIES[row[4]]
        state, reason = row[6], row[7]
        left, right = (timeline.cluster[end] for end in ends)
        broken = timeline.broken_keys(left, right)
        if state == "undecided":
            assert reason == "not decided yet: the next build goes on"
            found["undecided"] += 1
        elif any(key.startswith("split") for key in broken):
            assert reason.endswith(" are kept apart: told so")
            found["split"] += 1
        else:
            strongest = min(broken, key=lambda key: PRIORITIES.get(key.split()[0], 9))
            words = {
                f"one profile may hold {limit} {key.replace(' ', ' first seen in ')}"
                for key, limit in broken.items()
                if key.split()[0] == strongest.split()[0]
            }
            assert reason in words
            found[strongest.split()[0]] += 1
    assert set(found) == {
        "undecided",
        "split",
        "user_id",
        "email",
        "anonymous_id",
        "identifiers",
    }


def test_replaying_the_merges_gives_the_present_profiles(built: Built) -> None:
    survivors = {row[0]: row[1] for row in built.found[-1]["profile_merges"]}
    present = {
        (row[0], row[1]): row[2]
        for row in built.found[-1]["profile_identifier_history"]
        if row[5]
    }
    former = 0
    for row in built.found[-1]["profile_identifier_history"]:
        name = row[2]
        while name in survivors:
            name = survivors[name]
        assert name == present[row[0], row[1]]
        former += name != row[2]
    assert former > 150


def test_the_history_of_a_moment_is_what_a_build_gave_then(worlds: Worlds) -> None:
    """Without rules of a person, which hold for the past as well, and all decided."""
    rules = replace(worlds.rules, includes=())
    history = Timeline(worlds.events, rules).history
    for hours in range(0, 360, 48):
        moment = START + timedelta(hours=hours)
        then = Timeline(
            (event for event in worlds.events if event.received_at <= moment), rules
        )
        told = {
            identifier: period.profile_id
            for identifier, periods in history.items()
            for period in periods
            if period.effective_at <= moment
            and (period.superseded_at is None or moment < period.superseded_at)
        }
        assert told == {identifier: then.name(identifier) for identifier in then.first}


def test_after_a_hundred_names_only_the_last_follows(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    timeline = Timeline(renamed_often("often", 130), Rules({}))
    Graph(project).seed(timeline, batch=5)
    project.dbt(*RUN)
    found: dict[Identifier, Rows] = {}
    for kind, value, *period in tables_of(project)["profile_identifier_history"]:
        found.setdefault((kind, value), []).append(tuple(period[:3]))
    for identifier, periods in timeline.history.items():
        expected = [
            (period.profile_id, period.effective_at, period.superseded_at)
            for period in periods
        ]
        if len(expected) > 102:
            name, since, _ = expected[100]
            expected[100:] = [(name, since, expected[-1][1]), expected[-1]]
        assert sorted(found[identifier], key=lambda row: row[1]) == expected
