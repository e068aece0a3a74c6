"""The files that definitions give: the audiences' models, the models of conditions that
they share, and the definitions in words for dbt docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestration.audiences.definitions import (
    FOLDER,
    Definition,
    Definitions,
    read_file,
)
from orchestration.audiences.events import PREFIX, Measure, by_event, conditions_query
from orchestration.audiences.queries import audience_query, measures_of
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue, Table
from orchestration.conditions.comparisons import Column
from orchestration.conditions.docs_blocks import (
    FILE,
    asked_for,
    read_blocks,
    write_blocks,
)
from orchestration.conditions.layout import model_text
from orchestration.conditions.model_files import sealed, stale, state, write

COMMAND = "./kith audience compile"
CONDITIONS = f"{FOLDER}/conditions"

_SOURCE = "../*.yml"
_JINJA = re.compile(r"{(?=[{%#])")


@dataclass(frozen=True)
class Compiled:
    """What a compilation did to the files, by their paths in the project."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    stale: tuple[str, ...]
    """Audiences that were not asked for and are not what their definitions give."""


def compile_audiences(
    definitions: Definitions,
    project_dir: Path,
    *,
    names: frozenset[str] | None = None,
    overwrite: bool = False,
) -> Compiled:
    """Write the files of these audiences, or of all.

    The models of conditions follow all definitions, asked for or not. Raises
    `WrittenByHand` where a person's file stands in the way.
    """
    audiences = audience_files(definitions.found)
    asked = {
        file: text
        for file, text in audiences.items()
        if names is None or Path(file).stem in names
    }
    wanted = asked | conditions_files(definitions.found)
    written = [
        file
        for file, text in wanted.items()
        if _write(project_dir / file, text, overwrite=overwrite)
    ]
    removed = list(unused_conditions(definitions.found, project_dir))
    for file in removed:
        (project_dir / file).unlink()
    blocks = _blocks(definitions.found, project_dir / FOLDER)
    if write_blocks(project_dir / FOLDER, blocks, are_all=True):
        written.append(f"{FOLDER}/{FILE}")
    others = {file: text for file, text in audiences.items() if file not in asked}
    left = [
        Path(file).stem
        for file, text in others.items()
        if stale(project_dir / file, text, command=COMMAND)
    ]
    return Compiled(tuple(written), tuple(removed), tuple(left))


def compile_first(name: str, project_dir: Path) -> Path:
    """The model of an audience that was just begun from the template.

    The template asks only for when people were last seen, so no manifest is needed,
    which does not know the audience yet.
    """
    columns = {
        PERSON: Column(PERSON, "varchar"),
        "last_seen_at": Column("last_seen_at", "timestamptz"),
    }
    profiles = Table(PROFILES, PROFILES, columns)
    people = {PROFILES: profiles}
    catalogue = Catalogue({}, people, frozenset({name}), people)
    definition = read_file(project_dir / FOLDER / f"{name}.yml", catalogue)
    [(file, text)] = audience_files({name: definition}).items()
    write(project_dir / file, text)
    write_blocks(project_dir / FOLDER, docs_blocks({name: definition}), are_all=False)
    return project_dir / file


def file_problems(definitions: Definitions, project_dir: Path) -> list[str]:
    """What is wrong with the files that the definitions gave, for `kith check`."""
    wanted = audience_files(definitions.found) | conditions_files(definitions.found)
    problems = []
    for file, text in wanted.items():
        problem = stale(project_dir / file, text, command=COMMAND)
        if problem:
            problems.append(f"{project_dir.name}/{file}: {problem}")
    for file in unused_conditions(definitions.found, project_dir):
        problems.append(
            f"{project_dir.name}/{file}: no definition asks for it any more; "
            f"run {COMMAND}"
        )
    folder = project_dir / FOLDER
    if not problems and read_blocks(folder) != _blocks(definitions.found, folder):
        problems.append(
            f"{project_dir.name}/{FOLDER}/{FILE}: is not what the definitions say; "
            f"run {COMMAND}"
        )
    return problems


