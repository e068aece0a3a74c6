"""Reading definitions out of yml: every problem is told, none ends the reading."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.conditions.dbt_sql import UNITS
from orchestration.yml_lines import YmlLines

Place = tuple[str, ...]
"""The keys that lead to a thing in a definition; items of a list by number, from 1."""

_UNSAID = ("config", "meta", "columns")
_LENGTH = re.compile(r"(\d+)\s+(minute|hour|day|week)s?")


@dataclass(frozen=True)
class Mistake:
    """One thing wrong in a definition, where, and how to mend it."""

    place: Place
    message: str


@dataclass
class Mistakes:
    """Collects what is wrong while a definition is read."""

    found: list[Mistake] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        """Note one more."""
        self.found.append(Mistake(place, message))


@dataclass(frozen=True)
class Length:
    """A length of time: so many of a unit."""

    number: int
    unit: str

    @property
    def words(self) -> str:
        """As people say it: 1 day, 30 days."""
        return f"{self.number} {self.unit}{'' if self.number == 1 else 's'}"


def nearest(name: object, names: Iterable[str]) -> str:
    """What to say of an unknown name: the nearest one there is, or all of them."""
    known = sorted(names)
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"there are: {', '.join(known)}" if known else "there are none"


def check_keys(
    found: Mapping[str, Any], allowed: Iterable[str], place: Place, mistakes: Mistakes
) -> None:
    """Note every key that does not belong there."""
    names = list(allowed)
    for key in found:
        if key not in names:
            mistakes.add((*place, str(key)), f"unknown key; {nearest(key, names)}")


def read_length(value: object, place: Place, mistakes: Mistakes) -> Length | None:
    """A length of time such as `30 days`."""
    match = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        units = ", ".join(f"{unit}s" for unit in UNITS)
        mistakes.add(
            place, f"'{value}' is no length of time: a number and {units}, as 30 days"
        )
        return None
    return Length(int(match[1]), match[2])


def located(
    mistakes: Mistakes, *, file: str, model: str | None, project_dir: Path
) -> list[str]:
    """The mistakes in a model's yml (its path in the project), each with its line."""
    lines = YmlLines(project_dir)
    told = []
    for mistake in mistakes.found:
        line = lines.find(file, model, mistake.place)
        keys = [key for key in mistake.place if key not in _UNSAID]
        subject = ".".join(keys) or (f"model {model}" if model else "definition")
        told.append(f"{project_dir.name}/{file}:{line}: {subject}: {mistake.message}")
    return told
