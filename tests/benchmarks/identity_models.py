"""Kith's part of `kith bench identity`: the project's own models, run by dbt.

    python -m tests.benchmarks.identity_models build DIRECTORY

The pairs are a table of the warehouse that `identifier_tables` names, so the models
begin with texts, as the peers do. No type has a limit and no profile a cap: the peers
know neither, and the results are to be equal. What dbt takes to start is not counted.

`pair_models/` is the graph by itself, as somebody joins things of their own: a model
materialized `clusters` of edges between numbers of texts, the texts with their numbers,
and a view of each text with its cluster.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from orchestration.dbt_runs import NodeResult, run_dbt
from orchestration.project import DBT_PROJECT
from tests.benchmarks.resources import Stretch

CHAIN = (
    "int_event_identifiers",
    "int_identifiers",
    "int_identity_limits",
    "int_identity_joins",
    "int_identity_edges",
    "int_identity_clusters",
    "profile_identifiers",
)
GRAPH = ("pair_texts", "pair_clusters", "pair_members")
_PAIRS = """
sources:
  - name: crm
    schema: crm
    tables:
      - {name: pairs, description: Accounts and devices seen together.}
"""
VARS: dict[str, Any] = {
    "identifiers": [
        {"type": "account", "paths": ["user_id"]},
        {"type": "device", "paths": ["anonymous_id"]},
    ],
    "identifier_tables": [
        {
            "source": ["crm", "pairs"],
            "key": "pair_id",
            "seen_at": "seen_at",
            "columns": [
                {"type": "account", "column": "account"},
                {"type": "device", "column": "device"},
            ],
        }
    ],
    "maximum_identifiers": None,
}


def prepare(directory: Path) -> None:
    """A project that knows the pairs, and all models above the measured ones."""
    shutil.copytree(
        DBT_PROJECT, directory / "dbt_project", ignore=shutil.ignore_patterns("logs")
    )
    models = directory / "dbt_project" / "models"
    (models / "crm.yml").write_text(_PAIRS)
    shutil.copytree(Path(__file__).with_name("pair_models"), models / "identity/pairs")
    _run(directory, [f"+{CHAIN[-1]}", "--exclude", *CHAIN])


def build(directory: Path) -> None:
    """Run the models, and tell what each of them took as JSON."""
    sys.stdout.write(json.dumps(_run(directory, [*CHAIN])) + "\n")


def graph(directory: Path) -> None:
    """Run the graph by itself, as many models at once as a build does; tell what all of
    it took as JSON."""
    sys.stdout.write(json.dumps(_run(directory, [*GRAPH], threads=None)["all"]) + "\n")


def read(directory: Path) -> None:
    """Read each text with its cluster, all of them, and tell what that took as JSON."""
    with duckdb.connect(directory / "warehouse.duckdb", read_only=True) as connection:
        stretch = Stretch()
        connection.execute(
            "create temp table told as "
            "select identifier, cluster_id from identity.pair_members"
        )
        sys.stdout.write(json.dumps(asdict(stretch.end())) + "\n")


def clusters(directory: Path) -> None:
    """Run the clusters alone, on whatever stands in the tables above them. The second
    time counts: in the first, dbt also reads the macros, whatever they are to do."""
    selection = ["int_identity_clusters", "--full-refresh"]
    _run(directory, selection)
    sys.stdout.write(json.dumps(_run(directory, selection)) + "\n")


def _run(
    directory: Path, selection: list[str], threads: int | None = 1
) -> dict[str, dict[str, float]]:
    """What each model took, with the time before it, and `all` together. Only of one
    thread are they told apart; None is the project's own number of threads."""
    stretches: list[Stretch] = []
    uses: dict[str, dict[str, float]] = {}

    def started() -> None:
        stretches.append(Stretch())

    def ended(node: NodeResult) -> None:
        uses[node.name] = asdict(stretches[-1].end())
        uses["all"] = asdict(stretches[0].end())
        stretches.append(Stretch())

    at_once = ["--threads", str(threads)] if threads else []
    run = run_dbt(
        ["run", *at_once, "--select", *selection, "--vars", json.dumps(VARS)],
        data_dir=directory,
        project_dir=directory / "dbt_project",
        on_start=started,
        on_node=ended,
    )
    if not run.succeeded:
        failed = [node.message for node in run.nodes if node.status == "error"]
        sys.exit("\n".join(failed) or run.problem or "dbt failed")
    return uses


PARTS = {
    "prepare": prepare,
    "build": build,
    "graph": graph,
    "read": read,
    "clusters": clusters,
}

if __name__ == "__main__":
    PARTS[sys.argv[1]](Path(sys.argv[2]))
