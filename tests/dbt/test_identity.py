"""The identity graph that dbt builds, against one that takes event after event.

Many small worlds of identifiers lie side by side in one warehouse: their names differ,
so they cannot touch, and one dbt run decides all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.dbt.conftest import START, Project, Row, event_row, invoke_dbt
from tests.dbt.identity_reference import (
    Identifier,
    Resolution,
    Sighting,
    UnionFind,
    profile_id,
    resolve,
)

PRIORITIES = {"user_id": 1, "email": 2, "anonymous_id": 3}
LIMITS = {"user_id": 1, "email": 5, "anonymous_id": 5}
RUN = ("run", "--select", "+stg_events", "identity")
TABLES = ("profile_identifiers", "profile_merges", "identity_conflicts")
WITHOUT_LIMIT = (
    "--vars",
    "{identifiers: [{type: anonymous_id, paths: [anonymous_id]}]}",
)


def person_event(message_id: str, second: int, **places: str | None) -> Row:
    """An event that shows the given identifiers; `previous_id` makes it an alias."""
    at = START + timedelta(seconds=second)
    email = places.pop("email", None)
    return event_row(
        message_id=message_id,
        type="alias" if places.get("previous_id") else "identify",
        traits={"email": email} if email else None,
        timestamp=at,
        received_at=at,
        **{"user_id": None, "anonymous_id": None} | places,
    )


def sighting_of(row: Row) -> Sighting:
    """The identifiers of a row, the strongest first, as the reference takes them."""
    found: list[Identifier] = []
    if row["user_id"]:
        found.append(("user_id", row["user_id"]))
    if row["traits"]:
        found.append(("email", row["traits"].split('"')[3]))
    found += [
        ("anonymous_id", row[place])
        for place in ("anonymous_id", "previous_id")
        if row[place]
    ]
    return Sighting(row["received_at"], row["message_id"], tuple(dict.fromkeys(found)))


def random_world(name: str, chance: random.Random) -> list[Row]:
    """Some people, some devices, and events that mix them, often at the same moment."""
    users = [f"{name}-u{i}" for i in range(chance.randint(1, 4))]
    emails = [f"{name}-{i}@example.com" for i in range(chance.randint(0, 8))]
    devices = [f"{name}-d{i}" for i in range(chance.randint(2, 14))]

    def maybe(values: list[str], share: float) -> str | None:
        return chance.choice(values) if values and chance.random() < share else None

    rows = []
    for i in range(chance.randint(3, 40)):
        places = {
            "user_id": maybe(users, 0.4),
            "email": maybe(emails, 0.4),
            "anonymous_id": maybe(devices, 0.8),
            "previous_id": maybe(devices, 0.2),
        }
        if any(places.values()):
            message_id = f"{name}-{chance.randrange(1000):03}-{i}"
            rows.append(person_event(message_id, chance.randrange(20), **places))
    return rows


def family_computer(name: str) -> list[Row]:
    """Two people sign in on one shared device, each has a phone of their own."""
    return [
        person_event(f"{name}-1", 1, anonymous_id=f"{name}-computer"),
        person_event(
            f"{name}-2", 2, user_id=f"{name}-ann", anonymous_id=f"{name}-computer"
        ),
        person_event(
            f"{name}-3", 3, user_id=f"{name}-ben", anonymous_id=f"{name}-computer"
        ),
        person_event(
            f"{name}-4", 4, user_id=f"{name}-ben", anonymous_id=f"{name}-phone"
        ),
    ]


def kiosk(name: str, visitors: int) -> list[Row]:
    """Everybody signs in on one device, and half of them on a device of their own."""
    rows = []
    for i in range(visitors):
        user = f"{name}-u{i}"
        rows.append(
            person_event(f"{name}-a{i}", i, user_id=user, anonymous_id=f"{name}-kiosk")
        )
        if i % 2:
            rows.append(
                person_event(f"{name}-b{i}", i, user_id=user, anonymous_id=f"{user}-d")
            )
    return rows


def device_chain(name: str, length: int) -> list[Row]:
    """One device renamed again and again, far past the limit."""
    return [
        person_event(
            f"{name}-{i:05}",
            i,
            anonymous_id=f"{name}-{i + 1}",
            previous_id=f"{name}-{i}",
        )
        for i in range(length)
    ]


def worlds() -> list[Row]:
    """Everything that the tests with limits look at."""
    chance = random.Random(20261122)  # noqa: S311 - repeatable, not secret
    rows = [row for i in range(400) for row in random_world(f"w{i}", chance)]
    rows += family_computer("family")
    rows += kiosk("kiosk", 300)
    rows += device_chain("chain", 60)
    chance.shuffle(rows)
    return rows


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """The events of all worlds, in no order."""
    return worlds()


@pytest.fixture(scope="module")
def expected(rows: list[Row]) -> Resolution:
    """What the reference makes of them."""
    return resolve(map(sighting_of, rows), priorities=PRIORITIES, limits=LIMITS)


@pytest.fixture(scope="module")
def resolved(make_project: Callable[[], Project], rows: list[Row]) -> dict[str, Any]:
    """The three tables after one build from one file."""
    project = make_project()
    project.land(rows, segment="all")
    project.dbt(*RUN)
    return tables_of(project)


def tables_of(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the published identity tables, in a fixed order."""
    return {
        name: project.query(f"select * from identity.{name} order by all")  # noqa: S608 - names from above
        for name in TABLES
    }


