"""The worst case of any method: one long chain, by the clusters model alone.

Its identifiers are numbers already, in an order drawn at random, or in that of the
chain, where each can only follow the one before it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import duckdb

_TABLES = """
create schema if not exists identity;
create or replace table identity.int_identity_limits (
    node_id bigint, limit_key varchar, limit_value bigint, batch_id bigint
);
create or replace table identity.int_identity_joins (left_id bigint, right_id bigint);
create or replace table identity.int_identity_edges as
with places as (
    select range as place, {number} as node_id from range({length})
)
select
    least(here.node_id, there.node_id) as left_id,
    greatest(here.node_id, there.node_id) as right_id,
    timestamptz '2026-01-01 00:00:00+00' + to_seconds(here.place) as received_at,
    'message ' || here.place as message_id,
    'bench' as source_id,
    2 as priority,
    1::bigint as batch_id
from places as here
inner join places as there on here.place + 1 = there.place;
"""
_ORDERS = {"sorted": "range", "random": "hash(range) >> 1"}


def measure_chains(
    directory: Path, program: Callable[..., Any], lengths: Iterable[int]
) -> list[dict[str, Any]]:
    """What one chain takes, in each length and order."""
    rows = []
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        program("identity_models", "prepare", scratch)
        warehouse = Path(scratch) / "warehouse.duckdb"
        for length in lengths:
            for order, number in _ORDERS.items():
                with duckdb.connect(warehouse) as connection:
                    connection.execute(
                        "drop table if exists identity.int_identity_clusters"
                    )
                    tables = _TABLES.format(
                        length=length, number=f"cast({number} as bigint)"
                    )
                    connection.execute(tables)
                models = program("identity_models", "clusters", scratch)
                taken = models["int_identity_clusters"]
                rows.append({"length": length, "order": order, **taken})
                _check(warehouse, length)
    return rows


def _check(warehouse: Path, length: int) -> None:
    with duckdb.connect(warehouse, read_only=True) as connection:
        found = connection.execute(
            "select count(*), count(distinct cluster_id) "
            "from identity.int_identity_clusters"
        ).fetchone()
    if found != (length, 1):
        raise RuntimeError(f"a chain of {length} became {found} nodes and clusters")
