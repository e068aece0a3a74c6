"""Tries personas: all of them in one build, for each moment that they need."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from collector.files import make_directories
from orchestration.audiences.definitions import Definition, read_definitions
from orchestration.audiences.leaves import Leaves, leaves_of
from orchestration.conditions.catalogue import PROFILES, Catalogue, read_catalogue
from orchestration.parsed_project import ParsedProject, parse_project
from orchestration.personas.building import (
    PersonaError,
    build,
)
from orchestration.personas.clocks import NOW
from orchestration.personas.coverage import Condition, coverage_of
from orchestration.personas.findings import Findings, read_findings
from orchestration.personas.judging import Failure, judge
from orchestration.personas.keys import key_places
from orchestration.personas.names import names_of
from orchestration.personas.people import Problem
from orchestration.personas.reading import DEFAULTS, read_files
from orchestration.personas.worlds import World, make_worlds, write_facts

_BUILD = "build-"
_SECONDS_LEFT_ALONE = 3_600
"""How old a directory is that nobody can be working in: one that was killed left it."""


@dataclass(frozen=True)
class Report:
    """What came of trying personas; with `problems` they were not tried."""

    personas: int
    checkpoints: int
    builds: int
    seconds: float
    problems: tuple[Problem, ...]
    failures: tuple[Failure, ...]
    conditions: tuple[Condition, ...]
    coverage: float
    """Which part of the conditions' sides was seen."""


def find_files(places: Iterable[Path]) -> list[Path]:
    """The persona files that these files and folders are."""
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            found = [one for one in place.rglob("*.yml") if one.name != DEFAULTS]
            files += sorted(found)
        elif place.is_file():
            files.append(place)
        else:
            raise PersonaError(f"{place} is neither a file nor a folder")
    if not files:
        raise PersonaError("there is no persona file in what is named")
    return list(dict.fromkeys(files))


def try_personas(
    files: Sequence[Path],
    *,
    data_dir: Path,
    project_dir: Path,
    of_everything: bool = True,
) -> Report:
    """Build what happens in these files, and compare it with what they expect.

    If these are all files there are, `of_everything`, coverage counts the audiences too
    that nobody names.
    """
    started = time.monotonic()
    project = parse_project(data_dir, project_dir)
    catalogue = read_catalogue(project.manifest)
    personas, problems = read_files(files, names_of(catalogue))
    worlds = make_worlds(personas)
    named = {one for one in _asked_for(worlds) if one in catalogue.audiences}
    definitions = read_definitions(project_dir, catalogue).found
    coverage = coverage_of(
        catalogue.audiences if of_everything else named,
        _leaves(definitions, catalogue, NOW),
    )
    failures: list[Failure] = []
    builds = 0
    if not problems:
        for moment, group in _by_moment(worlds).items():
            with _workplace(data_dir / "personas") as place:
                problems = write_facts(
                    place, group, key_places(project_dir), moment=moment
                )
                if problems:
                    break
                leaves = _leaves(definitions, catalogue, moment)
                findings = _built(project, place, group, catalogue, leaves, moment)
                builds += 1
            coverage.see(group, findings)
            failures += [
                failure for world in group for failure in judge(world, findings)
            ]
    return Report(
        personas=len(personas),
        checkpoints=sum(len(persona.checkpoints) for persona in personas),
        builds=builds,
        seconds=time.monotonic() - started,
        problems=tuple(sorted(problems)),
        failures=tuple(sorted(failures, key=lambda one: (one.file, one.line))),
        conditions=coverage.all,
        coverage=coverage.share,
    )


def persona_problems(manifest: Path, folder: Path) -> list[str]:
    """Everything wrong in the persona files of a folder, if there is one."""
    names = names_of(read_catalogue(manifest))
    _, problems = read_files(sorted(folder.rglob("*.yml")), names)
    return [
        f"{one.file.relative_to(folder.parent.parent)}:{one.line}: {one.message}"
        for one in problems
    ]


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """An empty directory that is gone afterwards; one that was left behind goes too."""
    make_directories(folder)
    for left in folder.glob(f"{_BUILD}*"):
        with contextlib.suppress(FileNotFoundError):
            if left.stat().st_mtime < time.time() - _SECONDS_LEFT_ALONE:
                shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=_BUILD, dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _leaves(
    definitions: Mapping[str, Definition], catalogue: Catalogue, now: datetime
) -> dict[str, Leaves]:
    """The conditions of audiences, and how to see at this moment who meets them."""
    return {
        name: leaves_of(definition, catalogue=catalogue, now=now)
        for name, definition in definitions.items()
    }


def _by_moment(worlds: Iterable[World]) -> dict[datetime, list[World]]:
    groups: dict[datetime, list[World]] = {}
    for world in worlds:
        groups.setdefault(world.moment, []).append(world)
    return groups


def _built(
    project: ParsedProject,
    place: Path,
    worlds: list[World],
    catalogue: Catalogue,
    leaves: Mapping[str, Leaves],
    moment: datetime,
) -> Findings:
    asked = set(_asked_for(worlds))
    build(project, place, models={*asked, PROFILES}, moment=moment)
    return read_findings(place / "warehouse.duckdb", worlds, catalogue, asked, leaves)


def _asked_for(worlds: Iterable[World]) -> Iterator[str]:
    for world in worlds:
        for checkpoint in world.checkpoints:
            yield from (one.table for one in checkpoint.expected if one.table)
