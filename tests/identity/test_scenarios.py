"""What dbt_project/README.md tells of Segment's scenarios is what comes of them.

All scenarios lie in one warehouse. It is built under the other rules first and then
under those that ship, as a company would that made its rules stricter.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.dbt.conftest import Project
from tests.identity.reference import Identifier, profile_id
from tests.identity.scenarios import (
    Scenario,
    identifiers_of,
    read_scenarios,
    rows_of,
)

SCENARIOS, OTHER_RULES = read_scenarios()
TABLES = ("profile_identifiers", "profile_merges", "identity_conflicts")
RUN = ("run", "--select", *(f"+{table}" for table in TABLES))

# The lines that tell what came of it, by the number of the scenario.
Outcome = dict[int, set[str]]


@pytest.fixture(scope="module")
def outcomes(make_project: Callable[[], Project]) -> dict[bool, Outcome]:
    """What came of the calls under the other rules (True) and those that ship."""
    project = make_project()
    rows = [row for scenario in SCENARIOS for row in rows_of(scenario)]
    project.land(rows, segment="all")
    project.dbt(*RUN, "--vars", json.dumps(OTHER_RULES))
    under_others = outcome_of(project)
    project.dbt(*RUN)
    return {True: under_others, False: outcome_of(project)}


def outcome_of(project: Project) -> Outcome:
    """The tables of identity as lines; the message ids tell the scenario."""
    found: Outcome = {}

    def tell(message_id: str, line: str) -> None:
        found.setdefault(int(message_id.split("/")[0]), set()).add(line)

    profiles: dict[str, list[Identifier]] = {}
    first: dict[str, str] = {}
    for profile, kind, value, message_id in project.query(
        """
        select profile_id, identifier_type, identifier_value, first_message_id
        from identity.profile_identifiers
        inner join identity.int_identifiers
            using (identifier_id, identifier_type, identifier_value, first_seen_at)
        order by first_seen_at, first_message_id, priority, identifier_value
        """
    ):
        profiles.setdefault(profile, []).append((kind, value))
        first.setdefault(profile, message_id)
    for profile, members in profiles.items():
        assert profile == profile_id(members[0])
        tell(first[profile], f"profile {written(*members)}")
    names = {profile_id(one): one for members in profiles.values() for one in members}
    for loser, survivor, message_id in project.query(
        "select losing_profile_id, profile_id, message_id from identity.profile_merges"
    ):
        pair = f"{written(names[loser])} into {written(names[survivor])}"
        tell(message_id, f"merged {pair} by {place_of(message_id)}")
    for kind, value, other_kind, other_value, reason, message_id in project.query(
        """
        select
            identifier_type,
            identifier_value,
            other_identifier_type,
            other_identifier_value,
            reason,
            message_id
        from identity.identity_conflicts
        """
    ):
        pair = written((kind, value), (other_kind, other_value))
        tell(message_id, f"refused {pair} by {place_of(message_id)}: {reason}")
    return found


def written(*identifiers: Identifier) -> str:
    """Identifiers as a line shows them."""
    return " ".join(f"{kind}={value}" for kind, value in identifiers)


def place_of(message_id: str) -> int:
    """The place of a call in its scenario."""
    return int(message_id.split("/")[1])


def test_scenarios_share_no_identifier() -> None:
    seen: dict[Identifier, int] = {}
    for scenario in SCENARIOS:
        for call in scenario.calls:
            for identifier in identifiers_of(call):
                assert seen.setdefault(identifier, scenario.number) == scenario.number
    assert len(SCENARIOS) > 15
    assert any(scenario.has_other_rules for scenario in SCENARIOS)


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=[f"{one.number} {one.title}" for one in SCENARIOS]
)
def test_what_the_readme_tells_is_what_comes_of_it(
    scenario: Scenario, outcomes: dict[bool, Outcome]
) -> None:
    assert outcomes[scenario.has_other_rules][scenario.story] == scenario.outcome
