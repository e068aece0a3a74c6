"""Tracking plans for tests, as dbt's manifest has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from collector.plan import Mistake, Plan, load_plan, read_plan

Node = dict[str, Any]


def model(
    name: str,
    meta: Mapping[str, Any],
    columns: Mapping[str, tuple[str | None, Mapping[str, Any]]] | None = None,
) -> Node:
    """A model with its `config.meta`; columns are a data type and their own meta."""
    return {
        "resource_type": "model",
        "name": name,
        "alias": name,
        "schema": "events",
        "patch_path": f"kith://models/events/{name}.yml",
        "description": "",
        "config": {"meta": dict(meta)},
        "columns": {
            column: {
                "name": column,
                "data_type": data_type,
                "description": "",
                "config": {"meta": dict(words)},
            }
            for column, (data_type, words) in (columns or {}).items()
        },
    }


def planned(event: str = "Paid", **meta: Any) -> Node:
    """A model that plans a track event by `config.meta` alone."""
    return model(event.lower().replace(" ", "_"), {"event": event, **meta})


def write_manifest(file: Path, *nodes: Node) -> Path:
    """The manifest that holds these models."""
    document = {"nodes": {f"model.kith.{node['name']}": node for node in nodes}}
    file.write_text(json.dumps(document))
    return file


def plan_of(directory: Path, *nodes: Node) -> Plan:
    """The plan of these models."""
    return load_plan(write_manifest(directory / "manifest.json", *nodes))


def mistakes_in(
    directory: Path, *nodes: Node, project: str | None = None
) -> tuple[Mistake, ...]:
    """What is wrong with these models, and with the text of a `dbt_project.yml`."""
    project_file = None
    if project is not None:
        project_file = directory / "dbt_project.yml"
        project_file.write_text(project)
    manifest = write_manifest(directory / "manifest.json", *nodes)
    return read_plan(manifest, project=project_file)[1]
