"""A persona at one time: what has happened to it by then, as facts to build from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from collector import wire
from collector.datasets import EVENTS
from collector.errors import Refused
from collector.ingest import Quarantined, make_rows
from collector.lines import read_lines
from collector.raw import ensure_datasets, write_file
from collector.settings import CollectorSettings
from collector.times import micros, sent
from collector.validate import Reception
from orchestration.personas.clocks import NOW, read_moment
from orchestration.personas.keys import KeyPlaces, Mark, marked, replaced
from orchestration.personas.people import Checkpoint, Event, Persona, Problem

_SOURCE = "personas"
_TIME_IN_TEXT = re.compile(r"<(.+)>")


@dataclass(frozen=True)
class World:
    """A persona at one time of its clock, and the moment at which it is built.

    Events are moved as far as the moment is from the clock.
    """

    persona: Persona
    clock: datetime
    moment: datetime
    mark: Mark
    checkpoints: tuple[Checkpoint, ...]
    messages: dict[str, Event] = field(default_factory=dict)
    """The events that have happened, by the message ids that they have here."""

    @property
    def moved(self) -> timedelta:
        """How much later everything happens than the persona says."""
        return self.moment - self.clock

    @cached_property
    def events(self) -> list[Event]:
        """What has arrived by now, in this order."""
        arrived = [one for one in self.persona.events if one.received <= self.clock]
        return sorted(arrived, key=lambda one: one.received)


def make_worlds(personas: Iterable[Persona]) -> list[World]:
    """Every persona at every time of its checkpoints."""
    worlds: list[World] = []
    for persona in personas:
        clocks: dict[datetime, list[Checkpoint]] = {}
        for checkpoint in persona.checkpoints:
            clocks.setdefault(checkpoint.clock, []).append(checkpoint)
        for clock, checkpoints in clocks.items():
            moment = clock if persona.calendar else NOW
            mark = Mark(len(worlds) + 1)
            worlds.append(World(persona, clock, moment, mark, tuple(checkpoints)))
    return worlds


def write_facts(
    data_dir: Path, worlds: Iterable[World], places: KeyPlaces, *, moment: datetime
) -> list[Problem]:
    """Write the events of these worlds as the collector stores them.

    What it would not store is a problem of the file that says it.
    """
    settings = CollectorSettings(data_dir=data_dir)
    lines: list[bytes] = []
    problems: list[Problem] = []
    for world in worlds:
        for number, event in enumerate(world.events, start=1):
            call = _call(world, event, number, places)
            received = event.received + world.moved
            found = _stored(call, received, settings)
            if isinstance(found, bytes):
                lines.append(found)
                world.messages[call["messageId"]] = event
            else:
                problems.append(Problem(world.persona.file, event.line, found))
    tick = _stored(_tick(moment), moment, settings)
    assert isinstance(tick, bytes)  # noqa: S101 - it is written below
    lines.append(tick)
    _write(data_dir / "raw", lines, moment=moment)
    return problems


def _tick(moment: datetime) -> dict[str, Any]:
    """An event of nobody in particular: the clock itself, so that data is fresh."""
    return {
        "type": "page",
        "anonymousId": "the clock",
        "messageId": "tick",
        "timestamp": moment.isoformat(),
    }


def _call(world: World, event: Event, number: int, places: KeyPlaces) -> dict[str, Any]:
    """The event as it is sent in this world."""

    def moved(text: str) -> str:
        told = _TIME_IN_TEXT.fullmatch(text)
        at = told and read_moment(told[1], now=world.persona.now)
        return _written(at + world.moved) if at else text

    call = marked(event.call, world.mark, places, world.persona.own)
    call |= {key: replaced(value, moved) for key, value in call.items()}
    given = call.get("messageId")
    # An id that begins with the mark and the number keeps the order of the file.
    name = given if isinstance(given, str) and given else f"{number:04d}"
    call["messageId"] = f"{world.mark.text}-{name}"
    call["timestamp"] = _written(event.at + world.moved)
    return call


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _stored(
    call: Mapping[str, Any], received: datetime, settings: CollectorSettings
) -> bytes | str:
    """The line of the log that a call becomes, or why it becomes none."""
    reception = Reception(
        source_id=_SOURCE,
        request_id=_SOURCE,
        received_at=micros(received),
        sent=sent(None),
        route_type=None,
        max_event_bytes=settings.max_event_bytes,
    )
    try:
        body = json.dumps({"batch": [call]}).encode()
        made = make_rows(wire.parse(body, wire.BATCH), reception, max_events=1)
    except Refused as refused:
        return f"the collector refuses it: {refused}"
    row = made.rows[0]
    if isinstance(row, Quarantined):
        where = f"{row.path}: " if row.path else ""
        return f"the collector quarantines it: {where}{row.code}: {row.detail}"
    return made.lines


def _write(raw_dir: Path, lines: list[bytes], *, moment: datetime) -> None:
    """One file for all days: hundreds of small ones take seconds."""
    ensure_datasets(raw_dir)
    [rows] = read_lines(lines, micros(moment))
    rows = rows.filter(pc.equal(rows["dataset"], EVENTS.name))
    rows = rows.append_column("segment", pa.repeat(pa.scalar(_SOURCE), len(rows)))
    rows = rows.append_column("position", pa.array(range(len(rows)), pa.int64()))
    day = {"dt": f"{moment.astimezone(UTC):%F}"}
    write_file(raw_dir, EVENTS, rows, partition=day, name=_SOURCE)
