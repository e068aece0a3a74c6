"""Profiles that look alike are suggested with a score, and joined by nothing."""

from __future__ import annotations

import gc
import json
import runpy
import warnings
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from collector.datasets import IDENTITY_RULES
from tests.dbt.conftest import (
    PROJECT_DIR,
    START,
    Project,
    event_row,
    invoke_dbt,
    parsed,
    vars_of,
)

MATCHING = {"enabled": True, "minimum_score": 0.5, "expected_share": 0.01}
VARS = ("--vars", json.dumps({"matching": MATCHING}))

PEOPLE: dict[str, dict[str, Any]] = {
    "anna": {
        "email": "anna.smith@home.example",
        "phone": "+49 170 1234567",
        "first_name": "Anna",
        "last_name": "Smith",
        "country": "DE",
    },
    "anna at work": {
        "email": "anna.smith@work.example",
        "phone": "0170/1234567",
        "first_name": "Ánna",
        "last_name": "SMITH",
        "country": "de",
    },
    "bob": {
        "email": "bob.jones@home.example",
        "first_name": "Bob",
        "last_name": "Jones",
        "country": "US",
    },
    "bob's other account": {
        "email": "bobjones+shop@home.example",
        "first_name": "Bobby",
        "last_name": "Jones",
        "country": "US",
    },
    "carl": {"first_name": "Carl", "last_name": "Smith", "phone": "+1 555 010 0000"},
    "eve": {"first_name": "Eve", "last_name": "Lane", "phone": "+1 555 010 0001"},
    "eva": {"first_name": "Eva", "last_name": "Lane", "phone": "+1 555 010 0001"},
    "nobody known": {"country": "DE"},
    # A switchboard that thirty people are called by.
    **{
        f"employee {number}": {"first_name": f"E{number}", "phone": "+49 30 9876543"}
        for number in range(30)
    },
}


