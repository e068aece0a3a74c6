"""Personas: what a file may say, what is told of it, and what a build makes of it."""

from __future__ import annotations

import json
import textwrap
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.conditions.catalogue import read_catalogue
from orchestration.dbt_runs import PARSED
from orchestration.parsed_project import parse_project
from orchestration.personas.clocks import NOW, read_length, read_moment
from orchestration.personas.judging import Failure, fits
from orchestration.personas.keys import Mark, key_places, marked
from orchestration.personas.names import Names, names_of
from orchestration.personas.people import Persona, Problem
from orchestration.personas.reading import read_files
from orchestration.personas.run import (
    Report,
    find_files,
    persona_problems,
    try_personas,
)
from orchestration.personas.worlds import make_worlds, write_facts
from orchestration.project import DBT_PROJECT, PERSONAS
from tests.kith import Kith
from tests.raw import read_raw

NAMES = Names(
    profile={"order_count": "profiles", "email": "profiles"},
    traits={
        "order_count": "traits_orders",
        "traits_orders.order_count": "traits_orders",
    },
    accounts={"account_plan": "accounts"},
    audiences=frozenset({"vip_customers", "newsletter_subscribers"}),
)
SMALLEST = """
    personas:
      - name: ada
        events:
          - {at: 1 day ago, type: page, userId: ada}
        expect: {profiles: 1}
"""


def write(folder: Path, text: str, name: str = "some.yml") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(text).lstrip("\n"))
    return file


def read(folder: Path, text: str) -> tuple[list[Persona], list[Problem]]:
    return read_files([write(folder, text)], NAMES)


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


FAILING = """
    defaults: {own: [order_id]}
    personas:
      - name: ada
        each_event: {userId: ada, anonymousId: laptop}
        events:
          - {at: 4 days ago, type: identify, traits: {email: Ada@example.com}}
          - at: 3 days ago
            type: track
            event: Order Completed
            properties: {order_id: o1, total: 600, currency: EUR}
          - {at: in 1 day, type: group, groupId: acorn, traits: {plan: team}}
        expect:
          - profiles: 2
            profile:
              email: ada@example.com
              order_count: 2
              last_order_id: o1
              last_ordered_at: 3 days ago
            audiences:
              in: [vip_customers, newsletter_subscribers]
              not_in: [cart_abandoners]
          - after: 88 days
            audiences: {in: [vip_customers]}
            accounts:
              acorn: {account_plan: free, profile_count: 1}
              birch: {account_plan: free}
            profile: {last_ordered_at: 2 days ago}
      - name: strangers
        events:
          - at: 1 day ago
            type: track
            anonymousId: laptop
            event: Signed In
            properties: {method: email, typo: 1}
          - {at: 1 day ago, type: page, anonymousId: phone}
        expect:
          - profile: {device_count: 1}
          - {of: anonymous_id:tablet, profile: {device_count: 1}}
      - name: this month
        calendar: true
        now: 2026-03-01T00:00:00Z
        each_event: {userId: ada}
        events:
          - {at: 1 hour ago, type: page, properties: {title: <in 1 day>}}
        expect:
          profile: {event_count: 1, last_active_at: 2026-02-28T23:00:00Z}
"""


