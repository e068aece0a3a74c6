"""The definitions of audiences: where they stand, and what is wrong with them.

A definition is `config.meta.definition` of an audience's own yml, beside its `owner`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from orchestration.audiences.entities import AccountUsers
from orchestration.audiences.members import In
from orchestration.audiences.reading import read_definition
from orchestration.conditions.catalogue import Catalogue
from orchestration.conditions.reading import Mistakes, located, nearest
from orchestration.conditions.trees import All, AnyOf, Condition, ends_of

FOLDER = "models/audiences"
_META = ("config", "meta")
_PLACE = (*_META, "definition")
_KEYS = ("definition",)


class AudienceProblem(Exception):
    """Something about an audience that the user can mend; the message says how."""


@dataclass(frozen=True)
class Definition:
    """Who is in an audience. `file` is its yml, by its path in the project."""

    audience: str
    file: str
    owner: str
    condition: Condition

    @property
    def words(self) -> str:
        """The definition in plain language."""
        match self.condition:
            case All(parts):
                return f"Whoever meets all of this: {_listed(parts)}."
            case AnyOf(parts):
                return f"Whoever meets at least one of these: {_listed(parts)}."
        return f"Whoever meets this: {self.condition.words}."


@dataclass
class Definitions:
    """All definitions of a project, by the name of the audience; `problems` tells what
    is wrong with the others."""

    found: dict[str, Definition] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_definitions(project_dir: Path, catalogue: Catalogue) -> Definitions:
    """Every definition of the project."""
    described = list(_entries(project_dir))
    entries = [entry for entry in described if "definition" in entry[2]]
    names = {name for name, _, _ in entries} | catalogue.audiences
    read = Definitions()
    for name, file, meta in entries:
        definition, problems = _read(
            name, file, meta, catalogue, frozenset(names), project_dir
        )
        read.problems += problems
        if definition is not None:
            read.found[name] = definition
    read.problems += _misspelt(described, project_dir)
    read.problems += _circles(read.found, project_dir)
    return read


def read_file(file: Path, catalogue: Catalogue) -> Definition:
    """The definition in a file of its own: the yml of an audience, wherever it stands,
    or nothing but the tree. Raises `AudienceProblem`."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AudienceProblem(f"{file} cannot be read: {error}") from error
    described = [one for one in _described(document) if "definition" in one[1]]
    if isinstance(document, Mapping) and "models" in document:
        if len(described) != 1:
            raise AudienceProblem(
                f"{file} has {len(described)} definitions of audiences, not 1"
            )
        [(name, meta)] = described
    else:
        name, meta = file.stem, {"definition": document, "owner": "nobody yet"}
    audiences = catalogue.audiences | {name}
    mistakes = Mistakes()
    place = _PLACE if described else ()
    condition = read_definition(
        meta["definition"],
        place,
        mistakes,
        catalogue=catalogue,
        audience=name,
        audiences=audiences,
    )
    if condition is None or mistakes.found:
        told = located(
            mistakes,
            file=file.name,
            model=name if described else None,
            project_dir=file.resolve().parent,
        )
        raise AudienceProblem("\n".join(told))
    return Definition(name, str(file), str(meta.get("owner", "")), condition)


def _entries(project_dir: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The models of the folder: name, file and meta."""
    for path in sorted((project_dir / FOLDER).glob("*.yml")):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, yaml.YAMLError):
            continue  # dbt says so itself
        file = path.relative_to(project_dir).as_posix()
        for name, meta in _described(document):
            yield name, file, meta


def _described(document: object) -> list[tuple[str, Mapping[str, Any]]]:
    models = document.get("models") if isinstance(document, Mapping) else None
    found = []
    for model in models if isinstance(models, list) else []:
        meta = model
        for key in _META:
            meta = meta.get(key) if isinstance(meta, Mapping) else None
        if isinstance(meta, Mapping):
            found.append((str(model.get("name")), meta))
    return found


def _read(
    name: str,
    file: str,
    meta: Mapping[str, Any],
    catalogue: Catalogue,
    audiences: frozenset[str],
    project_dir: Path,
) -> tuple[Definition | None, list[str]]:
    mistakes = Mistakes()
    owner = meta.get("owner")
    if not isinstance(owner, str) or not owner.strip():
        mistakes.add((*_META, "owner"), "has no owner; say which team answers for it")
    condition = read_definition(
        meta["definition"],
        _PLACE,
        mistakes,
        catalogue=catalogue,
        audience=name,
        audiences=audiences,
    )
    problems = located(mistakes, file=file, model=name, project_dir=project_dir)
    if condition is None or problems:
        return None, problems
    return Definition(name, file, str(owner), condition), []


def _misspelt(
    entries: list[tuple[str, str, Mapping[str, Any]]], project_dir: Path
) -> list[str]:
    """Keys that are nearly `definition`: with such a one an audience would be SQL."""
    told = []
    for name, file, meta in entries:
        mistakes = Mistakes()
        for key in meta:
            if key != "definition" and get_close_matches(str(key), _KEYS, cutoff=0.8):
                mistakes.add((*_META, str(key)), f"unknown key; {nearest(key, _KEYS)}")
        told += located(mistakes, file=file, model=name, project_dir=project_dir)
    return told


def _circles(found: Mapping[str, Definition], project_dir: Path) -> list[str]:
    """Audiences that are defined by one another."""
    told = []
    for name, definition in found.items():
        way = _way_back(name, name, found, ())
        if way and name == min(way):
            said = " -> ".join((*way, name))
            mistakes = Mistakes()
            mistakes.add(_PLACE, f"audiences are defined in a circle: {said}")
            told += located(
                mistakes, file=definition.file, model=name, project_dir=project_dir
            )
    return told


def _way_back(
    name: str, goal: str, found: Mapping[str, Definition], way: tuple[str, ...]
) -> tuple[str, ...]:
    """The audiences from one to the goal, by what each is defined by."""
    for other in audiences_in(found[name].condition) if name in found else []:
        if other == goal:
            return (*way, name)
        if other not in way and other != name:
            back = _way_back(other, goal, found, (*way, name))
            if back:
                return back
    return ()


def audiences_in(condition: Condition) -> Iterator[str]:
    """The audiences that a condition asks for."""
    for end in ends_of(condition):
        if isinstance(end, In):
            yield end.audience
        elif isinstance(end, AccountUsers):
            yield from audiences_in(end.matching)


def _listed(parts: tuple[Condition, ...]) -> str:
    return "; ".join(part.words for part in parts)
