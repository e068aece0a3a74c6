"""Guards: what holds a run back whose input is not what it should be.

Each guard holds the kinds of changes that could do damage: of a list that has lost its
rows the removals, of a build that is too old everything. What it does not hold goes
out. A person lets the held rows go, up to the counts that were shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

FREE_ROWS = 20
"""So few rows are changed or removed unasked, whatever share of the whole they are."""

Kind = Literal["new", "changed", "again", "left"]
"""Why a row is planned: it is new, differs, is sent again by request, or left."""

KINDS: tuple[Kind, ...] = ("new", "changed", "again", "left")
_LEFT: tuple[Kind, ...] = ("left",)
_NOT_NEW: tuple[Kind, ...] = ("changed", "left")
_AGE = re.compile(r"(?P<number>\d+) (?P<unit>minute|hour|day)s?")


class Guards(BaseModel):
    """The limits of one sync, `meta.sync.guards`; a share is one of what is held."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    max_delete_share: float = Field(default=0.1, ge=0, le=1)
    max_change_share: float = Field(default=0.5, ge=0, le=1)
    max_shrink_share: float = Field(default=0.5, ge=0, le=1)
    min_rows: int = Field(default=0, ge=0)
    max_age: str | None = "26 hours"

    @field_validator("max_age")
    @classmethod
    def _is_age(cls, text: str | None) -> str | None:
        if text is not None and _AGE.fullmatch(text) is None:
            raise ValueError(
                f"'{text}' is not an age. Write '26 hours', '2 days' or '90 minutes', "
                "or null for none."
            )
        return text

    @property
    def oldest(self) -> timedelta | None:
        """How old the input may be."""
        found = _AGE.fullmatch(self.max_age or "")
        if found is None:
            return None
        return timedelta(**{f"{found['unit']}s": int(found["number"])})


@dataclass(frozen=True)
class Situation:
    """What the guards look at: the planned rows by kind, and where they come from."""

    account: str
    planned: Mapping[Kind, int]
    payload_rows: int
    destination_rows: int
    age: timedelta | None = None
    """Of the published build; None where the rows come from elsewhere."""
    missing_consent: tuple[str, ...] = ()
    remembered_rows: int = 0
    """What earlier runs left in the destination, where the log has forgotten it all."""


@dataclass(frozen=True)
class Hold:
    """A guard that holds: which one, what it keeps back, and why."""

    guard: str
    kinds: Collection[Kind]
    reason: str
    is_releasable: bool = True


def find_holds(guards: Guards, now: Situation) -> tuple[Hold, ...]:
    """Every guard that holds something back in this situation, the strictest first."""
    return (*_holds_on_all(guards, now), *_holds_on_changes(guards, now))


def _holds_on_all(guards: Guards, now: Situation) -> Iterator[Hold]:
    """What makes all of the input doubtful."""
    if now.missing_consent:
        yield Hold(
            guard="consent",
            kinds=KINDS,
            reason=(
                f"The payload has no boolean column {', '.join(now.missing_consent)}, "
                "so nobody is known to consent. Nothing is sent until it is there."
            ),
            is_releasable=False,
        )
    if guards.oldest is not None and now.age is not None and now.age > guards.oldest:
        yield Hold(
            guard="stale",
            kinds=KINDS,
            reason=(
                f"The published build is {_words(now.age)} old (max_age "
                f"{guards.max_age}). Run `./kith build`."
            ),
        )
    if now.payload_rows < guards.min_rows:
        yield Hold(
            guard="min_rows",
            kinds=KINDS,
            reason=(
                f"The payload has {now.payload_rows:,} rows, fewer than "
                f"{guards.min_rows:,} (min_rows)."
            ),
        )
    if now.remembered_rows:
        yield Hold(
            guard="lost_log",
            kinds=KINDS,
            reason=(
                f"The sync log is empty, though {now.account} holds "
                f"{now.remembered_rows:,} rows of this sync: everything would be sent "
                "again, and nothing would ever be removed. Restore raw/sync_log, or "
                "release the run to start anew."
            ),
        )


def _holds_on_changes(guards: Guards, now: Situation) -> Iterator[Hold]:
    """What makes removals doubtful, and changes."""
    left, held = now.planned["left"], now.destination_rows
    holds = f"{now.account} holds {held:,} rows of this sync"
    if left and now.payload_rows == 0:
        yield Hold("empty", _LEFT, f"The payload is empty while {holds}.")
    limit = max(FREE_ROWS, int(guards.max_delete_share * held))
    if left > limit and now.payload_rows:
        yield Hold(
            guard="mass_delete",
            kinds=_LEFT,
            reason=(
                f"{left:,} rows would be deleted while {holds}; up to {limit:,} go "
                f"unasked (max_delete_share {guards.max_delete_share:g}, and never "
                f"less than {FREE_ROWS})."
            ),
        )
    smallest = (1 - guards.max_shrink_share) * held
    if left and held > FREE_ROWS and 0 < now.payload_rows < smallest:
        yield Hold(
            guard="shrunk",
            kinds=_LEFT,
            reason=(
                f"The payload has {now.payload_rows:,} rows while {holds}; it may "
                f"shrink by a share of {guards.max_shrink_share:g} (max_shrink_share)."
            ),
        )
    limit = max(FREE_ROWS, int(guards.max_change_share * held))
    if now.planned["changed"] > limit:
        yield Hold(
            guard="mass_change",
            kinds=_NOT_NEW,
            reason=(
                f"{now.planned['changed']:,} rows would be changed while {holds}; up "
                f"to {limit:,} go unasked (max_change_share "
                f"{guards.max_change_share:g}, and never less than {FREE_ROWS})."
            ),
        )


def _words(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours} hours" if hours < 48 else f"{hours // 24} days"
