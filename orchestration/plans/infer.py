"""A plan for the events that were seen, that none of them breaks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from collector.plan import Plan, PlannedEvent
from orchestration.plans.names import model_name, with_columns
from orchestration.plans.shapes import Shape

if TYPE_CHECKING:
    import duckdb

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SINCE = re.compile(r"(\d{1,6})([mhdw])", re.ASCII)
_ROWS = 10_000

Key = tuple[str, str, int]
"""An event: the type of call, its name, its version."""


@dataclass
class Seen:
    """All events of one name, type and version."""

    first: datetime
    last: datetime
    payload: Shape = field(default_factory=Shape)


def duration(text: str) -> timedelta:
    """`7d`, `24h` and the like as a length of time; raises `ValueError`."""
    match = _SINCE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no length of time: 30m, 24h, 7d, 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def stored_events(
    connection: duckdb.DuckDBPyConnection, *, since: datetime | None
) -> Iterator[dict[str, Any]]:
    """What the warehouse stores of each event, under the names of today."""
    found = connection.execute(
        "select type, event, properties, traits, context, received_at "
        "from staging.renamed_events "
        "where type <> 'alias' and ($since is null or received_at >= $since)",
        {"since": since},
    )
    names = [column[0] for column in found.description or ()]
    while rows := found.fetchmany(_ROWS):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def look_at(events: Iterable[dict[str, Any]]) -> dict[Key, Seen]:
    """Add up what the events look like."""
    seen: dict[Key, Seen] = {}
    for event in events:
        type, at = event["type"], event["received_at"]
        name = event["event"] if type == "track" else type
        key = (type, name, _version(event["context"]))
        found = seen.setdefault(key, Seen(at, at))
        found.first, found.last = min(found.first, at), max(found.last, at)
        text = event["traits" if type in ("identify", "group") else "properties"]
        payload = json.loads(text) if text else {}
        found.payload.add(payload if isinstance(payload, dict) else {})
    return seen


def infer(
    seen: Mapping[Key, Seen], plan: Plan, *, models: Iterable[str], planned_too: bool
) -> list[PlannedEvent]:
    """The events that were seen, planned as they look.

    Events that the plan knows are left out, or with `planned_too` planned anew under
    their model's name. `models` are names that no new model can have.
    """
    taken = set(models)
    events = []
    for (type, name, version), found in sorted(seen.items()):
        known = [one for one in plan.versions(type, name) if one.version == version]
        if (known and not planned_too) or "\x00" in name:
            continue
        event = _event(type, name, version, found)
        if known:
            event = _as_before(event, known[0])
        else:
            event = replace(event, model=model_name(event, taken))
            taken.add(event.model)
        columns = known[0].columns if known else {}
        events.append(with_columns(event, columns))
    return events


def _event(type: str, name: str, version: int, found: Seen) -> PlannedEvent:
    shape = found.payload
    rule = shape.rule()
    days = f"{found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}"
    return PlannedEvent(
        name=name,
        type=type,
        version=version,
        # A dot leads into an object, so a name with a dot cannot be planned.
        properties={
            name: rule for name, rule in rule.properties.items() if "." not in name
        },
        description=f"Inferred from {shape.count:,} events of {days}.",
    )


def _as_before(event: PlannedEvent, known: PlannedEvent) -> PlannedEvent:
    """The event with what people wrote about it."""
    properties = {
        name: replace(
            rule,
            description=known.properties[name].description,
            pii=known.properties[name].pii or rule.pii,
        )
        if name in known.properties
        else rule
        for name, rule in event.properties.items()
    }
    return replace(known, properties=properties, columns={}, renames=known.renames)


def _version(context: str | None) -> int:
    """The version that an event says it has; 1 when it says none."""
    if not context or "event_version" not in context:
        return 1
    found = json.loads(context)
    for key in ("protocols", "event_version"):
        found = found.get(key) if isinstance(found, dict) else None
    is_version = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return found if is_version else 1
