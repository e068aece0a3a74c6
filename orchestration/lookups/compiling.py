"""Compiles lookups to the models that enrich events, and tells which are stale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestration.conditions.catalogue import Catalogue
from orchestration.conditions.layout import model_text
from orchestration.conditions.model_files import (
    WrittenByHand,
    sealed,
    stale,
    state,
    write,
)
from orchestration.conditions.reading import Mistakes, located
from orchestration.lookups.definitions import Enriched
from orchestration.lookups.queries import COUNTS, counts_query, enriched_query
from orchestration.lookups.reading import enriches, read_enriched

FOLDER = "models/events"
COMMAND = "./kith lookup compile"

_COUNTS = f"models/monitoring/{COUNTS}"
_REF = re.compile(r"ref\('(\w+)'\)")
_VIEW = "{{ config(materialized='view') }}\n\n"
_COUNTS_YML = f"""\
models:
  - name: {COUNTS}
    description: >
      For how many events the lookups found something. Compiled from the ymls of
      {FOLDER} by `{COMMAND}`; a view, which counts when it is
      asked. One row per model, lookup and day of receipt.
    columns:
      - {{name: model, description: "The model that enriches the event."}}
      - {{name: lookup, description: Name of the lookup.}}
      - {{name: received_on, description: "Day of receipt, UTC."}}
      - {{name: event_count, description: All events.}}
      - {{name: known_count, description: Those for which there was a row.}}
      - {{name: unknown_count, description: Those whose key the table does not have.}}
      - {{name: keyless_count, description: Those without a key to look up.}}
    data_tests:
      - unique_key: {{arguments: {{columns: [model, lookup, received_on]}}}}
"""


def read_all(
    project_dir: Path, catalogue: Catalogue
) -> tuple[list[Enriched], list[str]]:
    """All models that enrich events, and what is wrong with the ymls of others."""
    found, problems = [], []
    for path, entry in _entries(project_dir):
        mistakes = Mistakes()
        name = str(entry["name"])
        if name != path.stem:
            mistakes.add((), f"stands in {path.name}; a model has its own yml")
        enriched = read_enriched(entry, catalogue, mistakes)
        if enriched is not None:
            found.append(enriched)
        problems += located(
            mistakes,
            file=path.relative_to(project_dir).as_posix(),
            model=name,
            project_dir=project_dir,
        )
    return found, problems


def forget_counts(project_dir: Path) -> None:
    """Take away the compiled counts that read a model which is gone: dbt would read
    nothing of the project, and they are written anew."""
    file = project_dir / f"{_COUNTS}.sql"
    if state(file) != "compiled":
        return
    models = _REF.findall(file.read_text(encoding="utf-8"))
    if not all((project_dir / FOLDER / f"{name}.sql").exists() for name in models):
        file.unlink()
        file.with_suffix(".yml").unlink(missing_ok=True)


def compile_lookups(
    project_dir: Path, catalogue: Catalogue, *, overwrite: bool = False
) -> tuple[list[str], list[str]]:
    """Write the models that all lookups give.

    Returns what changed and what is wrong; where something is, nothing is written.
    """
    found, problems = read_all(project_dir, catalogue)
    if problems:
        return [], problems
    changes = []
    for file, text in _files(found).items():
        try:
            if write(project_dir / file, text, overwrite=overwrite):
                changes.append(f"wrote {project_dir.name}/{file}")
        except WrittenByHand as error:
            problems.append(f"{project_dir.name}/{FOLDER}/{error}")
    for file in _unused(found, project_dir):
        (project_dir / file).unlink()
        changes.append(f"removed {project_dir.name}/{file}")
    return changes, problems


def lookup_problems(project_dir: Path, catalogue: Catalogue) -> list[str]:
    """Every mistake in lookups, or else every file that is not what they give."""
    found, problems = read_all(project_dir, catalogue)
    if problems:
        return problems
    problems = [
        f"{project_dir.name}/{file}: {problem}"
        for file, text in _files(found).items()
        if (problem := stale(project_dir / file, text, command=COMMAND))
    ]
    return problems + [
        f"{project_dir.name}/{file}: no lookup gives it any more; run {COMMAND}"
        for file in _unused(found, project_dir)
    ]


def _files(found: Sequence[Enriched]) -> Mapping[str, str]:
    """What the lookups give, by the paths in the project."""
    files = {
        f"{FOLDER}/{one.model}.sql": sealed(
            _VIEW + model_text(enriched_query(one)), source=f"{one.model}.yml"
        )
        for one in found
    }
    if found:
        source = f"../{Path(FOLDER).name}/*.yml"
        query = _VIEW + model_text(counts_query(found))
        files[f"{_COUNTS}.sql"] = sealed(query, source=source)
        files[f"{_COUNTS}.yml"] = sealed(_COUNTS_YML, source=source, suffix=".yml")
    return files


def _unused(found: Sequence[Enriched], project_dir: Path) -> list[str]:
    """Compiled files that no lookup gives any more."""
    wanted = _files(found)
    events = sorted((project_dir / FOLDER).glob("*.sql"))
    files = [path.relative_to(project_dir).as_posix() for path in events]
    files += [f"{_COUNTS}{suffix}" for suffix in (".sql", ".yml")]
    return [
        file
        for file in files
        if file not in wanted and state(project_dir / file) == "compiled"
    ]


def _entries(project_dir: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The ymls that declare lookups, with their models' entries."""
    for path in sorted((project_dir / FOLDER).glob("*.yml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        models = document.get("models") if isinstance(document, dict) else None
        for entry in models or ():
            if isinstance(entry, dict) and "name" in entry and enriches(entry):
                yield path, entry
