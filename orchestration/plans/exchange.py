"""What an exchange format carries of an event beside its rules.

A column belongs to Kith alone, so it travels in Kith's own words, as do the owner, the
enforcement, renames and the name of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from collector.plan import Plan, PlannedEvent, Rule
from orchestration.plans.pairs import with_grain, without_grain


def own_words(event: PlannedEvent) -> dict[str, Any]:
    """What other formats have no place for."""
    words = {
        "model": event.model,
        "columns": dict(event.columns),
        "owner": event.owner,
        "enforcement": dict(event.enforcement),
        "renames": dict(event.renames),
        "event_aliases": list(event.aliases),
    }
    return {word: value for word, value in words.items() if value}


def planned_event(
    *,
    type: str,
    name: str,
    version: int,
    description: str,
    properties: Mapping[str, Rule],
    ours: Mapping[str, Any],
) -> PlannedEvent:
    """The event that a document describes."""
    return PlannedEvent(
        name=name if type == "track" else type,
        type=type,
        version=version,
        properties=properties,
        columns=dict(ours.get("columns") or {}),
        enforcement=dict(ours.get("enforcement") or {}),
        renames=dict(ours.get("renames") or {}),
        aliases=tuple(ours.get("event_aliases") or ()),
        owner=str(ours.get("owner") or ""),
        description=with_grain(description),
        model=str(ours.get("model") or ""),
    )


def description_of(event: PlannedEvent) -> str:
    """The description as other tools show it."""
    return without_grain(event.description)


def without_files(plan: Plan) -> Plan:
    """The plan without where it stands, and what the whole project enforces.

    Neither is part of a tracking plan elsewhere, so neither travels.
    """
    events = tuple(
        replace(event, file="", table="", description=with_grain(event.description))
        for event in plan.events
    )
    return replace(plan, events=events, enforcement={})


def sorted_events(events: list[PlannedEvent]) -> tuple[PlannedEvent, ...]:
    """The events in the order in which a plan holds them."""
    key = ("type", "name", "version", "model")
    return tuple(
        sorted(events, key=lambda event: tuple(getattr(event, word) for word in key))
    )
