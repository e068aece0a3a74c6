"""The tracking plan of this checkout, read anew when the dbt project has changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from collector.plan import Plan, load_plan


@dataclass(frozen=True)
class Checkout:
    """The plan, and the names that models of the dbt project have already."""

    plan: Plan
    models: frozenset[str]
    project_dir: Path


def load_checkout() -> Checkout:
    """Read the dbt project; raises `BuildError` or `PlanError` when it cannot be."""
    from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest

    manifest = prepare_manifest(data_dir())
    plan = load_plan(manifest, project=DBT_PROJECT / "dbt_project.yml")
    nodes = json.loads(manifest.read_bytes())["nodes"].values()
    return Checkout(plan, frozenset(node["name"] for node in nodes), DBT_PROJECT)
