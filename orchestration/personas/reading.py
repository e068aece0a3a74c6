"""Persona files: read and checked as a whole, every problem with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestration.conditions.reading import Mistakes, Place, check_keys, nearest
from orchestration.personas.clocks import NOW, read_moment
from orchestration.personas.documents import Document, DocumentError, read_document
from orchestration.personas.expectations import read_checkpoints
from orchestration.personas.names import Names
from orchestration.personas.people import Event, Persona, Problem

DEFAULTS = "defaults.yml"
"""The file whose settings hold for all files beside it."""

TYPES = ("identify", "track", "page", "screen", "group", "alias")
FIELDS = (
    *("type", "event", "name", "category", "messageId"),
    *("userId", "anonymousId", "previousId", "groupId"),
    *("properties", "traits", "context", "integrations"),
)
"""What an SDK sends, but for times."""

_SETTINGS = ("now", "calendar", "own", "each_event")
_PERSONA = ("name", "description", "events", "expect", "breaks_plan", *_SETTINGS)
_TIME = "is no time: `3 days ago`, `in 2 hours`, `now`, 2026-05-13T12:00:00Z"


@dataclass(frozen=True)
class Settings:
    """What holds for personas that say nothing else."""

    now: datetime = NOW
    calendar: bool = False
    own: tuple[str, ...] = ()
    each_event: Mapping[str, Any] = field(default_factory=dict)


def read_files(
    files: Iterable[Path], names: Names
) -> tuple[list[Persona], list[Problem]]:
    """The personas in these files, and everything that is wrong in them."""
    personas: list[Persona] = []
    problems: list[Problem] = []
    folders: dict[Path, Settings] = {}
    for file in files:
        if file.parent not in folders:
            defaults, wrong = _read_defaults(file.parent / DEFAULTS)
            folders[file.parent] = defaults
            problems += wrong
        if file.name != DEFAULTS:
            found, wrong = _read_file(file, folders[file.parent], names)
            personas += found
            problems += wrong
    return personas, sorted(problems)


def _read_defaults(file: Path) -> tuple[Settings, list[Problem]]:
    if not file.exists():
        return Settings(), []
    try:
        document = read_document(file)
    except DocumentError as error:
        return Settings(), [Problem(file, error.line, str(error))]
    mistakes = Mistakes()
    settings = _read_settings(document.value, (), Settings(), mistakes)
    return settings, list(_problems(document, mistakes))


def _read_file(
    file: Path, settings: Settings, names: Names
) -> tuple[list[Persona], list[Problem]]:
    try:
        document = read_document(file)
    except DocumentError as error:
        return [], [Problem(file, error.line, str(error))]
    mistakes = Mistakes()
    found = document.value if isinstance(document.value, dict) else {}
    check_keys(found, ("defaults", "personas"), (), mistakes)
    if "defaults" in found:
        settings = _read_settings(found["defaults"], ("defaults",), settings, mistakes)
    entries = found.get("personas")
    if not isinstance(entries, list) or not entries:
        mistakes.add(("personas",), "a file of personas has a list `personas`")
        entries = []
    personas: list[Persona] = []
    for number, entry in enumerate(entries, start=1):
        place = ("personas", str(number))
        persona = _read_persona(document, entry, place, settings, names, mistakes)
        if persona is None:
            continue
        if any(one.name == persona.name for one in personas):
            mistakes.add((*place, "name"), f"'{persona.name}' is there already")
        personas.append(persona)
    return personas, list(_problems(document, mistakes))


def _problems(document: Document, mistakes: Mistakes) -> Iterator[Problem]:
    for mistake in mistakes.found:
        # The line tells the numbers of entries; keys are said.
        keys = ".".join(key for key in mistake.place if not key.isdecimal())
        message = f"{keys}: {mistake.message}" if keys else mistake.message
        yield Problem(document.file, document.line(mistake.place), message)


def _read_settings(
    found: object, place: Place, settings: Settings, mistakes: Mistakes
) -> Settings:
    if not isinstance(found, dict):
        mistakes.add(place, f"takes {', '.join(_SETTINGS)}")
        return settings
    check_keys(found, _SETTINGS, place, mistakes)
    return _with_settings(found, place, settings, mistakes)


def _with_settings(
    found: Mapping[str, Any], place: Place, settings: Settings, mistakes: Mistakes
) -> Settings:
    """The settings with those that `found` has among its keys."""
    if "now" in found:
        now = read_moment(found["now"], now=settings.now)
        if now is None:
            mistakes.add((*place, "now"), f"'{found['now']}' {_TIME}")
        settings = replace(settings, now=now or settings.now)
    if "calendar" in found:
        calendar = read_flag(found["calendar"], (*place, "calendar"), mistakes)
        settings = replace(settings, calendar=calendar)
    if "own" in found:
        own = found["own"]
        if not isinstance(own, list) or not all(isinstance(one, str) for one in own):
            mistakes.add((*place, "own"), "takes a list of properties: [order_id]")
            own = []
        settings = replace(settings, own=(*settings.own, *own))
    if "each_event" in found:
        each = found["each_event"]
        at = (*place, "each_event")
        if isinstance(each, dict):
            check_keys(each, FIELDS, at, mistakes)
            settings = replace(settings, each_event={**settings.each_event, **each})
        else:
            mistakes.add(at, "takes what each event holds, as {userId: ada}")
    return settings


def read_flag(value: object, place: Place, mistakes: Mistakes) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        mistakes.add(place, f"'{value}' is neither true nor false")
    return value is True


def _read_persona(
    document: Document,
    found: object,
    place: Place,
    settings: Settings,
    names: Names,
    mistakes: Mistakes,
) -> Persona | None:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        mistakes.add(place, "a persona needs a `name`")
        return None
    check_keys(found, _PERSONA, place, mistakes)
    settings = _with_settings(found, place, settings, mistakes)
    events = found.get("events")
    if not isinstance(events, list) or not events:
        mistakes.add((*place, "events"), "a persona needs a list `events`")
        events = []
    read = (
        _read_event(document, event, (*place, "events", str(n)), settings, mistakes)
        for n, event in enumerate(events, start=1)
    )
    return Persona(
        file=document.file,
        line=document.line((*place, "name")),
        name=found["name"],
        now=settings.now,
        calendar=settings.calendar,
        breaks_plan=read_flag(
            found.get("breaks_plan", False), (*place, "breaks_plan"), mistakes
        ),
        own=settings.own,
        events=tuple(event for event in read if event is not None),
        checkpoints=read_checkpoints(
            document,
            found.get("expect"),
            (*place, "expect"),
            now=settings.now,
            names=names,
            mistakes=mistakes,
        ),
    )


def _read_event(
    document: Document,
    found: object,
    place: Place,
    settings: Settings,
    mistakes: Mistakes,
) -> Event | None:
    if not isinstance(found, dict):
        mistakes.add(place, "an event is a map: {at: 3 days ago, type: track, …}")
        return None
    check_keys(found, ("at", "received", *FIELDS), place, mistakes)
    call = {**settings.each_event, **found}
    said = call.pop("at", None)
    received_said = call.pop("received", said)
    at = read_moment(said, now=settings.now)
    received = read_moment(received_said, now=settings.now)
    if said is None:
        mistakes.add(place, "needs `at`: when it happened")
    elif at is None:
        mistakes.add((*place, "at"), f"'{said}' {_TIME}")
    elif received is None:
        mistakes.add((*place, "received"), f"'{received_said}' {_TIME}")
    if call.get("type") not in TYPES:
        mistakes.add(
            (*place, "type"),
            f"'{call.get('type')}': {nearest(call.get('type'), TYPES)}",
        )
    for name in ("properties", "traits", "context", "integrations"):
        if not isinstance(call.get(name, {}), dict):
            mistakes.add((*place, name), "takes a map")
            return None
    if at is None or received is None:
        return None
    return Event(call=call, at=at, received=received, line=document.line(place))