def orphans(definitions: Definitions, project_dir: Path) -> list[str]:
    """Models that read a column of conditions that no definition asks for."""
    columns = {
        model: {PERSON, *(measure.name for measure in measures)}
        for model, measures in _measures(definitions.found).items()
    }
    told = []
    for path in sorted((project_dir / "models").rglob("*.sql")):
        file = path.relative_to(project_dir).as_posix()
        if path.stem in definitions.found or file.startswith(CONDITIONS):
            continue
        text = path.read_text(encoding="utf-8")
        for model, name in sorted(set(re.findall(rf"\b({PREFIX}\w+)\.(\w+)", text))):
            if name not in columns.get(model, {PERSON}):
                told.append(
                    f"{project_dir.name}/{file}: reads {model}.{name}, which no "
                    "definition asks for any more; compute it here, or give back a "
                    "definition that does"
                )
    return told


def audience_files(found: Mapping[str, Definition]) -> dict[str, str]:
    """The models of audiences, by their paths in the project."""
    return {
        f"{FOLDER}/{name}.sql": sealed(
            model_text(audience_query(definition.condition)),
            source=Path(definition.file).name,
        )
        for name, definition in found.items()
    }


def conditions_files(found: Mapping[str, Definition]) -> dict[str, str]:
    """The models of conditions and their ymls, by their paths in the project."""
    files = {}
    for model, measures in _measures(found).items():
        texts = {
            ".sql": model_text(conditions_query(measures)),
            ".yml": _conditions_yml(model, measures),
        }
        for suffix, text in texts.items():
            files[f"{CONDITIONS}/{model}{suffix}"] = sealed(
                text, source=_SOURCE, suffix=suffix
            )
    return files


def unused_conditions(
    found: Mapping[str, Definition], project_dir: Path
) -> Iterator[str]:
    """Compiled models of conditions that nothing asks for any more."""
    wanted = {f"{CONDITIONS}/{model}" for model in _measures(found)}
    for path in sorted((project_dir / CONDITIONS).glob(f"{PREFIX}*.*")):
        file = path.relative_to(project_dir).as_posix()
        is_ours = path.suffix in (".sql", ".yml") and state(path) == "compiled"
        if is_ours and file.rpartition(".")[0] not in wanted:
            yield file


def docs_blocks(found: Mapping[str, Definition]) -> dict[str, str]:
    """What each audience is, in words, by the name of its docs block."""
    return {
        f"definition__{name}": _JINJA.sub("{ ", definition.words)
        for name, definition in found.items()
    }


def _blocks(found: Mapping[str, Definition], folder: Path) -> dict[str, str]:
    """The docs blocks there have to be: also those that a yml asks for although its
    definition is gone, because dbt would not read the project without them."""
    defined = docs_blocks(found)
    asked = asked_for(folder)
    return defined | {
        name: words
        for name, words in read_blocks(folder).items()
        if name in asked and name not in defined
    }


def _measures(found: Mapping[str, Definition]) -> dict[str, list[Measure]]:
    return by_event(
        measure
        for definition in found.values()
        for measure in measures_of(definition.condition)
    )


def _conditions_yml(model: str, measures: list[Measure]) -> str:
    event = measures[0].event
    lines = [
        "models:",
        f"  - name: {model}",
        "    description: >",
        f"      What audiences ask about {event.title}, computed for all at once.",
        f"      Compiled from their definitions by `{COMMAND}`. One row per",
        "      profile with such an event in a time that any of them asks about.",
        "    columns:",
        "      - name: profile_id",
        "        description: '{{ doc(\"profile_id\") }}'",
        "        data_tests: [unique, not_null]",
    ]
    for measure in measures:
        words = _JINJA.sub("{ ", measure.words)
        lines += [
            f"      - name: {measure.name}",
            f"        description: {json.dumps(words, ensure_ascii=False)}",
        ]
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str, *, overwrite: bool) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write(path, text, overwrite=overwrite)
