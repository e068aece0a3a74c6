"""Where in a yml of the dbt project something stands."""

from __future__ import annotations

from pathlib import Path

import yaml


class YmlLines:
    """Finds lines by the keys that lead there; each file is read once."""

    def __init__(self, project_dir: Path) -> None:
        self._project_dir = project_dir
        self._files: dict[str, yaml.Node | None] = {}

    def find(self, file: str, model: str | None, place: tuple[str, ...]) -> int:
        """The line, from 1, of what the keys lead to, or of the last that is there.

        They begin at the model's entry, or at the root of the file without a model. An
        entry of a list is found by its name or by its number, from 1.
        """
        node = self._root(file)
        line = 1
        if model is not None:
            node, line = _named(_below(node, "models")[0], model, line)
        for key in place:
            inside, at = _below(node, key)
            if inside is None:
                inside, at = _named(node, key, line)
            if inside is None:
                inside, at = _numbered(node, key, line)
            if inside is not None:
                node, line = inside, at
        return line

    def _root(self, file: str) -> yaml.Node | None:
        if file not in self._files:
            try:
                text = (self._project_dir / file).read_text(encoding="utf-8")
                self._files[file] = yaml.compose(text, yaml.SafeLoader)
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                self._files[file] = None
        return self._files[file]


def _below(node: yaml.Node | None, key: str) -> tuple[yaml.Node | None, int]:
    """What stands under a key of a map, and the key's line."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.value == key:
                return value, name.start_mark.line + 1
    return None, 0


def _named(
    node: yaml.Node | None, name: str, line: int
) -> tuple[yaml.Node | None, int]:
    """The entry of a list that has this name, and its line."""
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            found, at = _below(entry, "name")
            if isinstance(found, yaml.ScalarNode) and found.value == name:
                return entry, at
    return None, line


def _numbered(
    node: yaml.Node | None, number: str, line: int
) -> tuple[yaml.Node | None, int]:
    """The entry of a list at this place, from 1, and its line."""
    if isinstance(node, yaml.SequenceNode) and number.isdecimal():
        place = int(number) - 1
        if 0 <= place < len(node.value):
            entry = node.value[place]
            return entry, entry.start_mark.line + 1
    return None, line