def profiles_of(tables: dict[str, Any]) -> dict[Identifier, str]:
    """Profile ids by identifier."""
    return {(row[1], row[2]): row[0] for row in tables["profile_identifiers"]}


def test_profiles_are_those_of_the_definition(
    resolved: dict[str, Any], expected: Resolution
) -> None:
    assert len(expected.conflicts) > 500
    assert profiles_of(resolved) == expected.profiles


def test_merges_are_those_of_the_definition(
    resolved: dict[str, Any], expected: Resolution
) -> None:
    assert len(expected.merges) > 500
    assert sorted(resolved["profile_merges"]) == sorted(expected.merges)


def test_conflicts_are_those_of_the_definition(
    resolved: dict[str, Any], expected: Resolution
) -> None:
    found = {
        frozenset(((row[1], row[2]), (row[4], row[5]))): row[8]
        for row in resolved["identity_conflicts"]
    }
    assert found == expected.conflicts
    assert len(found) == len(resolved["identity_conflicts"])
    assert all(row[6] for row in resolved["identity_conflicts"])


def test_a_family_computer_does_not_glue_two_people(resolved: dict[str, Any]) -> None:
    profiles = profiles_of(resolved)
    ann = profiles["user_id", "family-ann"]
    ben = profiles["user_id", "family-ben"]
    assert ann == profiles["anonymous_id", "family-computer"]
    assert ben == profiles["anonymous_id", "family-phone"]
    assert ann != ben
    (conflict,) = (
        row for row in resolved["identity_conflicts"] if row[8] == "family-3"
    )
    assert conflict[0] == ben
    assert conflict[3] == ann
    assert conflict[6] == "one profile may hold 1 user_id"


def test_file_order_batches_and_replays_change_nothing(
    make_project: Callable[[], Project], rows: list[Row], resolved: dict[str, Any]
) -> None:
    project = make_project()
    third = len(rows) // 3
    shuffled = sorted(rows, key=lambda row: str(row["message_id"])[::-1])
    for start in range(3):
        batch = shuffled[start * third : (start + 1) * third if start < 2 else None]
        # What was landed before comes again, as after a lost acknowledgement.
        project.land(batch + shuffled[: start * 200], segment=f"s{9 - start}")
        project.dbt(*RUN)
    assert tables_of(project) == resolved


Edge = tuple[str, str]


def plain_graphs() -> Iterator[Edge]:
    """Shapes that break label propagation, recursion or fixed numbers of rounds."""
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    chain = [(f"sorted-{i}", f"sorted-{i + 1}") for i in range(10_000)]
    yield from chain
    yield from ((f"reversed-{i + 1}", f"reversed-{i}") for i in reversed(range(10_000)))
    mixed = [(f"mixed-{i}", f"mixed-{i + 1}") for i in range(10_000)]
    chance.shuffle(mixed)
    yield from mixed
    for i in range(2**12):
        place = int(f"{i:012b}"[::-1], 2)
        yield f"bits-{place}", f"bits-{place + 1}"
    yield from (("hub", f"hub-{i}") for i in range(5_000))
    yield from ((f"tree-{i}", f"tree-{(i - 1) // 2}") for i in range(1, 4_000))
    yield from ((f"ring-{i}", f"ring-{(i + 1) % 500}") for i in range(500))
    for graph in range(200):
        size = chance.randint(2, 40)
        for _ in range(chance.randint(1, 2 * size)):
            left, right = chance.randrange(size), chance.randrange(size)
            yield f"random-{graph}-{left}", f"random-{graph}-{right}"


