"""Builds what has happened to personas with the project's own models, fast.

dbt is given what it parsed last, and builds only what is asked for and what that needs;
comments on tables and tests are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.dbt_runs import PARSED, run_dbt
from orchestration.project import prepare_manifest
from orchestration.raw_files import local_raw
from orchestration.targets import DUCKDB


class PersonaError(Exception):
    """Personas cannot be tried at all; the message says why."""


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
        """The manifest as dbt takes it; a run writes into it, so each has its own."""
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
        project = _parsed(data_dir / "personas", project_dir)
    return project


def build(
    project: ParsedProject, place: Path, *, models: Iterable[str], moment: datetime
) -> None:
    """Build these models, and what they need, from the facts in `place`."""
    with local_raw():
        run = run_dbt(
            ["run", "--select", *(f"+{model}" for model in sorted(models))],
            data_dir=place,
            project_dir=project.project_dir,
            target=DUCKDB,
            moment=moment,
            manifest=project.load(),
        )
    if not run.succeeded:
        failed = [
            f"- {node.kind} {node.name} ({node.path}): {node.message}"
            for node in run.nodes
            if node.status == "error"
        ]
        raise PersonaError(
            "dbt could not build what happened to the personas.\n"
            + "\n".join([run.problem] if run.problem else failed)
        )


def _parsed(data_dir: Path, project_dir: Path) -> ParsedProject:
    manifest = prepare_manifest(data_dir, project_dir=project_dir, target=DUCKDB)
    return ParsedProject(project_dir, manifest.parent)
