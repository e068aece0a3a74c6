"""Personas: what is told of them when they are tried."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.dbt_runs import PARSED
from orchestration.parsed_project import parse_project
from orchestration.personas.clocks import NOW
from orchestration.personas.judging import Failure
from orchestration.personas.run import Report, try_personas
from orchestration.project import DBT_PROJECT
from tests.kith import Kith
from tests.orchestration.persona_files import SMALLEST, write

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
