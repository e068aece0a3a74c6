"""Tracking calls as they stand in source code, whatever the language.

Only what is written out is known: a name or a value that the program computes is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

METHODS = ("track", "identify", "page", "screen", "group")
RECEIVERS = re.compile(r"analytics|segment|rudder|^client$", re.IGNORECASE)
"""What tracking clients are called."""


class Computed(Enum):
    """A value that only the running program knows."""

    VALUE = "value"
    TEXT = "text"
    """Some text or other."""


@dataclass(frozen=True)
class Value:
    """A value in source code. An object's is {}, an array's []: see what is inside."""

    line: int
    known: Any = Computed.VALUE
    entries: Mapping[str, Value] = field(default_factory=dict)
    elements: tuple[Value, ...] = ()
    is_whole: bool = True
    """Whether all keys of the object are written out."""

    @property
    def is_object(self) -> bool:
        """Whether it is an object, with keys to look at."""
        return isinstance(self.known, dict)

    @property
    def text(self) -> str | None:
        """The text that it is, if it is a known one."""
        return self.known if isinstance(self.known, str) else None


@dataclass(frozen=True)
class Call:
    """A call of a tracking client. What is None was not given."""

    file: Path
    line: int
    method: str
    event: Value | None = None
    payload: Value | None = None
    context: Value | None = None


@dataclass(frozen=True)
class Unreadable:
    """A file that is no program of its language."""

    file: Path
    line: int
    reason: str


def is_client(name: str, more: frozenset[str]) -> bool:
    """Whether what is called so is a tracking client."""
    return name in more or RECEIVERS.search(name) is not None
