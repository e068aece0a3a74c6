"""What other rules about identities would do: a build of them beside the present one.

The published database is copied to `<data>/preview`, and dbt builds there with DuckDB,
by the project as it stands in the working tree, the identity graph and what rests on
it. The events are those that were published, so that nothing but the rules makes a
difference. Neither the warehouse nor the raw datasets nor the log of the audiences is
touched.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from activations import load_syncs, make_plan
from activations.errors import ActivationError
from activations.payload import open_published
from activations.syncs import Sync
from collector.files import make_directories, try_lock
from collector.object_storage import RawPlace
from collector.raw import ensure_datasets
from orchestration.dbt_runs import NodeResult, run_dbt
from orchestration.identity.comparison import Comparison, compare
from orchestration.identity.identifiers import (
    Identifier,
    IdentityProblem,
    declared_identifiers,
)
from orchestration.identity.rules import (
    Rule,
    check_decision,
    following,
    read_rules,
    write_rule,
)
from orchestration.parsed_project import ParsedProject, parse_project
from orchestration.project import DBT_PROJECT, destinations_file
from orchestration.raw_files import local_raw
from orchestration.targets import DUCKDB
from profiles.published import copy_build, current_build, publish

# All that rests on identities. What is read from raw anew stays as it was published,
# and so does monitoring: both tell of more than the rules.
_SELECTED = ["stg_identity_rules+", "int_event_identifiers+"]
_LEFT_OUT = ["path:models/monitoring", "source:raw+1,int_event_identifiers+"]


@dataclass(frozen=True, kw_only=True)
class SyncRows:
    """What a sync would send by now and by the previewed rules: rows by operation.

    `problem` is why that cannot be told.
    """

    now: dict[str, int] | None
    then: dict[str, int] | None
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What differs under the previewed rules, and what each sync would send.

    `syncs_problem` is why the syncs cannot be read at all.
    """

    comparison: Comparison
    syncs: dict[str, SyncRows]
    syncs_problem: str | None = None


def preview(
    data_dir: Path,
    raw_dir: RawPlace,
    *,
    rules: Sequence[Rule] = (),
    blocked: Sequence[Identifier] = (),
    project_dir: Path = DBT_PROJECT,
    on_node: Callable[[NodeResult], None] | None = None,
) -> Preview:
    """What the working tree's rules, `rules` and `blocked` values would do.

    Raises `IdentityProblem` when a rule contradicts another, when dbt fails, or when
    another preview is under way.
    """
    published = current_build(data_dir / "published")
    decided = read_rules(raw_dir)
    for rule in rules:
        check_decision(decided, rule)
        decided.append(following(decided, rule))
    with _workplace(data_dir) as work:
        copy_build(published, work / "warehouse.duckdb")
        ensure_datasets(work / "raw")
        for rule in decided:
            write_rule(work / "raw", rule)
        _build(work, parse_project(data_dir, project_dir), blocked, on_node)
        # dbt keeps its database open; nobody else does that one.
        publish(work / "warehouse.duckdb", work / "published")
        comparison = compare(published, current_build(work / "published"))
        try:
            syncs = _syncs(data_dir, work)
        except ActivationError as error:
            return Preview(comparison=comparison, syncs={}, syncs_problem=str(error))
        return Preview(comparison=comparison, syncs=syncs)


@contextlib.contextmanager
def _workplace(data_dir: Path) -> Iterator[Path]:
    """An empty directory that is gone afterwards; one preview at a time has one.

    Its name is new each time, because dbt keeps the last database open, by its path.
    """
    place = data_dir / "preview"
    make_directories(data_dir)
    lock = try_lock(data_dir / "preview.lock")
    if lock is None:
        holder = (data_dir / "preview.lock").read_text("utf-8").strip()
        raise IdentityProblem(
            f"another preview is under way, in process {holder}. Wait for it."
        )
    with lock:
        # A preview that was killed has left its own.
        shutil.rmtree(place, ignore_errors=True)
        try:
            make_directories(place)
            yield Path(tempfile.mkdtemp(dir=place))
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _build(
    work: Path,
    project: ParsedProject,
    blocked: Sequence[Identifier],
    on_node: Callable[[NodeResult], None] | None,
) -> None:
    arguments = ["run", "--select", *_SELECTED, "--exclude", *_LEFT_OUT]
    if blocked:
        arguments += ["--vars", _vars(project.project_dir, blocked)]
    with local_raw():
        run = run_dbt(
            arguments,
            data_dir=work,
            project_dir=project.project_dir,
            target=DUCKDB,
            on_node=on_node,
            # Other variables are another parse.
            manifest=None if blocked else project.load(),
        )
    if not run.succeeded:
        failed = [
            f"- {node.kind} {node.name} ({node.path}): {node.message}"
            for node in run.nodes
            if node.status == "error"
        ]
        raise IdentityProblem(
            "dbt could not build the preview.\n"
            + "\n".join([run.problem] if run.problem else failed)
        )


def _vars(project_dir: Path, blocked: Sequence[Identifier]) -> str:
    """The declared identifiers with these values blocked too, as dbt takes them."""
    identifiers = [
        entry
        | {
            "blocked": [
                *entry.get("blocked", []),
                *(one.value for one in blocked if one.type == entry["type"]),
            ]
        }
        for entry in declared_identifiers(project_dir)
    ]
    return json.dumps({"identifiers": identifiers})


def _syncs(data_dir: Path, work: Path) -> dict[str, SyncRows]:
    """What each sync of the working tree would send, now and then; nothing is sent."""
    syncs = load_syncs(data_dir, destinations_file=destinations_file())
    return {name: _rows(sync, data_dir, work) for name, sync in sorted(syncs.items())}


def _rows(sync: Sync, data_dir: Path, work: Path) -> SyncRows:
    found = []
    for place in (data_dir, work):
        try:
            with open_published(place / "published") as connection:
                plan = make_plan(sync, data_dir=data_dir, con=connection)
                rows = {str(name): number for name, number in plan.counts.items()}
                found.append(rows | {"held": plan.held_total})
        except ActivationError as error:
            return SyncRows(now=None, then=None, problem=str(error))
    return SyncRows(now=found[0], then=found[1], problem=None)
