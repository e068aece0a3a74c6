"""The history of the identity graph, against one that takes event after event.

The tables that the history follows from are written as the graph leaves them, batch by
batch, so that dbt builds nothing but the models in question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.dbt.conftest import START, Project
from tests.identity.history_tables import Graph, Rows
from tests.identity.timeline import PRIORITIES, Identifier, Rules, Timeline
from tests.identity.timeline_worlds import CAP, Worlds, many_worlds, renamed_often

RUN = (
    "run",
    "--select",
    "profile_identifiers",
    "int_identity_merges",
    "profile_merges",
    "profile_identifier_history",
    "identity_conflicts",
    "--vars",
    f"{{maximum_identifiers: {CAP}}}",
)
COLUMNS = {
    "profile_merges": "losing_profile_id, profile_id, merged_at, message_id, source_id",
    "profile_identifier_history": (
        "identifier_type, identifier_value, profile_id, effective_at, superseded_at, "
        "is_current, message_id, source_id"
    ),
    "identity_conflicts": (
        "profile_id, identifier_type, identifier_value, other_profile_id, "
        "other_identifier_type, other_identifier_value, state, reason, received_at, "
        "message_id, source_id"
    ),
}


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    """Many worlds, some with rules of a person, some of them not wholly decided."""
    return many_worlds()


def rows_of(timeline: Timeline) -> dict[str, Rows]:
    """The tables that must follow from a timeline; conflicts without their reasons."""
    return {
        "profile_merges": sorted(
            (loser, *merge) for loser, merge in timeline.merges.items()
        ),
        "profile_identifier_history": sorted(
            (
                (
                    *identifier,
                    period.profile_id,
                    period.effective_at,
                    period.superseded_at,
                    period.superseded_at is None,
                    period.event.message_id,
                    period.event.source_id,
                )
                for identifier, periods in timeline.history.items()
                for period in periods
            ),
            key=lambda row: (row[0], row[1], row[3]),
        ),
        "identity_conflicts": sorted(
            (tuple(sorted(pair)), *conflict)
            for pair, conflict in timeline.conflicts.items()
        ),
    }


def tables_of(project: Project) -> dict[str, Rows]:
    """The rows of the models, in a fixed order."""
    return {
        name: project.query(f"select {columns} from identity.{name} order by all")  # noqa: S608 - names from above
        for name, columns in COLUMNS.items()
    }


def comparable(tables: dict[str, Rows]) -> dict[str, Rows]:
    """The rows of the models as `rows_of` gives them."""
    return {
        "profile_merges": tables["profile_merges"],
        "profile_identifier_history": sorted(
            tables["profile_identifier_history"],
            key=lambda row: (row[0], row[1], row[3]),
        ),
        "identity_conflicts": sorted(
            (tuple(sorted(((row[1], row[2]), (row[4], row[5])))), row[6], row[9])
            for row in tables["identity_conflicts"]
        ),
    }


@dataclass(frozen=True)
class Built:
    """The models after each batch, and what they must be then."""

    project: Project
    found: list[dict[str, Rows]]
    expected: list[Timeline]


@pytest.fixture(scope="module")
def built(make_project: Callable[[], Project], worlds: Worlds) -> Built:
    """The models, built batch by batch."""
    project = make_project()
    graph = Graph(project)
    found, expected, arrived = [], [], []
    for number, batch in enumerate(worlds.batches, start=1):
        arrived += batch
        timeline = worlds.timeline(arrived)
        graph.seed(timeline, batch=10 * number)
        project.dbt(*RUN, vars_matter_to_parsing=False)
        found.append(tables_of(project))
        expected.append(timeline)
    return Built(project, found, expected)


@pytest.mark.parametrize("table", COLUMNS)
def test_every_batch_leaves_what_taking_event_after_event_gives(
    built: Built, table: str
) -> None:
    for found, timeline in zip(built.found, built.expected, strict=True):
        rows = rows_of(timeline)[table]
        assert comparable(found)[table] == rows
    assert len(rows) > 200


def test_a_full_build_gives_the_same_rows(
    built: Built, make_project: Callable[[], Project]
) -> None:
    project = make_project()
    Graph(project).seed(built.expected[-1], batch=5)
    project.dbt(*RUN, vars_matter_to_parsing=False)
    assert tables_of(project) == built.found[-1]


def test_what_a_build_does_not_touch_keeps_its_batch(built: Built) -> None:
    """Only the last batch's clusters are of the last batch."""
    for name in COLUMNS:
        batches = [
            batch
            for (batch,) in built.project.query(
                f"select distinct batch_id from identity.{name} order by all"  # noqa: S608 - names from above
            )
        ]
        assert batches == [10, 20, 30]


