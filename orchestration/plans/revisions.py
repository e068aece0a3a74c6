"""The dbt project as it is, and as it was at a revision of Git, both compiled by dbt.

Both are compiled one after the other in the same temporary place, so that dbt reads
again only the files that differ. They see no data: the SQL of a model does not depend
on it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.plan import Plan, PlanError, load_plan, read_plan
from orchestration.dbt_runs import run_dbt
from orchestration.raw_files import local_raw
from orchestration.targets import DUCKDB

# Neither is part of the project: dbt writes the first two, `dbt deps` fetches the last.
_LOGS = ("logs", "target")
_PACKAGES = "dbt_packages"


class RevisionError(Exception):
    """The two projects cannot be compared; the message says why."""


@dataclass(frozen=True)
class Compiled:
    """A dbt project: its tracking plan, and the manifest with the SQL of its models."""

    plan: Plan
    manifest: Mapping[str, Any]

    @property
    def models(self) -> dict[str, Any]:
        """The nodes of the models by name."""
        return {
            node["name"]: node
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "model"
        }


class Workplace:
    """A temporary directory where dbt compiles one project after the other."""

    def __init__(self, project_dir: Path, place: Path) -> None:
        self._project_dir = project_dir
        self._tree = place / "dbt_project"
        self._data_dir = place / "data"

    def compile_revision(self, revision: str) -> Compiled:
        """The project at a revision of Git.

        What was wrong with its plan is not asked: that is the past.
        """
        archive = _archive(self._project_dir, revision)
        shutil.rmtree(self._tree, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(self._tree, filter="data")
        manifest = self._compile(f"the project at {revision}")
        plan, _ = read_plan(manifest, project=self._tree / "dbt_project.yml")
        return Compiled(plan, json.loads(manifest.read_bytes()))

    def compile_current(self, former: Compiled) -> Compiled:
        """The project as it is.

        Event models of `former` that are gone are put back without their yml, so that
        the models that read them can be compiled; the plan does not have them.
        """
        shutil.rmtree(self._tree, ignore_errors=True)
        left_out = shutil.ignore_patterns(*_LOGS, _PACKAGES)
        shutil.copytree(self._project_dir, self._tree, ignore=left_out)
        known = {path.stem for path in self._tree.rglob("*.sql")}
        for event in former.plan.events:
            if event.model not in known:
                node = former.models[event.model]
                path = self._tree / node["original_file_path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(node["raw_code"], encoding="utf-8")
        manifest = self._compile("the project as it is")
        try:
            plan = load_plan(manifest, project=self._tree / "dbt_project.yml")
        except PlanError as error:
            raise RevisionError(f"The plan has mistakes:\n{error}") from None
        return Compiled(plan, json.loads(manifest.read_bytes()))

    def _compile(self, what: str) -> Path:
        """Compile the models of the tree; the manifest."""
        packages = self._project_dir / _PACKAGES
        if packages.is_dir() and not (self._tree / _PACKAGES).exists():
            (self._tree / _PACKAGES).symlink_to(packages)
        for path in self._tree.rglob("*"):
            # dbt takes a file of the same age for the same file, but none this old.
            if path.is_file():
                os.utime(path, (0, 0))
        with local_raw():
            run = run_dbt(
                ["compile", "--select", "resource_type:model"],
                data_dir=self._data_dir,
                project_dir=self._tree,
                target=DUCKDB,
            )
        if not run.succeeded:
            failed = [node.message for node in run.nodes if node.status == "error"]
            reason = "\n".join(failed) or run.problem
            raise RevisionError(f"dbt cannot compile {what}:\n{reason}")
        return self._data_dir / "dbt" / "target" / "manifest.json"


def _archive(project_dir: Path, revision: str) -> bytes:
    """The project's files at a revision, as a tar."""
    if revision.startswith("-"):
        raise RevisionError(f"{revision}: is no revision of Git.")
    try:
        done = subprocess.run(  # noqa: S603 (git alone, and no shell reads the revision)
            ["git", "-C", str(project_dir), "archive", "--format=tar", revision],  # noqa: S607 (git is where the user has it)
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise RevisionError("git is not installed; it keeps the former plan.") from None
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise RevisionError(
            f"git has no dbt project at '{revision}': "
            f"{reason[-1] if reason else 'it does not say why'}. Name a branch, a tag "
            "or a commit that this clone has."
        )
    return done.stdout
