"""The dbt project as dbt parsed it last: for runs that cannot wait for a parse."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.dbt_runs import PARSED
from orchestration.project import prepare_manifest
from orchestration.targets import DUCKDB


@dataclass(frozen=True)
class ParsedProject:
    """A dbt project as dbt parsed it for DuckDB; `artifacts` is where that lies."""

    project_dir: Path
    artifacts: Path

    @property
    def manifest(self) -> Path:
        """The manifest as others read it."""
        return self.artifacts / "manifest.json"

    def is_for_duckdb(self) -> bool:
        """Whether all is there, and was parsed for DuckDB and no other engine."""
        engine = json.loads(self.manifest.read_bytes())["metadata"]["adapter_type"]
        return engine == DUCKDB and (self.artifacts / PARSED).exists()

    def load(self) -> Any:
        """The manifest as dbt takes it; a run writes into it, so each has its own.

        Comments on tables are left out.
        """
        from dbt.contracts.graph.manifest import Manifest

        manifest: Any = Manifest.from_msgpack((self.artifacts / PARSED).read_bytes())
        for node in manifest.nodes.values():
            node.config.persist_docs = {}
        manifest.build_flat_graph()
        return manifest


def parse_project(data_dir: Path, project_dir: Path) -> ParsedProject:
    """The project as it stands in its files, parsed anew only when they changed."""
    project = _parsed(data_dir, project_dir)
    if not project.is_for_duckdb():
        project = _parsed(data_dir / "parsed_for_duckdb", project_dir)
    return project


def _parsed(data_dir: Path, project_dir: Path) -> ParsedProject:
    manifest = prepare_manifest(data_dir, project_dir=project_dir, target=DUCKDB)
    return ParsedProject(project_dir, manifest.parent)
