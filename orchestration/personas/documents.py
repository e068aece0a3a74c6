"""Files of YAML in which every value knows its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collector.strict_yaml import load
from orchestration.conditions.reading import Place
from orchestration.yml_lines import YmlLines


@dataclass(frozen=True)
class Document:
    """What a file says, and where in it."""

    file: Path
    value: Any
    lines: YmlLines

    def line(self, place: Place) -> int:
        """The line, from 1, of what stands there, or of the last thing on the way."""
        return self.lines.find(self.file.name, None, place)


class DocumentError(Exception):
    """A file that cannot be read; `line` is where, from 1."""

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


def read_document(file: Path) -> Document:
    """The document in a file; raises `DocumentError`."""
    try:
        value = load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(str(error), line=1) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"is not YAML: {error.problem}", line=line) from None
    return Document(file, value, YmlLines(file.parent))