def test_reasons_tell_what_one_profile_of_both_would_break(built: Built) -> None:
    timeline = built.expected[-1]
    found: Counter[str] = Counter()
    for row in built.found[-1]["identity_conflicts"]:
        ends = [(row[1], row[2]), (row[4], row[5])]
        assert [row[0], row[3]] == [timeline.name(end) for end in ends]
        assert PRIORITIES[row[1]] <= PRIORITIES[row[4]]
        state, reason = row[6], row[7]
        left, right = (timeline.cluster[end] for end in ends)
        broken = timeline.broken_keys(left, right)
        if state == "undecided":
            assert reason == "not decided yet: the next build goes on"
            found["undecided"] += 1
        elif any(key.startswith("split") for key in broken):
            assert reason.endswith(" are kept apart: told so")
            found["split"] += 1
        else:
            strongest = min(broken, key=lambda key: PRIORITIES.get(key.split()[0], 9))
            words = {
                f"one profile may hold {limit} {key.replace(' ', ' first seen in ')}"
                for key, limit in broken.items()
                if key.split()[0] == strongest.split()[0]
            }
            assert reason in words
            found[strongest.split()[0]] += 1
    assert set(found) == {
        "undecided",
        "split",
        "user_id",
        "email",
        "anonymous_id",
        "identifiers",
    }


def test_replaying_the_merges_gives_the_present_profiles(built: Built) -> None:
    survivors = {row[0]: row[1] for row in built.found[-1]["profile_merges"]}
    present = {
        (row[0], row[1]): row[2]
        for row in built.found[-1]["profile_identifier_history"]
        if row[5]
    }
    former = 0
    for row in built.found[-1]["profile_identifier_history"]:
        name = row[2]
        while name in survivors:
            name = survivors[name]
        assert name == present[row[0], row[1]]
        former += name != row[2]
    assert former > 150


def test_the_history_of_a_moment_is_what_a_build_gave_then(worlds: Worlds) -> None:
    """Without rules of a person, which hold for the past as well, and all decided."""
    rules = replace(worlds.rules, includes=())
    history = Timeline(worlds.events, rules).history
    for hours in range(0, 360, 48):
        moment = START + timedelta(hours=hours)
        then = Timeline(
            (event for event in worlds.events if event.received_at <= moment), rules
        )
        told = {
            identifier: period.profile_id
            for identifier, periods in history.items()
            for period in periods
            if period.effective_at <= moment
            and (period.superseded_at is None or moment < period.superseded_at)
        }
        assert told == {identifier: then.name(identifier) for identifier in then.first}


def test_after_a_hundred_names_only_the_last_follows(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    timeline = Timeline(renamed_often("often", 130), Rules({}))
    Graph(project).seed(timeline, batch=5)
    project.dbt(*RUN, vars_matter_to_parsing=False)
    found: dict[Identifier, Rows] = {}
    for kind, value, *period in tables_of(project)["profile_identifier_history"]:
        found.setdefault((kind, value), []).append(tuple(period[:3]))
    for identifier, periods in timeline.history.items():
        expected = [
            (period.profile_id, period.effective_at, period.superseded_at)
            for period in periods
        ]
        if len(expected) > 102:
            name, since, _ = expected[100]
            expected[100:] = [(name, since, expected[-1][1]), expected[-1]]
        assert sorted(found[identifier], key=lambda row: row[1]) == expected