@pytest.fixture(scope="module")
def graph_rows() -> list[Row]:
    """The plain graphs as alias events, one a second."""
    return [
        person_event(f"{i:06}", i, anonymous_id=left, previous_id=right)
        for i, (left, right) in enumerate(plain_graphs())
    ]


@pytest.fixture(scope="module")
def unlimited(make_project: Callable[[], Project], graph_rows: list[Row]) -> Project:
    """The plain graphs, resolved without limits."""
    project = make_project()
    project.land(graph_rows, segment="all")
    project.dbt(*RUN, *WITHOUT_LIMIT)
    return project


def test_components_are_those_of_union_find(unlimited: Project) -> None:
    forest = UnionFind()
    for left, right in plain_graphs():
        forest.join(left, right)
    found: dict[str, set[str]] = {}
    for profile, value in unlimited.query(
        "select profile_id, identifier_value from identity.profile_identifiers"
    ):
        found.setdefault(profile, set()).add(value)
    assert {frozenset(values) for values in found.values()} == forest.components()
    assert unlimited.query("select * from identity.identity_conflicts") == []


def test_names_and_merges_of_large_profiles_are_those_of_the_definition(
    unlimited: Project, graph_rows: list[Row]
) -> None:
    expected = resolve(map(sighting_of, graph_rows), priorities=PRIORITIES, limits={})
    tables = tables_of(unlimited)
    assert profiles_of(tables) == expected.profiles
    assert len(expected.merges) > 5_000
    assert sorted(tables["profile_merges"]) == sorted(expected.merges)


@pytest.mark.parametrize("world", ["limited", "unlimited"])
def test_merges_replay_to_the_final_profiles(
    world: str, resolved: dict[str, Any], unlimited: Project
) -> None:
    tables = resolved if world == "limited" else tables_of(unlimited)
    survivors: dict[str, str] = {}
    for loser, survivor, _, _ in sorted(
        tables["profile_merges"], key=lambda merge: merge[2:]
    ):
        assert loser not in survivors
        survivors[loser] = survivor
    final = {row[0] for row in tables["profile_identifiers"]}
    assert final.isdisjoint(survivors)
    for identifier, profile in profiles_of(tables).items():
        own = profile_id(identifier)
        if own in survivors or own in final:  # it once was a profile
            while own in survivors:
                own = survivors[own]
            assert own == profile


def test_blocked_values_link_nobody(make_project: Callable[[], Project]) -> None:
    project = make_project()
    blocked = ["", " ", "-1", "0000-0000", "null", "undefined", "anonymous"]
    rows = [
        person_event(f"{n}-{user}", n, user_id=f"{user}-{n}", anonymous_id=value)
        for n, value in enumerate(blocked)
        for user in ("ann", "ben")
    ]
    rows.append(person_event("mail", 50, user_id="ann-0", email=" Ann@Example.COM "))
    rows.append(person_event("same", 51, anonymous_id="d1", email="ann@example.com"))
    rows.append(person_event("none", 52, anonymous_id="d2", email="NULL"))
    project.land(rows, segment="all")
    project.dbt(*RUN)
    profiles = profiles_of(tables_of(project))
    assert set(profiles) == {
        *(("user_id", f"{user}-{n}") for n in range(7) for user in ("ann", "ben")),
        ("email", "ann@example.com"),
        ("anonymous_id", "d1"),
        ("anonymous_id", "d2"),
    }
    assert profiles["anonymous_id", "d1"] == profiles["user_id", "ann-0"]
    assert len(set(profiles.values())) == len(profiles) - 2


def test_changed_rules_take_past_events_anew(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    project.land(family_computer("family"), segment="all")
    project.dbt(*RUN)
    project.dbt(*RUN, *WITHOUT_LIMIT)
    assert set(profiles_of(tables_of(project))) == {
        ("anonymous_id", "family-computer"),
        ("anonymous_id", "family-phone"),
    }


def test_mistakes_in_the_list_of_identifiers_are_told_together(
    make_project: Callable[[], Project],
) -> None:
    mistakes = (
        "{identifiers: [{type: User, paths: [user_id]},"
        " {type: email, paths: [traits.email], limits: 5},"
        " {type: email, paths: traits.email, limit: 0}]}"
    )
    make_project()
    result = invoke_dbt("parse", "--vars", mistakes)
    for part in (
        "entry 1 (User): `type` is a name",
        "entry 2 (email): unknown key 'limits'. Keys: type, paths, limit, lower.",
        "entry 3 (email): this type stands twice",
        "entry 3 (email): `paths` is a list",
        "entry 3 (email): `limit` is a whole number",
    ):
        assert part in str(result.exception)
