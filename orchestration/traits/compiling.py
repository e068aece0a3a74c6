"""Compiles the ymls of topics to their models, and tells which models are stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestration.conditions.catalogue import Catalogue
from orchestration.conditions.docs_blocks import FILE, read_blocks, write_blocks
from orchestration.conditions.layout import model_text
from orchestration.conditions.model_files import (
    WrittenByHand,
    sealed,
    stale,
    state,
    write,
)
from orchestration.conditions.reading import Mistakes, located, nearest
from orchestration.traits.definitions import Topic
from orchestration.traits.queries import topic_query
from orchestration.traits.reading import is_topic, read_topic
from orchestration.traits.words import trait_words

FOLDER = Path("models/traits")
COMMAND = "./kith trait compile"

_BY_PROFILE = "{{ config(materialized='by_profile') }}"
"""Only profiles that something has changed for are computed anew."""


@dataclass(frozen=True)
class TopicFile:
    """A yml that declares a topic, with its model's entry."""

    yml: Path
    entry: dict[str, Any]

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.entry["name"])

    @property
    def per(self) -> object:
        """Whose traits the yml says they are."""
        settings = self.entry.get("config", {}).get("meta", {}).get("traits")
        return settings.get("per") if isinstance(settings, dict) else None

    @property
    def model(self) -> Path:
        """The file that it is compiled to."""
        return self.yml.with_suffix(".sql")


@dataclass(frozen=True)
class Compiled:
    """A topic and the text of its model."""

    file: TopicFile
    topic: Topic
    text: str

    @property
    def blocks(self) -> dict[str, str]:
        """Its traits in words, by the names that the yml calls them."""
        return {
            f"definition__{self.topic.model}__{trait.name}": trait_words(
                self.topic, trait
            )
            for trait in self.topic.traits
        }


def topic_files(project_dir: Path) -> list[TopicFile]:
    """Every yml that declares a topic."""
    return [
        TopicFile(path, model)
        for path in sorted((project_dir / FOLDER).glob("*.yml"))
        for model in _models(path)
        if is_topic(model)
    ]


def compile_topics(
    project_dir: Path, catalogue: Catalogue, names: Sequence[str] = ()
) -> tuple[list[Compiled], list[str]]:
    """The topics of these names, or all, and what is wrong with the others."""
    files = topic_files(project_dir)
    known = {file.name: file for file in files}
    problems = [
        f"there are no traits '{name}'; {nearest(name, known)}"
        for name in names
        if name not in known
    ]
    compiled = []
    for file in files:
        if names and file.name not in names:
            continue
        mistakes = Mistakes()
        if file.name != file.yml.stem:
            mistakes.add((), f"stands in {file.yml.name}; a model has its own yml")
        topic = read_topic(file.entry, catalogue, mistakes)
        if topic is not None:
            text = sealed(_model_text(topic), source=file.yml.name)
            compiled.append(Compiled(file, topic, text))
        problems += located(
            mistakes,
            file=str(file.yml.relative_to(project_dir)),
            model=file.name,
            project_dir=project_dir,
        )
    return compiled, problems


def write_topics(
    project_dir: Path,
    compiled: Sequence[Compiled],
    *,
    overwrite: bool = False,
    are_all: bool = False,
) -> tuple[list[str], list[str]]:
    """Write the models and the definitions in words.

    Returns what changed, and the files that were kept because they are somebody's own.
    """
    changes, kept = [], []
    blocks: dict[str, str] = {}
    for one in compiled:
        try:
            if write(one.file.model, one.text, overwrite=overwrite):
                changes.append(f"wrote {_shown(one.file.model, project_dir)}")
        except WrittenByHand as error:
            kept.append(f"{_shown(one.file.model.parent, project_dir)}/{error}")
        blocks |= one.blocks
    if write_blocks(project_dir / FOLDER, blocks, are_all=are_all):
        changes.append(f"wrote {_shown(project_dir / FOLDER / FILE, project_dir)}")
    return changes, kept


def trait_problems(project_dir: Path, catalogue: Catalogue) -> list[str]:
    """Every mistake in definitions of traits, and every model that is not what its
    definition gives now."""
    compiled, problems = compile_topics(project_dir, catalogue)
    found = read_blocks(project_dir / FOLDER)
    for one in compiled:
        command = f"{COMMAND} {one.file.name}"
        old = stale(one.file.model, one.text, command=command)
        if old is None and state(one.file.model) == "compiled":
            blocks = {name: found.get(name) for name in one.blocks}
            if blocks != one.blocks:
                old = f"{FILE} does not tell its definitions; run {command}"
        if old is not None:
            problems.append(f"{_shown(one.file.yml, project_dir)}: {old}")
    return problems


def _model_text(topic: Topic) -> str:
    """The model of a topic. Traits of accounts follow from who is in them too, so that
    all of them are computed in each build."""
    text = model_text(topic_query(topic))
    return text if topic.per == "account" else f"{_BY_PROFILE}\n\n{text}"


def _models(path: Path) -> list[dict[str, Any]]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    models = document.get("models") if isinstance(document, dict) else None
    return [one for one in models or () if isinstance(one, dict) and "name" in one]


def _shown(path: Path, project_dir: Path) -> str:
    return str(path.relative_to(project_dir.parent))
