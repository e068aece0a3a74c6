"""A dbt project with nothing in it but models materialized `clusters`.

Edges, limits and joins are tables that a test fills. An edge is seen at a time, maybe
again at an earlier one; builds come in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tests.dbt.conftest import PROJECT_DIR, Project
from tests.identity.reference import Graph

LIMITED = """
{{ config(
    materialized='clusters', schema='graph', limits='limits', joins='joins',
    edge_order=['seen_at', 'message_id'], rules=var('rules'), %s
) }}
-- depends_on: {{ ref('limits') }}, {{ ref('joins') }}
select left_id, right_id, seen_at, message_id, batch_id
from {{ source('seed', 'edges') }}
"""
PLAIN = """
{{ config(
    materialized='clusters', schema='graph', maximum_nodes=var('maximum_nodes')
) }}
select left_id, right_id%s from {{ source('seed', 'edges') }}
"""
SOURCES = """
sources:
  - name: seed
    tables: [{name: edges}, {name: limits}, {name: joins}]
"""
CONFIG = """
name: kith
version: 0.1.0
config-version: 2
profile: kith
macro-paths: [macros]
target-path: "{{ env_var('KITH_DATA_DIR') }}/dbt/target"
flags: {warn_error_options: {silence: [ConfigTargetPathDeprecation]}}
vars: {rules: first, maximum_nodes: null}
"""
SEED = {
    "edges": pa.schema(
        {
            "left_id": pa.int64(),
            "right_id": pa.int64(),
            "seen_at": pa.int64(),
            "message_id": pa.string(),
            "batch_id": pa.int64(),
        }
    ),
    "limits": pa.schema(
        {
            "node_id": pa.int64(),
            "limit_key": pa.string(),
            "limit_value": pa.int64(),
            "batch_id": pa.int64(),
        }
    ),
    "joins": pa.schema({"left_id": pa.int64(), "right_id": pa.int64()}),
}


def write_clusters_project(directory: Path) -> Path:
    """Write the project's files; its macros are this repository's."""
    files = {
        "dbt_project.yml": CONFIG,
        "profiles.yml": (PROJECT_DIR / "profiles.yml").read_text(),
        "models/sources.yml": SOURCES,
        "models/limited.sql": LIMITED % "",
        "models/capped.sql": LIMITED % "maximum_nodes=6",
        "models/hasty.sql": LIMITED % "maximum_rounds=2",
        "models/plain.sql": PLAIN % "",
        "models/growing.sql": PLAIN % ", batch_id",
    }
    for name in ("limits", "joins"):
        files[f"models/{name}.sql"] = (
            "{{ config(materialized='view', schema='graph') }}\n"
            f"select * from {{{{ source('seed', '{name}') }}}}"
        )
    (directory / "models").mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    (directory / "macros").symlink_to(PROJECT_DIR / "macros")
    return directory


Edge = tuple[int, int]
Order = tuple[int, str]
Limits = frozenset[tuple[str, int]]


@dataclass
class Batch:
    """What one build sees for the first time, or otherwise than before."""

    edges: dict[Edge, Order] = field(default_factory=dict)
    limits: dict[int, Limits] = field(default_factory=dict)


@dataclass
class ClustersProject:
    """The project and the state of its seed tables."""

    project: Project
    joins: list[Edge] = field(default_factory=list)
    splits: dict[int, Limits] = field(default_factory=dict)
    edges: dict[Edge, tuple[Order, int]] = field(default_factory=dict)
    limits: dict[int, tuple[Limits, int]] = field(default_factory=dict)
    batch_id: int = 0

    def add(self, batch: Batch) -> None:
        """Take in a batch; of two sights of an edge the earlier one stays."""
        self.batch_id += 10
        for edge, order in batch.edges.items():
            if edge not in self.edges or order < self.edges[edge][0]:
                self.edges[edge] = order, self.batch_id
        for node, limits in batch.limits.items():
            self.limits[node] = limits, self.batch_id

    def clear(self) -> None:
        """Forget everything; the next build finds no table."""
        self.__init__(self.project)  # type: ignore[misc]
        self.project.query("drop schema if exists graph cascade")

    def build(self, model: str = "limited", *arguments: str) -> None:
        """Write the tables and run dbt."""
        self.write_tables()
        self.project.dbt("run", "--select", f"+{model}", *arguments)

    def clusters(self, model: str = "limited") -> dict[int, tuple[int, bool, bool]]:
        """Each node's cluster and flags, as built."""
        rows = self.rows(model)
        assert len({row[0] for row in rows}) == len(rows)
        return {node: (*row[:3],) for node, *row in rows}

    def batches(self, model: str = "limited") -> dict[int, int]:
        """Each node's batch, as built."""
        return {row[0]: row[4] for row in self.rows(model)}

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        """The rows of a model's table."""
        return self.project.query(f"from graph.{model}")

    def graph(self, maximum_nodes: int | None = None) -> Graph:
        """The graph as the reference takes it."""
        ordered = sorted(self.edges, key=lambda edge: (*self.edges[edge][0], *edge))
        limits = {
            node: self.limits.get(node, (frozenset(), 0))[0]
            | self.splits.get(node, frozenset())
            for node in self.limits.keys() | self.splits.keys()
        }
        return Graph(tuple(ordered), limits, tuple(self.joins), maximum_nodes)

    def seed(self) -> dict[str, pa.Table]:
        """The seed tables as they are now."""
        edges = [
            (*edge, *order, batch_id) for edge, (order, batch_id) in self.edges.items()
        ]
        limits = [
            (node, *limit, batch_id)
            for node, (found, batch_id) in self.limits.items()
            for limit in found
        ]
        splits = [
            (node, *limit, None)
            for node, found in self.splits.items()
            for limit in found
        ]
        rows: dict[str, Sequence[tuple[Any, ...]]] = {
            "edges": edges,
            "limits": [*limits, *splits],
            "joins": self.joins,
        }
        return {name: arrow_table(rows[name], SEED[name]) for name in SEED}

    def write_tables(self) -> None:
        """Make the seed tables anew."""
        with duckdb.connect(self.project.data_dir / "warehouse.duckdb") as connection:
            connection.execute("drop schema if exists seed cascade; create schema seed")
            for name, table in self.seed().items():
                connection.register("rows", table)
                connection.execute(f"create table seed.{name} as from rows")
                connection.unregister("rows")


def arrow_table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Rows as a table, by column: much faster than by row."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [
        pa.array(column, column_type)
        for column, column_type in zip(columns, schema.types, strict=True)
    ]
    return pa.table(arrays, schema=schema)
