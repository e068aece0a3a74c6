"""Personas: what a file may say, and what is told of its mistakes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.personas.clocks import NOW, read_length, read_moment
from orchestration.personas.reading import read_files
from orchestration.personas.run import persona_problems
from orchestration.project import PERSONAS
from tests.orchestration.persona_files import NAMES, SMALLEST, read, write


@pytest.mark.parametrize(
    ("said", "moved"),
    [
        ("now", timedelta()),
        ("3 days ago", timedelta(days=-3)),
        ("1 week 2 days ago", timedelta(days=-9)),
        ("2 days and 3 hours ago", timedelta(days=-2, hours=-3)),
        ("in 90 minutes", timedelta(minutes=90)),
        ("in  1 day", timedelta(days=1)),
        ("1 day 1 day ago", timedelta(days=-2)),
    ],
)
def test_times_are_told_from_now(said: str, moved: timedelta) -> None:
    assert read_moment(said, now=NOW) == NOW + moved


def test_times_may_be_dates_and_times() -> None:
    assert read_moment("2026-05-13", now=NOW) == datetime(2026, 5, 13, tzinfo=UTC)
    told = read_moment("2026-05-13T14:00:00+02:00", now=NOW)
    assert told == NOW


@pytest.mark.parametrize(
    "said", ["", "yesterday", "3 ago", "days ago", "in", "-1 days ago", 3, None]
)
def test_what_is_no_time_is_none(said: object) -> None:
    assert read_moment(said, now=NOW) is None


def test_a_length_of_time_that_no_clock_knows_is_none() -> None:
    assert read_length("99999999999 days") is None
    assert read_moment("9999999 days ago", now=NOW) is None


def test_the_demo_has_fifty_personas_without_a_mistake(manifest: Path) -> None:
    assert persona_problems(manifest, PERSONAS) == []
    names = [
        line
        for file in PERSONAS.glob("*.yml")
        for line in file.read_text().splitlines()
        if line.startswith("  - name: ")
    ]
    assert len(names) >= 50


def test_check_tells_mistakes_by_the_path_in_the_repository(
    manifest: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "tests" / "personas"
    assert persona_problems(manifest, folder) == []
    folder.mkdir(parents=True)
    write(folder, "noww: 1", "defaults.yml")
    write(folder, SMALLEST.replace("profiles: 1", "audiences: {in: [vip_costumers]}"))
    assert persona_problems(manifest, folder) == [
        "tests/personas/defaults.yml:1: noww: unknown key; did you mean 'now'?",
        "tests/personas/some.yml:5: personas.expect.audiences.in: 'vip_costumers': "
        "did you mean 'vip_customers'?",
    ]


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    _, problems = read(
        tmp_path,
        """
        personas:
          - name: ada
            events:
              - {type: page, userId: ada}
              - {at: yesterday, type: page, userId: ada}
              - {at: 1 day ago, type: trak, userId: ada}
              - {at: 1 day ago, type: page, user_id: ada}
              - {at: 1 day ago, type: page, userId: ada, properties: [1]}
            expct: {profiles: 1}
            expect:
              - {profiles: one}
              - {after: soon, profiles: 1}
              - {now: 2026-01-01, after: 1 day, profiles: 1}
              - profile: {order_cont: 1}
                traits: {emial: x}
                accounts: {acorn: {account_plam: x}}
                audiences: {in: [vip_costumers], notin: []}
              - {of: ada, profiles: 1}
              - {after: 1 day}
          - name: ada
            events: []
            calendar: sometimes
        """,
    )
    told = {(problem.line, problem.message) for problem in problems}
    assert told == {
        (4, "personas.events: needs `at`: when it happened"),
        (
            5,
            "personas.events.at: 'yesterday' is no time: `3 days ago`, `in 2 hours`, "
            "`now`, 2026-05-13T12:00:00Z",
        ),
        (6, "personas.events.type: 'trak': did you mean 'track'?"),
        (7, "personas.events.user_id: unknown key; did you mean 'userId'?"),
        (8, "personas.events.properties: takes a map"),
        (9, "personas.expct: unknown key; did you mean 'expect'?"),
        (11, "personas.expect.profiles: 'one' is no number of profiles"),
        (12, "personas.expect.after: 'soon' is no length of time: 40 days"),
        (13, "personas.expect: has now and after; only one of them may stand"),
        (
            14,
            "personas.expect.profile.order_cont: unknown; did you mean 'order_count'?",
        ),
        (
            15,
            "personas.expect.traits.emial: unknown; there are: order_count, "
            "traits_orders.order_count",
        ),
        (
            16,
            "personas.expect.accounts.acorn.account_plam: unknown; did you mean "
            "'account_plan'?",
        ),
        (
            17,
            "personas.expect.audiences.in: 'vip_costumers': did you mean "
            "'vip_customers'?",
        ),
        (17, "personas.expect.audiences.notin: unknown key; did you mean 'not_in'?"),
        (18, "personas.expect.of: 'ada' is no identifier: type:value"),
        (
            19,
            "personas.expect: expects nothing: profiles, profile, traits, accounts, "
            "audiences",
        ),
        (20, "personas.name: 'ada' is there already"),
        (
            20,
            "personas.expect: a persona needs `expect`: profiles, profile, traits, "
            "accounts, audiences",
        ),
        (21, "personas.events: a persona needs a list `events`"),
        (22, "personas.calendar: 'sometimes' is neither true nor false"),
    }


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("personas: [", 2, "is not YAML"),
        ("", 1, "a file of personas has a list `personas`"),
        ("person: []", 1, "unknown key"),
        ("personas: []", 1, "a file of personas has a list `personas`"),
        ("a: 1\nb: 2\na: 3\n", 3, "given twice"),
    ],
)
def test_a_file_that_is_none_is_told(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    file = tmp_path / "some.yml"
    file.write_text(text + "\n")
    personas, problems = read_files([file], NAMES)
    assert not personas
    assert any(one.line == line and message in one.message for one in problems)


def test_defaults_hold_for_a_folder_a_file_and_a_persona(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        own: [order_id]
        now: 2026-01-01T00:00:00Z
        each_event: {type: page}
        """,
        "defaults.yml",
    )
    file = write(
        tmp_path,
        """
        defaults:
          own: [cart_id]
          each_event: {userId: ada}
        personas:
          - name: as the file says
            events: [{at: 1 day ago}]
            expect: {profiles: 1}
          - name: as it says itself
            now: 2026-02-01
            each_event: {userId: ben, type: screen}
            events: [{at: 1 day ago, userId: cleo}]
            expect: {profiles: 1}
        """,
    )
    (first, second), problems = read_files([file], NAMES)
    assert not problems
    assert first.own == ("order_id", "cart_id")
    assert first.events[0].call == {"type": "page", "userId": "ada"}
    assert first.events[0].at == datetime(2025, 12, 31, tzinfo=UTC)
    assert second.events[0].call == {"type": "screen", "userId": "cleo"}
    assert second.events[0].at == datetime(2026, 1, 31, tzinfo=UTC)
