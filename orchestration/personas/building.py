"""Builds what has happened to personas with the project's own models, fast.

dbt is given what it parsed last, and builds only what is asked for and what that needs;
comments on tables and tests are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from orchestration.dbt_runs import run_dbt
from orchestration.parsed_project import ParsedProject
from orchestration.raw_files import local_raw
from orchestration.targets import DUCKDB


class PersonaError(Exception):
    """Personas cannot be tried at all; the message says why."""


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