@pytest.fixture(scope="module")
def report(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What came of the failing personas, in a data directory of all tests."""
    file = write(tmp_path_factory.mktemp("personas"), FAILING)
    data_dir = manifest.parent.parent.parent
    return try_personas([file], data_dir=data_dir, project_dir=DBT_PROJECT)


def test_what_is_not_as_expected_is_told_with_its_line(report: Report) -> None:
    def told(failure: Failure) -> tuple[int, str, str, str, object, object]:
        names = failure.persona, failure.checkpoint, failure.what
        return failure.line, *names, failure.expected, failure.found

    plan = "'Signed In': typo breaks the tracking plan: unplanned_property"
    said, at = f"2 days ago ({NOW - timedelta(days=2)})", NOW - timedelta(days=3)
    assert report.problems == ()
    assert [told(failure) for failure in report.failures] == [
        (13, "ada", "now", "profiles", 2, 1),
        (16, "ada", "now", "order_count", 2, 1),
        (20, "ada", "now", "newsletter_subscribers", "in it", "not in it"),
        (23, "ada", "after 88 days", "vip_customers", "in it", "not in it"),
        (25, "ada", "after 88 days", "acorn: account_plan", "free", "team"),
        (26, "ada", "after 88 days", "birch: account_plan", "free", "no account"),
        (27, "ada", "after 88 days", "last_ordered_at", said, at),
        (30, "strangers", "now", "events", "as planned, or `breaks_plan: true`", plan),
        (37, "strangers", "now", "device_count", 1, "2 profiles; say with `of` whose"),
        (38, "strangers", "anonymous_id:tablet", "device_count", 1, "no profile"),
    ]


def test_personas_of_the_calendar_have_a_build_at_their_own_time(
    report: Report,
) -> None:
    assert (report.personas, report.checkpoints, report.builds) == (3, 5, 2)
    assert not any(failure.persona == "this month" for failure in report.failures)


def test_coverage_tells_of_each_condition_what_it_was_seen_to_be(
    report: Report,
) -> None:
    seen = {
        (condition.audience, condition.words): (
            condition.seen_true,
            condition.seen_false,
        )
        for condition in report.conditions
    }
    assert seen["vip_customers", "being in it"] == (True, True)
    assert seen["vip_customers", "lifetime_value is at least 500"] == (True, False)
    lately = "last_ordered_at was in the last 90 days"
    assert seen["vip_customers", lately] == (True, True)
    assert seen["newsletter_subscribers", "being in it"] == (False, True)
    assert seen["newsletter_subscribers", "email is known"] == (True, False)
    # Nobody says whether they are in it.
    assert seen["repeat_buyers", "being in it"] == (False, False)
    sides = [side for pair in seen.values() for side in pair]
    assert report.coverage == sum(sides) / len(sides)


def test_nothing_of_a_trial_is_left_in_the_data_directory(
    report: Report, manifest: Path
) -> None:
    data_dir = manifest.parent.parent.parent
    assert report.builds
    assert list((data_dir / "personas").glob("build-*")) == []
    assert not list((data_dir / "raw").rglob("persona*"))


def test_events_that_the_collector_would_not_store_are_problems(
    manifest: Path, tmp_path: Path
) -> None:
    text = SMALLEST.replace("userId: ada}", "properties: {a: 1}}")
    report = try_personas(
        [write(tmp_path, text)],
        data_dir=manifest.parent.parent.parent,
        project_dir=DBT_PROJECT,
    )
    [problem] = report.problems
    assert problem.line == 4
    assert "no_user_anon_id: needs a userId or an anonymousId" in problem.message
    assert report.builds == 0


def test_what_was_parsed_for_another_engine_or_in_part_is_not_taken(
    manifest: Path, tmp_path: Path
) -> None:
    project = parse_project(manifest.parent.parent.parent, DBT_PROJECT)
    assert project.artifacts == manifest.parent
    copy = replace(project, artifacts=tmp_path)
    document = json.loads(manifest.read_bytes())
    copy.manifest.write_text(json.dumps(document))
    assert not copy.is_for_duckdb()
    (tmp_path / PARSED).touch()
    assert copy.is_for_duckdb()
    document["metadata"]["adapter_type"] = "spark"
    copy.manifest.write_text(json.dumps(document))
    assert not copy.is_for_duckdb()


def test_the_command_tells_mistakes_and_fails(manifest: Path, tmp_path: Path) -> None:
    kith = Kith(manifest.parent.parent.parent, in_process=True)
    file = write(tmp_path, SMALLEST.replace("type: page", "type: pag"))
    ended = kith.run("test", "personas", str(file))
    assert ended.returncode == 1
    assert (
        f"{file}:4: personas.events.type: 'pag': did you mean 'page'?" in ended.stderr
    )
    missing = kith.run("test", "personas", str(tmp_path / "none.yml"))
    assert missing.returncode == 2
    assert "is neither a file nor a folder" in missing.stderr
    (tmp_path / "empty").mkdir()
    none = kith.run("test", "personas", str(tmp_path / "empty"))
    assert none.returncode == 2
    assert "there is no persona file" in none.stderr


def test_the_command_fails_when_too_little_is_covered(
    manifest: Path, tmp_path: Path
) -> None:
    kith = Kith(manifest.parent.parent.parent, in_process=True)
    text = SMALLEST.replace("{profiles: 1}", "{audiences: {not_in: [vip_customers]}}")
    file = write(tmp_path, text)
    ended = kith.run(
        "test", "personas", str(file), "--minimum-coverage", "60", "--json"
    )
    assert ended.returncode == 1
    assert "coverage is 50 %, and has to be 60 %" in ended.stderr
    document = json.loads(ended.stdout)
    assert document["failures"] == []
    conditions = document["coverage"]["conditions"]
    assert document["coverage"]["share"] == 0.5
    assert {condition["audience"] for condition in conditions} == {"vip_customers"}
    assert not any(condition["seen_true"] for condition in conditions)
    assert all(condition["seen_false"] for condition in conditions)
