"""How each HTTP tool of the catalog behaves, and what exactly it must be sent.

A module a tool, found by its name: `TOOL` has an example of every action. What the
tools answer is written from their documentation; nothing here talks to them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.activations.scripted import Give, Got

Answer = Callable[[Got], Give]
SECRET = "{{ env_var('SECRET') }}"  # noqa: S105 - its name, not its value
"""A secret setting of an account under test; its value is `s3cret`."""
SECRET_URL = "{{ env_var('SECRET_URL') }}"  # noqa: S105 - its name, not its value
"""A secret address: `/s3cret` of the scripted server."""


@dataclass(frozen=True)
class Sent:
    """A request: path and query, JSON or form, and headers that it must have."""

    method: str
    path: str
    json: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """The life of a sync in a tool: these rows come, and then leave.

    `requests` is everything that is sent when `rows` come, in order; `leaving` when all
    of them leave. `row` makes any number of rows, and `mark` is what in a request shows
    that it speaks of the row with this key.
    """

    key: str
    rows: Sequence[Mapping[str, Any]]
    requests: Sequence[Sent]
    row: Callable[[int], Mapping[str, Any]]
    leaving: Sequence[Sent] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    mark: Callable[[str], str] = str


@dataclass(frozen=True)
class Tool:
    """A tool of the catalog, as far as tests must know it.

    `answer` answers like the tool when it takes everything; `refusing` when it refuses
    the records with these keys and takes the others, for tools that can do so. Where an
    answer means something else than its status says, `stopping` are such as blame no
    record and end the run, and `passing` such as are tried again: each with what is in
    the path of the requests that get them.
    """

    settings: Mapping[str, Any]
    examples: Mapping[str, Example]
    answer: Answer
    refusing: Callable[[Collection[str]], Answer] | None = None
    stopping: Sequence[tuple[str, Give]] = ()
    passing: Sequence[tuple[str, Give]] = ()


def tool_names() -> tuple[str, ...]:
    """The tools that have a module here."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(f.stem for f in files if f.stem != "__init__"))


def load_tool(name: str) -> Tool:
    module = importlib.import_module(f"tests.activations.tools.{name}")
    tool: Tool = module.TOOL
    return tool
