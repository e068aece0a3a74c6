"""The identity graph from texts to profiles, beside what others need for the same.

    ./kith bench identity

For every shape and size: all of it at once, then one percent more, by the project's own
models; scipy's connected components and splink's clustering on the same pairs. All
results are compared: the same identifiers must be together. Each runs as a program of
its own, one after the other, on every core, with its tables in a DuckDB file.

Kith is measured three times. `graph` is what the others do: to number the texts, find
the clusters, and tell each text its own. The others write that into a table; here it is
a view of two tables, and `reading` is what it takes to read all of it. `profiles` is
the project's own identity graph from the identifiers of events on, which also knows
when and where each identifier and each link was seen first. `all` has what comes
before: to normalise and block every value, and to keep who was seen in which event.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from tests.benchmarks import identity_report
from tests.benchmarks.collector import describe_machine
from tests.benchmarks.identity_chains import measure_chains
from tests.benchmarks.identity_graphs import SHAPES, more, write_pairs
from tests.benchmarks.identity_models import CHAIN
from tests.benchmarks.identity_peers import PEERS

Row = dict[str, Any]

_KITH = (
    "select identifier_type || ':' || identifier_value as identifier, "
    "profile_id as cluster_id from other.identity.profile_identifiers"
)
_GRAPH = "select identifier, cluster_id from other.identity.pair_members"
_PEER = "select identifier, cluster_id from other.result"


def measure(
    directory: Path, *, sizes: list[int], shapes: list[str], lengths: list[int]
) -> dict[str, Any]:
    """All figures, as one document."""
    rows = [
        row
        for links in sizes
        for shape in shapes
        for row in _shape_rows(directory, shape, links)
    ]
    return {
        "machine": describe_machine(),
        "graphs": rows,
        "chains": measure_chains(directory, program, lengths),
    }


def _shape_rows(directory: Path, shape: str, links: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        place = Path(scratch)
        warehouse = place / "warehouse.duckdb"
        chance = np.random.default_rng(7)
        drawn = SHAPES[shape](links, chance)
        common = {"shape": shape, "links": write_pairs(warehouse, drawn, chance)}
        program("identity_models", "prepare", place)
        results = _kith(place)
        found = _found(warehouse)
        for peer in PEERS:
            result = place / f"{peer}.duckdb"
            results[peer] = program("identity_peers", peer, warehouse, result)
            found[peer] = partition(result, _PEER)
        write_pairs(warehouse, more(drawn, links // 100, chance), chance)
        grown = _kith(place)
        found_grown = _found(warehouse)
        result = place / "grown.duckdb"
        program("identity_peers", "scipy", warehouse, result)
        found_grown["scipy"] = partition(result, _PEER)
        for name, taken in results.items():
            yield {**common, "program": name, **taken}
        for name, taken in grown.items():
            yield {**common, "program": f"{name} +1 %", **taken}
        for one in (found, found_grown):
            if len(set(one.values())) != 1:
                sys.exit(f"{shape}, {links:,} links: the results differ: {one}")


def _kith(place: Path) -> dict[str, Row]:
    """What each takes; the last two are the same models, counted from elsewhere."""
    graph = program("identity_models", "graph", place)
    reading = program("identity_models", "read", place)
    models = program("identity_models", "build", place)
    return {
        "kith, graph": graph,
        "kith, reading": reading,
        "kith, profiles": {"models": models, **_sum(models, CHAIN[1:])},
        "kith, all": {"models": models, **_sum(models, CHAIN)},
    }


def _found(warehouse: Path) -> dict[str, tuple[int, int, int]]:
    return {
        "kith, graph": partition(warehouse, _GRAPH),
        "kith, profiles": partition(warehouse, _KITH),
    }


def _sum(models: dict[str, dict[str, float]], names: tuple[str, ...]) -> Row:
    return {
        "seconds": sum(models[name]["seconds"] for name in names),
        "cpu_seconds": sum(models[name]["cpu_seconds"] for name in names),
        "peak_mb": max(models[name]["peak_mb"] for name in names),
    }


def program(module: str, *arguments: object) -> Any:
    """Run a part of this benchmark by itself; what it prints is JSON, or nothing."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return json.loads(ended.stdout) if ended.stdout else None


def partition(database: Path, clusters: str) -> tuple[int, int, int]:
    """How many identifiers and clusters a result has, and a number that is the same
    when the same identifiers are together."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{database}' as other (read_only)")
        found: Any = connection.execute(
            f"""
            with clusters as ({clusters}),
            named as (
                select cluster_id, min(identifier) as first from clusters
                group by cluster_id
            )
            select
                count(*),
                count(distinct named.first),
                sum(hash(clusters.identifier, named.first))
            from clusters inner join named on clusters.cluster_id = named.cluster_id
            """  # noqa: S608 - a constant of this module
        ).fetchone()
    return found[0], found[1], int(found[2])


def main() -> int:
    """Measure and print; figures go to standard output."""
    options = _options()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        figures = measure(
            Path(scratch),
            sizes=options.links,
            shapes=options.shape,
            lengths=options.chain,
        )
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        identity_report.show(figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kith bench identity")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--links", type=int, action="append")
    parser.add_argument("--chain", type=int, action="append")
    parser.add_argument("--shape", choices=[*SHAPES], action="append")
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    options.links = options.links or [1_000_000, 10_000_000]
    options.shape = options.shape or [*SHAPES]
    options.chain = options.chain or [10_000, 1_000_000]
    return options


if __name__ == "__main__":
    sys.exit(main())
