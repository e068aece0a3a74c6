"""The identity graph that dbt builds, against one that takes edge after edge.

One warehouse goes through what a real one does: events that arrive late and twice,
tables that grow, people who split and join, full rebuilds, a change of the rules.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.datasets import IDENTITY_RULES
from tests.dbt.conftest import START, Project, Row
from tests.identity.people import Person, add_people, create_people
from tests.identity.reference import Identifier, UnionFind
from tests.identity.worlds import (
    Pair,
    Rules,
    Sight,
    expected_profiles,
    family_computer,
    person_event,
    random_world,
    sight_of_event,
    sight_of_person,
)

RUN = ("run", "--select", "+profile_identifiers", "+all_events")
# What follows from the profiles costs seconds, so it is not built each time.
WITH_HISTORY = (*RUN, "identity")
REBUILD_WITH_HISTORY = ("run", "--full-refresh", "--select", "identity")
HISTORY = ("profile_merges", "profile_identifier_history", "identity_conflicts")
RULES = Rules(
    priorities={
        "user_id": 1,
        "email": 2,
        "phone": 3,
        "customer_number": 5,
        "anonymous_id": 6,
    },
    limits={
        "user_id": 1,
        "email": 3,
        "phone": 2,
        "customer_number": 1,
        "anonymous_id": 2,
    },
    weekly=frozenset({"anonymous_id"}),
    maximum_identifiers=10,
)
WORLDS = 150
Profiles = dict[Identifier, str]
Tables = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Story:
    """What happens to the warehouse, and what people decide in between."""

    events: list[dict[str, Any]]
    people: list[Person]
    joins: tuple[Pair, ...]
    splits: tuple[Pair, ...]

    def people_of(self, part: slice) -> list[Person]:
        """Who comes into the table with a part of the events: one with every ten."""
        start, stop = part.start, part.stop
        return self.people[start // 10 : stop // 10 if stop else None]

    def sights(self, part: slice) -> list[Sight]:
        """What a part of the events and of the people shows."""
        return [
            *(sight_of_event(**event) for event in self.events[part]),
            *(sight_of_person(person) for person in self.people_of(part)),
        ]


FIRST = slice(0, 700)
SECOND = slice(700, 1400)
BEFORE = slice(0, 1400)
REST = slice(1400, None)
ALL = slice(0, None)


@pytest.fixture(scope="module")
def story() -> Story:
    """Many worlds, shuffled; the table of people knows some of them too."""
    chance = random.Random(20261122)  # noqa: S311 - repeatable, not secret
    worlds = [random_world(f"w{i}", chance) for i in range(WORLDS)]
    events = [event for world in worlds for event in world]
    chance.shuffle(events)
    # Of the family all is there before somebody decides anything about it.
    events[:0] = family_computer("family")
    people: list[Person] = [
        (
            i,
            f"w{i % WORLDS}-{chance.randrange(4)}@example.com",
            f"w{i % WORLDS}-{chance.randrange(4)}@Example.com",
            START + timedelta(hours=chance.randrange(1000), minutes=30, seconds=i),
        )
        for i in range(1, 2000, 10)
    ]
    joins, splits = [], []
    for i in range(0, WORLDS, 2):
        seen = sorted(
            {one for event in worlds[i] for one in sight_of_event(**event).identifiers}
        )
        if len(seen) >= 4:
            one, two, three, four = chance.sample(seen, 4)
            # Somebody may be joined with an identifier that was never seen.
            joins.append((one, two if i % 3 else ("email", f"w{i}-ghost@example.com")))
            splits.append((three, four))
    splits.append((("user_id", "family-ann"), ("anonymous_id", "family-computer")))
    return Story(events, people, tuple(joins), tuple(splits))


@pytest.fixture(scope="module")
def histories() -> dict[str, Tables]:
    """What follows from the profiles, after the builds that made it."""
    return {}


@pytest.fixture(scope="module")
def built(
    make_project: Callable[[], Project],
    identity_project_dir: Path,
    story: Story,
    histories: dict[str, Tables],
) -> dict[str, Profiles]:
    """The profiles after each build, by its name."""
    project = make_project()
    project.project_dir = identity_project_dir
    create_people(project)
    found: dict[str, Profiles] = {}

    def build(name: str, *arguments: str) -> None:
        project.dbt(*(arguments or RUN))
        found[name] = profiles_of(project)
        if "--full-refresh" not in arguments:
            check_events(project)
        if "identity" in arguments:
            histories[name] = history_of(project)

    def land(part: slice, name: str) -> None:
        events = [person_event(**event) for event in story.events[part]]
        # What was landed before comes again, as after a lost acknowledgement.
        again = [person_event(**event) for event in story.events[: 20 * len(name)]]
        project.land(events + again, segment=name)
        add_people(project, *story.people_of(part))

    land(FIRST, "first")
    build("first", *WITH_HISTORY)
    land(SECOND, "second")
    build("late")
    project.land(decisions(story), segment="decided", dataset=IDENTITY_RULES)
    build("decided")
    land(REST, "rest")
    build("all", *WITH_HISTORY)
    build("rebuilt", *REBUILD_WITH_HISTORY)
    project.land(
        decisions(story, action="withdraw"), segment="withdrawn", dataset=IDENTITY_RULES
    )
    build("withdrawn")
    build("without limits", *RUN, "--vars", str(WITHOUT_LIMIT).replace("None", "null"))
    return found


WITHOUT_LIMIT = {
    "identifiers": [{"type": "anonymous_id", "paths": ["anonymous_id"]}],
    "identifier_tables": [],
    "maximum_identifiers": None,
}


def decisions(story: Story, *, action: str | None = None) -> list[Row]:
    """The rules as facts; pairs have no direction, so it may turn."""
    pairs = [("include", pair) for pair in story.joins]
    pairs += [("exclude", pair) for pair in story.splits]
    return [
        {
            "rule_id": f"{action or 'decided'}-{number}",
            "action": action or decided,
            "left_type": pair[action is not None][0],
            "left_value": f" {pair[action is not None][1]}",
            "right_type": pair[action is None][0],
            "right_value": pair[action is None][1],
            "reason": "They said so.",
            "created_by": "support",
            "created_at": START + timedelta(days=2 if action else 1),
        }
        for number, (decided, pair) in enumerate(pairs)
    ]


def check_events(project: Project) -> None:
    """Events belong to the profile of their strongest identifier, in each table that
    builds only add to, as if it had been made anew."""
    assert not project.query("""
        with
        owned as (
            select source_id, message_id, profile_id, identifier_id
            from identity.int_event_identifiers
            inner join identity.profile_identifiers using (identifier_id)
            where identifier_id = strongest_identifier_id
        ),
        built as (
            select source_id, message_id, profile_id, identifier_id
            from events.event_profiles
        )
        (from owned except all from built) union all (from built except all from owned)
    """)
    columns = "message_id, profile_id, user_id, anonymous_id, timestamp, type"
    assert not project.query(f"""
        (
            select {columns} from events.events
            except all select {columns} from events.all_events
        )
        union all
        (
            select {columns} from events.all_events
            except all select {columns} from events.events
        )
    """)  # noqa: S608 - names from above


def profiles_of(project: Project) -> Profiles:
    """Profile ids by identifier."""
    return {
        (kind, value): profile
        for kind, value, profile in project.query("""
            select identifier_type, identifier_value, profile_id
            from identity.profile_identifiers
        """)
    }


def history_of(project: Project) -> Tables:
    """The rows of what follows from the profiles, in a fixed order."""
    return {
        name: project.query(
            f"select * exclude (batch_id) from identity.{name} order by all"  # noqa: S608 - names from above
        )
        for name in HISTORY
    }


def with_decisions(story: Story) -> Rules:
    """The rules once people have decided."""
    return replace(RULES, joins=story.joins, splits=story.splits)


def test_a_build_gives_the_definition(built: dict[str, Profiles], story: Story) -> None:
    assert built["first"] == expected_profiles(story.sights(FIRST), RULES)


def test_late_events_give_what_they_had_given_in_time(
    built: dict[str, Profiles], story: Story
) -> None:
    expected = expected_profiles(story.sights(BEFORE), RULES)
    assert built["late"] == expected
    renamed = [one for one, name in built["first"].items() if name != expected[one]]
    assert len(renamed) > 100


def test_people_decide_before_events_do(
    built: dict[str, Profiles], story: Story
) -> None:
    assert built["decided"] == expected_profiles(
        story.sights(BEFORE), with_decisions(story)
    )


def test_a_decision_touches_no_other_profile(
    built: dict[str, Profiles], story: Story
) -> None:
    decided = {world_of(one) for pair in story.joins + story.splits for one in pair}
    changed = {
        world_of(one)
        for one, name in built["late"].items()
        if built["decided"][one] != name
    }
    assert len(changed) > 20
    assert changed <= decided


def world_of(identifier: Identifier) -> str:
    """The world that an identifier of an event is of."""
    return identifier[1].split("-")[0]


def test_builds_over_decisions_give_the_definition(
    built: dict[str, Profiles], story: Story
) -> None:
    expected = expected_profiles(story.sights(ALL), with_decisions(story))
    assert built["all"] == expected


def test_a_full_rebuild_changes_nothing(built: dict[str, Profiles]) -> None:
    assert built["rebuilt"] == built["all"]


@pytest.mark.parametrize("name", HISTORY)
def test_history_by_batches_is_that_of_a_rebuild(
    built: dict[str, Profiles], histories: dict[str, Tables], name: str
) -> None:
    assert set(histories) <= set(built)
    assert histories["all"][name] == histories["rebuilt"][name]
    changed = set(histories["all"][name]).symmetric_difference(histories["first"][name])
    assert len(changed) > 50


def test_what_is_withdrawn_leaves_no_trace(
    built: dict[str, Profiles], story: Story
) -> None:
    assert built["withdrawn"] == expected_profiles(story.sights(ALL), RULES)
    assert built["withdrawn"] != built["all"]


def test_a_profile_stops_growing_at_the_cap(built: dict[str, Profiles]) -> None:
    sizes = Counter(built["withdrawn"].values())
    assert max(sizes.values()) == RULES.maximum_identifiers


def test_a_family_computer_does_not_glue_two_people(
    built: dict[str, Profiles],
) -> None:
    ann, ben = ("user_id", "family-ann"), ("user_id", "family-ben")
    computer, phone = (
        ("anonymous_id", "family-computer"),
        ("anonymous_id", "family-phone"),
    )
    before, decided = built["late"], built["decided"]
    assert before[ann] == before[computer] != before[ben] == before[phone]
    # The computer is not Ann's, says somebody: then it is of the next who used it.
    assert decided[ann] != decided[computer] == decided[ben] == decided[phone]


def test_other_rules_take_the_past_anew(
    built: dict[str, Profiles], story: Story
) -> None:
    devices = UnionFind[str]()
    for event in story.events:
        here = [event.get("anonymous_id"), event.get("previous_id")]
        seen = [device for device in here if device]
        for device in seen:
            devices.join(seen[0], device)
    found: dict[str, set[str]] = {}
    for (kind, value), name in built["without limits"].items():
        assert kind == "anonymous_id"
        found.setdefault(name, set()).add(value)
    assert {frozenset(values) for values in found.values()} == devices.components()
