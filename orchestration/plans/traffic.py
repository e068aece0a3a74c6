"""How many stored events a change of the plan touches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from collector.plan import Plan, PlannedEvent
from collector.plan_check import PlanCheck
from orchestration.lineage.paths import ELEMENTS, parse_path
from orchestration.plans.changes import Change

if TYPE_CHECKING:
    import duckdb

DOCUMENTS = ("properties", "traits", "context", "integrations")
CHECKED = 100_000
"""So many of the newest events of a name are held to the new rules, at most."""
_ROWS = 10_000


@dataclass(frozen=True)
class Touched:
    """How many events a change touches.

    `carrying` have the value that the change is about, or are of the event itself.
    `broken` are those among the newest `checked` that break a rule only since the
    change; None where a change cannot break any.
    """

    carrying: int
    broken: int | None = None
    checked: int = 0


@dataclass
class _Stored:
    """An event as the warehouse stores it, for the check."""

    type: str
    event: str | None
    name: str | None
    category: str | None
    message_id: str | None
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    properties: dict[str, Any] | None
    traits: dict[str, Any] | None
    context: dict[str, Any] | None
    integrations: dict[str, Any] | None
    extra: dict[str, Any] | None


class Traffic:
    """The stored events since a moment, in the published database."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        since: datetime,
        *,
        old: Plan,
        new: Plan,
    ) -> None:
        self._connection = connection
        self._since = since
        self._old, self._new = old, new

    def touched_by(self, changes: Sequence[Change]) -> list[Touched]:
        """What each change touches, in their order."""
        broken = self._broken(changes)
        return [
            Touched(self._carrying(change), *broken.get(place, (None, 0)))
            for place, change in enumerate(changes)
        ]

    def _carrying(self, change: Change) -> int:
        if change.event is None and change.path is None:
            return 0
        events = [one for one in (change.former, change.current) if one is not None]
        of_event = " or ".join(f"({self._is(one)})" for one in events) or "true"
        carries = "true"
        if change.path is not None:
            paths = {change.path, *_former_paths(change)}
            carries = " or ".join(_carries(path, change.event) for path in paths)
        query = (
            "select count(*) from staging.stg_events "  # noqa: S608 (texts are quoted)
            f"where received_at >= $since and ({of_event}) and ({carries})"
        )
        return int(self._one(query))

    def _is(self, event: PlannedEvent) -> str:
        """The condition that a stored event is this one, in this version."""
        condition = f"type = {_quoted(event.type)}"
        if event.type == "track":
            names = ", ".join(map(_quoted, (event.name, *event.aliases)))
            condition += f" and event in ({names})"
        for plan in (self._old, self._new):
            versions = [one.version for one in plan.versions(event.type, event.name)]
            if event in plan.events and len(versions) > 1:
                others = ", ".join(str(one) for one in versions if one != event.version)
                said = "json_extract(context, '$.protocols.event_version')"
                number = f"try_cast({said} as double)"
                # Who says no version that is planned means the oldest.
                if event.version == versions[0]:
                    return f"{condition} and coalesce({number} not in ({others}), true)"
                return f"{condition} and coalesce({number} = {event.version}, false)"
        return condition

    def _broken(self, changes: Sequence[Change]) -> dict[int, tuple[int, int]]:
        """How many of how many events break a rule only since a change."""
        asked: dict[tuple[str, tuple[str, ...]], list[int]] = {}
        for place, change in enumerate(changes):
            if change.kind in ("retyped", "tightened") and change.event is not None:
                planned = change.event
                is_track = planned.type == "track"
                names = (planned.name, *planned.aliases) if is_track else ()
                asked.setdefault((planned.type, names), []).append(place)
        old, new = PlanCheck(self._old), PlanCheck(self._new)
        found: dict[int, tuple[int, int]] = {}
        for (type, names), places in asked.items():
            broken, checked = dict.fromkeys(places, 0), 0
            for event in self._newest(type, names):
                checked += 1
                before = set(old.violations(event))
                since = {one.path for one in new.violations(event) if one not in before}
                for place in places:
                    broken[place] += changes[place].path in since
            found |= {place: (broken[place], checked) for place in places}
        return found

    def _newest(self, type: str, names: tuple[str, ...]) -> Iterator[_Stored]:
        columns = list(_Stored.__annotations__)
        of_event = f"type = {_quoted(type)}"
        if names:
            of_event += f" and event in ({', '.join(map(_quoted, names))})"
        found = self._connection.execute(
            f"select {', '.join(columns)} from staging.stg_events "  # noqa: S608 (names of this file, texts quoted)
            f"where received_at >= $since and {of_event} "
            f"order by received_at desc limit {CHECKED}",
            {"since": self._since},
        )
        documents = {*DOCUMENTS, "extra"}
        while rows := found.fetchmany(_ROWS):
            for row in rows:
                fields = dict(zip(columns, row, strict=True))
                for name in documents:
                    fields[name] = json.loads(fields[name]) if fields[name] else None
                yield _Stored(**fields)

    def _one(self, query: str) -> int:
        row = self._connection.execute(query, {"since": self._since}).fetchone()
        return row[0] if row else 0


def _former_paths(change: Change) -> Iterable[str]:
    """The names that a renamed property had."""
    if change.current is None or change.path is None:
        return ()
    renames: Mapping[str, str] = change.current.renames
    return (old for old, new in renames.items() if new == change.path)


def _carries(path: str, event: PlannedEvent | None) -> str:
    """The condition that an event has a value at a path, from its root if of none."""
    field, *keys = parse_path(path)
    if event is not None:
        field, keys = event.payload, [field, *keys]
    elif field not in DOCUMENTS:
        column = re.sub("([A-Z])", r"_\1", field).lower()
        if not keys and column in _Stored.__annotations__:
            return f"{column} is not null"
        field, keys = "extra", [field, *keys]
    if not keys:
        return f"{field} is not null"
    place = "$" + "".join(
        "[*]" if key == ELEMENTS else f'."{key}"' for key in keys
    )  # fmt: skip
    if ELEMENTS in keys:
        return f"len(json_extract({field}, {_quoted(place)})) > 0"
    return f"coalesce(json_type({field}, {_quoted(place)}) <> 'NULL', false)"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
