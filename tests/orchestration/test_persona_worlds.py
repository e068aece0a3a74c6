"""Personas: their events, apart from each other and moved with the clock."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.conditions.catalogue import read_catalogue
from orchestration.personas.clocks import NOW
from orchestration.personas.judging import fits
from orchestration.personas.keys import Mark, key_places, marked
from orchestration.personas.names import names_of
from orchestration.personas.reading import read_files
from orchestration.personas.run import find_files
from orchestration.personas.worlds import make_worlds, write_facts
from orchestration.project import DBT_PROJECT, PERSONAS
from tests.orchestration.persona_files import SMALLEST, read
from tests.raw import read_raw

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1)


@given(TEXTS | st.emails() | st.from_regex(r"\+?[0-9 ()./-]{1,12}", fullmatch=True))
def test_a_mark_comes_off_as_it_went_on(value: str) -> None:
    mark = Mark(17)
    assert mark.taken_off(mark.put(value)) == value
    assert mark.put(value) != Mark(18).put(value)


def test_only_what_names_somebody_is_marked() -> None:
    places = key_places(DBT_PROJECT)
    call = marked(
        {
            "type": "track",
            "userId": 7,
            "anonymousId": "Laptop",
            "properties": {
                "order_id": "o1",
                "product_id": "p1",
                "email": "A@b.example",
            },
            "context": {
                "traits": {"email": "test@b.example"},
                "device": {"id": "d1", "type": "ios"},
                "externalIds": [{"type": "crm_id", "id": "c1"}],
            },
        },
        Mark(3),
        places,
        own=["order_id"],
    )
    assert call == {
        "type": "track",
        "userId": "790000003009",
        "anonymousId": "Laptop.k00003",
        "properties": {
            "order_id": "o1.k00003",
            "product_id": "p1",
            "email": "A.k00003@b.example",
        },
        "context": {
            "traits": {"email": "test@b.example"},
            "device": {"id": "d1.k00003", "type": "ios"},
            "externalIds": [{"type": "crm_id", "id": "c1.k00003"}],
        },
    }
    nobody = {"userId": "null", "anonymousId": "0000-0000", "previousId": None}
    assert marked(nobody, Mark(3), places, own=[]) == nobody


def test_a_clock_shows_what_has_arrived_by_then(tmp_path: Path) -> None:
    [persona], _ = read(
        tmp_path,
        """
        personas:
          - name: ada
            events:
              - {at: 2 days ago, type: page, userId: late, received: in 1 day}
              - {at: 1 day ago, type: page, userId: first}
              - {at: in 2 days, type: page, userId: last}
            expect:
              - {profiles: 1}
              - {after: 1 day, profiles: 2}
              - {after: 1 day, profiles: 2}
              - {now: 2026-06-01, profiles: 3}
        """,
    )
    worlds = make_worlds([persona])
    arrived = [[event.call["userId"] for event in world.events] for world in worlds]
    assert arrived == [["first"], ["first", "late"], ["first", "late", "last"]]
    assert [len(world.checkpoints) for world in worlds] == [1, 2, 1]
    assert {world.moment for world in worlds} == {NOW}


def test_no_two_personas_share_an_identifier(manifest: Path, tmp_path: Path) -> None:
    names = names_of(read_catalogue(manifest))
    personas, _ = read_files(find_files([PERSONAS]), names)
    worlds = make_worlds(personas)
    problems = write_facts(tmp_path, worlds, key_places(DBT_PROJECT), moment=NOW)
    assert not problems
    owners: dict[str, set[str]] = {}
    for row in read_raw(tmp_path / "raw", "events"):
        keys = [row[f"{one}_id"] for one in ("user", "anonymous", "previous", "group")]
        traits = json.loads(row["traits"] or "{}")
        properties = json.loads(row["properties"] or "{}")
        keys += [traits.get("email"), properties.get("order_id")]
        for key in filter(None, keys):
            owners.setdefault(key.strip().lower(), set()).add(row["message_id"][:6])
    nobody = {"null", "undefined", "test@example.com"}
    shared = {key for key, marks in owners.items() if len(marks) > 1}
    assert nobody < owners.keys()
    assert shared <= nobody
    assert len(owners) > len(worlds)


def test_events_are_moved_with_the_clock(tmp_path: Path) -> None:
    [persona], _ = read(
        tmp_path,
        """
        personas:
          - name: ada
            each_event: {type: page, userId: ada}
            events:
              - {at: 2 days ago, received: 1 day ago, messageId: m, name: first}
              - {at: in 1 hour, received: now, properties: {due: <in 1 day>}}
            expect:
              - {profiles: 1}
              - {after: 40 days, profiles: 1}
        """,
    )
    worlds = make_worlds([persona])
    assert not write_facts(tmp_path, worlds, key_places(DBT_PROJECT), moment=NOW)
    rows = {row["message_id"]: row for row in read_raw(tmp_path / "raw", "events")}
    assert rows.keys() == {"k00001-m", "k00001-0002", "k00002-m", "k00002-0002", "tick"}
    for mark, moved in (("k00001", timedelta()), ("k00002", timedelta(days=40))):
        first, ahead = rows[f"{mark}-m"], rows[f"{mark}-0002"]
        assert first["timestamp"] == NOW - moved - timedelta(days=2)
        assert first["received_at"] == NOW - moved - timedelta(days=1)
        # The collector does not believe a clock that is an hour ahead.
        assert ahead["timestamp"] == ahead["received_at"] == NOW - moved
        due = NOW - moved + timedelta(days=1)
        assert json.loads(ahead["properties"]) == {"due": due.isoformat()}


@pytest.mark.parametrize(
    ("expected", "found", "verdict"),
    [
        (1, 1, True),
        (1, Decimal("1.00"), True),
        (0.3, Decimal("0.30"), True),
        (0.3, 0.1 + 0.2, True),
        (0.3, 0.31, False),
        (True, 1, False),
        (1, True, False),
        (None, None, True),
        (None, 0, False),
        (0, None, False),
        ("1", 1, False),
        ("a", "a", True),
        (7, "7", True),
        ("1 day ago", NOW - timedelta(days=1), True),
        ("2 days ago", NOW - timedelta(days=1), False),
        ("2026-05-12", date(2026, 5, 12), True),
        (["a", 1], ["a", 1], True),
        (["a"], ["a", "b"], False),
        ({"a": [1]}, '{"a":[1]}', True),
        ({"a": [1]}, "no JSON", False),
    ],
)
def test_values_fit_by_what_they_mean(
    tmp_path: Path, expected: Any, found: Any, verdict: bool
) -> None:
    [persona], _ = read(tmp_path, SMALLEST)
    [world] = make_worlds([persona])
    assert fits(expected, found, world) is verdict
