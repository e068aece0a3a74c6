"""What is right in each place of the plan, but wrong where two of them meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from collector.plan import Mistake, PlannedEvent, Rule

META = ("config", "meta")


def conflicts(events: Sequence[PlannedEvent]) -> Iterator[Mistake]:
    """The mistakes that only a look at several places shows."""
    yield from _same_versions(events)
    yield from _same_tables(events)
    yield from _taken_names(events)
    for event in events:
        yield from _renames(event)
        yield from _alike(event, event.properties)


def _same_versions(events: Sequence[PlannedEvent]) -> Iterator[Mistake]:
    first: dict[tuple[str, str, int], PlannedEvent] = {}
    for event in events:
        other = first.setdefault((event.type, event.name, event.version), event)
        if other is not event:
            yield _mistake(
                event,
                (*META, "event"),
                f"version {event.version} of '{event.name}' is planned in "
                f"{other.file} already; give one of them another version",
            )


def _same_tables(events: Sequence[PlannedEvent]) -> Iterator[Mistake]:
    """Warehouses do not tell `Orders` from `orders`."""
    first: dict[str, PlannedEvent] = {}
    for event in events:
        other = first.setdefault(event.table.lower(), event)
        if other is not event:
            yield _mistake(
                event,
                (),
                f"becomes the table {event.table}, as '{other.name}' in {other.file} "
                "does; give one of the models another name",
            )


def _taken_names(events: Sequence[PlannedEvent]) -> Iterator[Mistake]:
    """Names that an event had before, but that are another one's."""
    owners = {event.name: event for event in events if event.type == "track"}
    for event in events:
        for alias in event.aliases:
            owner = owners.setdefault(alias, event)
            if owner.name != event.name:
                yield _mistake(
                    event,
                    (*META, "event_aliases"),
                    f"'{alias}' is a name of the event that {owner.file} plans",
                )


def _renames(event: PlannedEvent) -> Iterator[Mistake]:
    for old, new in event.renames.items():
        place = (*META, "renames", old)
        if new not in event.properties:
            known = ", ".join(event.properties) or "none"
            yield _mistake(
                event, place, f"'{new}' is not planned; the properties are {known}"
            )
        if old in event.properties:
            yield _mistake(event, place, f"'{old}' is planned by this name too")


def _alike(
    event: PlannedEvent, properties: Mapping[str, Rule], prefix: str = ""
) -> Iterator[Mistake]:
    """Properties that differ only in case: one is a slip, and columns would be one."""
    first: dict[str, str] = {}
    for name, rule in properties.items():
        path = f"{prefix}{name}"
        other = first.setdefault(name.lower(), path)
        if other != path:
            yield _mistake(
                event,
                event.place_of(path),
                f"'{path}' and '{other}' differ only in case; keep one of them, and "
                "name the other in config.meta.renames",
            )
        yield from _alike(event, rule.properties, f"{path}.")
        if rule.items is not None:
            yield from _alike(event, rule.items.properties, f"{path}[].")


def _mistake(event: PlannedEvent, place: tuple[str, ...], message: str) -> Mistake:
    return Mistake(file=event.file, place=place, message=message, model=event.model)
