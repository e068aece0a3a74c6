"""Reads the YAML files people write, and knows the line of everything in them.

A key that stands twice is an error: YAML would keep the last one and say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from activations.errors import ConfigError

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed YAML file: its data, and the line on which each place in it starts."""

    name: str
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)

    def problem(self, place: Sequence[str | int], message: str) -> str:
        """Say `message` about a place: `destinations.yml:4: crm.settings: …`."""
        line = next(
            (
                self.lines[tuple(place[:end])]
                for end in range(len(place), -1, -1)
                if tuple(place[:end]) in self.lines
            ),
            1,
        )
        path = ".".join(str(part) for part in place)
        return f"{self.name}:{line}: {path + ': ' if path else ''}{message}"

    def validation_problems(
        self, error: ValidationError, *, below: Place = ()
    ) -> list[str]:
        """Turn what pydantic found into one line a problem."""
        problems = []
        for found in error.errors(include_url=False):
            place = (*below, *found["loc"])
            message = found["msg"]
            if found["type"] == "extra_forbidden":
                message = "there is no such key here"
            problems.append(self.problem(place, message))
        return problems


def read_document(path: Path, *, name: str | None = None) -> Document:
    """Parse the YAML file at `path`; `name` is what messages call it."""
    name = name or path.name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}: cannot be read: {error}") from error
    try:
        loader = yaml.CSafeLoader(text)
        root = loader.get_single_node()
        data = None if root is None else loader.construct_document(root)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: is not YAML: {error}") from error
    lines: dict[Place, int] = {}
    repeated: list[str] = []
    if root is not None:
        _walk(root, (), lines, repeated)
    if repeated:
        raise ConfigError(f"{name}:{entry}" for entry in repeated)
    return Document(name=name, data=data, lines=lines)


def _walk(
    node: yaml.Node, place: Place, lines: dict[Place, int], repeated: list[str]
) -> None:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            inner = (*place, str(key_node.value))
            line = key_node.start_mark.line + 1
            if inner in lines:
                repeated.append(f"{line}: the key '{key_node.value}' stands twice.")
            _walk(value_node, inner, lines, repeated)
            lines[inner] = line
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*place, index), lines, repeated)
