"""Personas as values: who they are, what happens to them, what has to be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

Kind = Literal["profiles", "profile", "trait", "account", "member", "non-member"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """A call of an SDK, as it is sent but for its times."""

    call: Mapping[str, Any]
    at: datetime
    received: datetime
    line: int


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One thing that has to be so.

    `name` is a column or an audience, `table` the model that has it; `account` is whose
    column it is where that is not a profile's.
    """

    kind: Kind
    name: str
    line: int
    table: str = ""
    value: Any = None
    account: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What has to be known at a time, of whom `of` (`type:value`) says, or of all."""

    name: str
    clock: datetime
    of: str | None
    expected: tuple[Expected, ...]
    line: int


@dataclass(frozen=True, kw_only=True)
class Persona:
    """Events, and what Kith has to make of them at each checkpoint.

    `now` is the time from which others are counted. With `calendar` it is never moved.
    `own` names properties whose values are keys of things that are this persona's.
    """

    file: Path
    line: int
    name: str
    now: datetime
    calendar: bool
    breaks_plan: bool
    own: tuple[str, ...]
    events: tuple[Event, ...]
    checkpoints: tuple[Checkpoint, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong in a persona file that keeps it from being tried."""

    file: Path
    line: int
    message: str