def run_model(project: Project, selected: str, *variables: str) -> None:
    """Run models of which one is Python: dbt opens an event loop for it in a thread,
    and leaves it to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            project.dbt("run", "--select", selected, *variables)
        finally:
            gc.collect()


@pytest.fixture(scope="module")
def matched(make_project: Callable[[], Project]) -> Project:
    """A build that matches the people above, each known by a user_id."""
    project = make_project()
    rows = [
        event_row(
            type="identify",
            minute=minute,
            user_id=name,
            anonymous_id=None,
            traits=traits,
        )
        for minute, (name, traits) in enumerate(PEOPLE.items())
    ]
    project.land(rows, segment="people")
    # Twins that share a phone: somebody has looked, and they are two.
    rule = {
        "rule_id": "twins",
        "action": "exclude",
        "left_type": "user_id",
        "left_value": "eve",
        "right_type": "user_id",
        "right_value": "eva",
        "reason": "twins",
        "created_by": "support",
        "created_at": START,
    }
    project.land([rule], segment="twins", dataset=IDENTITY_RULES)
    run_model(project, "+suggested_links", *VARS)
    project.dbt("test", "--select", "suggested_links", *VARS)
    return project


def names(project: Project, sql: str) -> list[tuple[Any, ...]]:
    """Rows of (profile_id, profile_id, …), with the user_ids of the profiles."""
    people = dict(
        project.query(
            "select profile_id, identifier_value from identity.profile_identifiers "
            "where identifier_type = 'user_id'"
        )
    )
    return [
        (*sorted((people[left], people[right])), *rest)
        for left, right, *rest in project.query(sql)
    ]


def test_pairs_are_suggested_with_what_they_agree_in(matched: Project) -> None:
    """Spelling, case, accents and how a number is written make no difference."""
    found = names(
        matched,
        "select left_profile_id, right_profile_id, email_agreement, phone_agreement, "
        "first_name_agreement, last_name_agreement, country_agreement "
        "from identity.suggested_links order by score desc",
    )
    anna = ("similar", "same", "same", "same", "same")
    bob = ("similar", "missing", "similar", "same", "same")
    assert found == [
        ("anna", "anna at work", *anna),
        ("bob", "bob's other account", *bob),
    ]


def test_whom_a_rule_keeps_apart_is_not_suggested_again(matched: Project) -> None:
    """Without the rule they would be: they agree in more than Bob does."""
    pairs = "select left_profile_id, right_profile_id from identity.suggested_links"
    assert ("eva", "eve") not in names(matched, pairs)
    file = PROJECT_DIR / "models" / "identity" / "suggested_links.py"
    model = runpy.run_path(str(file))
    twins = [
        {"profile_id": name, "email": None, "country": None, **PEOPLE[name]}
        for name in ("eva", "eve")
    ]
    apart = pa.table({"profile_id": ["eva"], "other_profile_id": ["eve"]})
    settings = {"minimum_score": 0.5, "expected_share": 0.01}
    for kept, count in ((apart[:0], 1), (apart, 0)):
        found = model["suggested_links"](pa.Table.from_pylist(twins), kept, **settings)
        assert len(found) == count


def test_scores_are_probabilities_of_one_model(matched: Project) -> None:
    rows = matched.query("select score, model_version from identity.suggested_links")
    assert all(MATCHING["minimum_score"] <= score <= 1 for score, _ in rows)
    assert len({version for _, version in rows}) == 1


def test_nothing_is_joined(matched: Project) -> None:
    rows = matched.query(
        "select count(distinct profile_id) from identity.profile_identifiers "
        "where identifier_type = 'user_id'"
    )
    assert rows == [(len(PEOPLE),)]


def test_the_same_profiles_score_the_same_again(matched: Project) -> None:
    before = matched.query("from identity.suggested_links order by all")
    run_model(matched, "suggested_links", *VARS)
    assert matched.query("from identity.suggested_links order by all") == before


def compiled(expression: str, *variables: str) -> str:
    """The SQL that selects from an expression; empty when dbt has something against
    it, which it prints."""
    manifest = parsed(vars_of(variables)).deepcopy()
    inline = ("--inline", f"from {{{{ {expression} }}}}", "--log-level", "error")
    result: Any = invoke_dbt("compile", *inline, *variables, manifest=manifest).result
    return str(result.results[0].node.compiled_code) if result else ""


def test_a_use_gets_the_pairs_above_its_threshold(matched: Project) -> None:
    """Both ways round, so that either one leads to the other."""
    some = matched.query("select min(score), max(score) from identity.suggested_links")
    low, high = some[0]
    pairs = {
        threshold: names(matched, compiled(f"suggested_profiles({threshold})", *VARS))
        for threshold in (low, high)
    }
    assert len(pairs[low]) == 4
    assert [pair[:2] for pair in pairs[high]] == [("anna", "anna at work")] * 2


def test_without_a_threshold_no_pair_is_used(matched: Project) -> None:
    assert matched.query(compiled("suggested_profiles()", *VARS)) == []
    assert matched.query(compiled("suggested_profiles()")) == []


@pytest.mark.parametrize(
    ("expression", "variables", "says"),
    [
        ("suggested_profiles(0.9)", (), "Set matching.enabled"),
        ("suggested_profiles(0.3)", VARS, "below matching.minimum_score, which is 0.5"),
        ("suggested_profiles('0.9')", VARS, "a threshold is a number"),
        ("suggested_profiles(95)", VARS, "a threshold is a number"),
    ],
)
def test_a_wrong_threshold_is_told(
    matched: Project,
    expression: str,
    variables: tuple[str, ...],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not compiled(expression, *variables)
    assert says in capsys.readouterr().out


def test_every_wrong_setting_is_told_at_once() -> None:
    file = PROJECT_DIR / "models" / "identity" / "suggested_links.py"
    model = runpy.run_path(str(file))
    wrong = {"enabled": True, "minimum_score": 5, "threshold": 0.5}
    with pytest.raises(ValueError, match=r"dbt_project\.yml: vars: matching") as told:
        model["checked"](wrong)
    for problem in (
        "expected_share is missing",
        "minimum_score is 5",
        "threshold is unknown",
    ):
        assert problem in str(told.value)


def test_no_model_is_there_unless_it_is_asked_for() -> None:
    names = {node.name for node in parsed(()).nodes.values()}
    assert "profile_identifiers" in names
    assert "suggested_links" not in names
