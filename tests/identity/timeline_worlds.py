"""Small worlds of people and devices for timelines, side by side in one graph."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from tests.dbt.conftest import START
from tests.identity.timeline import (
    PRIORITIES,
    Event,
    Identifier,
    Rules,
    Timeline,
)

LIMITS = {"user_id": 1, "email": 3, "anonymous_id": 4}
CAP = 12


@dataclass(frozen=True)
class Worlds:
    """All events, in batches of no order, and the rules about them."""

    batches: list[list[Event]]
    rules: Rules
    cut_short: frozenset[str]

    def timeline(self, events: Iterable[Event]) -> Timeline:
        """What becomes of these events."""
        return Timeline(events, self.rules, cut_short=self.cut_short)

    @property
    def events(self) -> list[Event]:
        """All events."""
        return [event for batch in self.batches for event in batch]


def random_world(name: str, chance: random.Random) -> list[Event]:
    """Some people and devices, and events that mix them, often at the same moment."""
    values = {
        "user_id": [f"{name}-u{i}" for i in range(chance.randint(1, 4))],
        "email": [f"{name}-e{i}" for i in range(chance.randint(0, 6))],
        "anonymous_id": [f"{name}-a{i}" for i in range(chance.randint(2, 10))],
        "device": [f"{name}-d{i}" for i in range(chance.randint(0, 4))],
    }
    events = []
    for i in range(chance.randint(3, 25)):
        found = [
            (kind, chance.choice(values[kind]))
            for kind in PRIORITIES
            if values[kind] and chance.random() < 0.45
        ]
        if found and chance.random() < 0.2:
            found.append((found[-1][0], chance.choice(values[found[-1][0]])))
        if found:
            events.append(
                Event(
                    START + timedelta(hours=12 * chance.randrange(30)),
                    f"{name}-{chance.randrange(1000):03}-{i}",
                    chance.choice(["shop", "app"]),
                    tuple(dict.fromkeys(found)),
                )
            )
    return events


def random_rules(name: str, events: list[Event], chance: random.Random) -> Rules:
    """What a person says of one world: joins, a pair kept apart, or nothing."""
    seen = sorted({i for event in events for i in event.identifiers})
    includes: list[tuple[Identifier, Identifier]] = []
    excludes: list[tuple[Identifier, Identifier]] = []
    if len(seen) >= 4 and chance.random() < 0.4:
        one, two, three, four = chance.sample(seen, 4)
        if chance.random() < 0.5:
            includes += [(one, two)]
        else:
            never_seen = ("email", f"{name}-never")
            includes += [(two, never_seen), (never_seen, one)]
        if chance.random() < 0.5:
            includes += [(two, three)]
        excludes += [(one, four)]
    return Rules({}, includes=tuple(includes), excludes=tuple(excludes))


def renamed_often(name: str, times: int) -> list[Event]:
    """One device after the other, and then all of them joined from the youngest on."""
    devices = [("device", f"{name}-{i:03}") for i in range(times + 1)]
    born = [
        Event(START + timedelta(seconds=i), f"{name}-born-{i:03}", "shop", (device,))
        for i, device in enumerate(devices)
    ]
    joined = [
        Event(
            START + timedelta(hours=1, seconds=i),
            f"{name}-joined-{i:03}",
            "shop",
            (devices[-1 - i], devices[-2 - i]),
        )
        for i in range(times)
    ]
    return born + joined


def many_worlds() -> Worlds:
    """Many worlds, some with rules of a person, some of them not wholly decided."""
    chance = random.Random(11)  # noqa: S311 - repeatable, not secret
    batches: list[list[Event]] = [[], [], []]
    includes: list[tuple[Identifier, Identifier]] = []
    excludes: list[tuple[Identifier, Identifier]] = []
    for number in range(150):
        name = f"w{number}"
        events = random_world(name, chance)
        spoken = random_rules(name, events, chance)
        includes += spoken.includes
        excludes += spoken.excludes
        for event in events:
            batches[chance.randrange(3)].append(event)
    rules = Rules(
        LIMITS,
        weekly=frozenset({"anonymous_id"}),
        cap=CAP,
        includes=tuple(includes),
        excludes=tuple(excludes),
    )
    return Worlds(batches, rules, frozenset(f"w{n}" for n in range(0, 150, 7)))
