"""What the identity graph is measured against: the same pairs of texts to the same
table, by other means. Each runs as a program of its own, so that its memory counts.

    python -m tests.benchmarks.identity_peers scipy WAREHOUSE RESULT

scipy: the identifiers get dense numbers in DuckDB, and compiled code finds their
connected components in memory: as fast as it gets on one machine, and nothing that a
warehouse could run. splink: the connected components of its clustering, on DuckDB. It
is given the numbers too; it takes texts, but is slower with them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tests.benchmarks.resources import Stretch

_NUMBERED = """
    create temp table identifiers as
    with found as (
        select 'account' as type, account as value
        from (select distinct account from warehouse.crm.pairs)
        union all
        select 'device' as type, device as value
        from (select distinct device from warehouse.crm.pairs)
    )
    select type, value, row_number() over () - 1 as node from found;

    create temp table links as
    select accounts.node as node_l, devices.node as node_r
    from warehouse.crm.pairs as pairs
    inner join identifiers as accounts
        on accounts.type = 'account' and pairs.account = accounts.value
    inner join identifiers as devices
        on devices.type = 'device' and pairs.device = devices.value;
"""
_NAMED = """
    create table result as
    select
        identifiers.type || ':' || identifiers.value as identifier,
        labels.cluster_id
    from identifiers
    inner join labels on identifiers.node = labels.node
"""


def scipy(connection: duckdb.DuckDBPyConnection) -> None:
    """Dense numbers, scipy's components, and the texts again."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    connection.execute(_NUMBERED)
    links = connection.execute("from links").fetchnumpy()
    ends = [links[name].astype(np.int32) for name in ("node_l", "node_r")]
    size = 1 + max(int(end.max()) for end in ends)
    ones = np.ones(len(ends[0]), dtype=np.int8)
    graph = coo_array((ones, (ends[0], ends[1])), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    labelled = pa.table({"node": np.arange(size), "cluster_id": labels})
    connection.register("labels", labelled)
    connection.execute(_NAMED)


def splink(connection: duckdb.DuckDBPyConnection) -> None:
    """Dense numbers, splink's clustering, and the texts again."""
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    connection.execute(_NUMBERED)
    found = cluster_pairwise_predictions_at_threshold(
        connection.table("identifiers").select("node"),
        connection.table("links"),
        DuckDBAPI(connection),
        node_id_column_name="node",
    )
    connection.execute(f"create temp view labels as from {found.physical_name}")
    connection.execute(_NAMED)


PEERS: dict[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "scipy": scipy,
    "splink": splink,
}


def main(peer: str, warehouse: str, result: str) -> None:
    """Read the pairs of one file, leave the clusters in the other, and tell what that
    took as JSON."""
    import scipy.sparse.csgraph  # noqa: F401
    import splink.clustering  # noqa: F401 - loading programs is not part of the time

    Path(result).unlink(missing_ok=True)
    with duckdb.connect(result) as connection:
        connection.execute(f"attach '{warehouse}' as warehouse (read_only)")
        stretch = Stretch()
        PEERS[peer](connection)
        connection.execute("checkpoint")
        sys.stdout.write(json.dumps(asdict(stretch.end())) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
