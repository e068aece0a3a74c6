"""The tables of the identity graph, written as a timeline says and not by dbt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from tests.dbt.conftest import Project
from tests.identity.timeline import (
    PRIORITIES,
    Identifier,
    Timeline,
    node_id,
    pair_key,
    rule_fact,
)

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
