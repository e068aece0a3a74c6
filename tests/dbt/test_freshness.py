"""An audience tells how old its inputs are, and is held while one is too old."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from orchestration.dbt_runs import run_dbt
from tests.dbt.conftest import PROJECT_DIR, Project, Row, event_row, parsed

NOW = datetime.now(UTC).replace(microsecond=0)
SCORES_SQL = """
select distinct
    profile_id,
    {{ time_literal(var('scored_at')) }} as scored_at
from {{ ref('events') }}
where {{ time_literal(var('scored_at')) }} > {{ time_literal('2026-01-01 00:00:00Z') }}
"""
SCORES_YML = """
models:
  - name: scores
    config:
      meta:
        freshness: {as_of: scored_at, warn_after: 26 hours, hold_after: 2 days}
"""
SELECTION = ("--select", "+scored")
# Without other events nothing above the scores changes.
ONLY_OF_SCORES = ("--select", "scores+,+scored", "scores+,+audience_freshness")


@pytest.fixture(scope="module")
def scoring(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project whose audience is everybody who has a score."""
    directory = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(PROJECT_DIR, directory)
    (directory / "models/profiles/scores.sql").write_text(SCORES_SQL)
    (directory / "models/profiles/scores.yml").write_text(SCORES_YML)
    audience = "select profile_id from {{ ref('scores') }}\n"
    (directory / "models/audiences/scored.sql").write_text(audience)
    project = make_project()
    project.project_dir = directory
    return project


def test_old_inputs_are_told_and_too_old_ones_hold_the_audience(
    scoring: Project,
) -> None:
    segments = count()

    def build(*rows: Row, hours: float) -> tuple[set[str], str]:
        """Build with scores of so many hours ago: the members, and the state."""
        if rows:
            scoring.land(list(rows), segment=f"s{next(segments)}")
        selection = SELECTION if rows else ONLY_OF_SCORES
        scoring.dbt("run", *selection, *vars_of(hours), vars_matter_to_parsing=False)
        return members(), state()

    def members() -> set[str]:
        rows = scoring.query("select profile_id from audiences.scored")
        profiles = dict(
            scoring.query(
                "select identifier_value, profile_id from identity.profile_identifiers"
            )
        )
        found = {name for name, profile in profiles.items() if (profile,) in rows}
        assert len({profiles[name] for name in found}) == len(rows), "nobody is lost"
        return found

    def state() -> str:
        [(as_of, received_at)] = scoring.query(
            """
            select as_of, (select max(received_at) from staging.stg_events)
            from monitoring.audience_freshness
            where audience = 'scored' and input = 'events' and state = 'fresh'
            """
        )
        assert as_of == received_at
        [(found,)] = scoring.query(
            """
            select state from monitoring.audience_freshness
            where audience = 'scored' and input = 'scores'
            """
        )
        return str(found)

    ada, bob = event_row(anonymous_id="ada"), event_row(anonymous_id="bob", minute=1)
    assert build(ada, bob, hours=25) == ({"ada", "bob"}, "fresh")
    carl = event_row(anonymous_id="carl", minute=2)
    assert build(carl, hours=27) == ({"ada", "bob", "carl"}, "stale")

    dora = event_row(anonymous_id="dora", minute=3)
    # Bob turns out to be Ada, and Carl to be somebody who was never known.
    joined = [
        event_row(anonymous_id="ada", user_id="a", minute=4, message_id="1"),
        event_row(anonymous_id="bob", user_id="a", minute=5, message_id="2"),
        event_row(anonymous_id="earlier", user_id="c", minute=-9, message_id="3"),
        event_row(anonymous_id="carl", user_id="c", minute=6, message_id="4"),
    ]
    held = {"ada", "bob", "a", "carl", "earlier", "c"}
    assert build(dora, *joined, hours=49) == (held, "held")
    nothing = (NOW - datetime(2025, 1, 1, tzinfo=UTC)) / timedelta(hours=1)
    assert build(hours=nothing) == (held, "held"), "an empty input is no input"
    assert build(hours=1) == (held | {"dora"}, "fresh")

    run = run_dbt(
        ["run", *ONLY_OF_SCORES, *vars_of(49)],
        data_dir=scoring.data_dir,
        project_dir=scoring.project_dir,
        manifest=parsed((), scoring.project_dir).deepcopy(),
    )
    assert run.succeeded, run.problem
    assert [
        (node.name, node.message) for node in run.nodes if node.status == "warn"
    ] == [
        (
            "scored",
            f"scored is held: scores is as of {NOW - timedelta(hours=49)}"[:-3]
            + ", and may be 2 days old; the members stay as they are",
        )
    ]

    (scoring.project_dir / "models/audiences/scored.sql").write_text(
        "select profile_id from {{ ref('events') }}"
    )
    scoring.dbt("run", "--select", "scored", "audience_freshness")
    left = scoring.query("select audience, input from monitoring.audience_freshness")
    assert left == [("scored", "events")], "what is no input any more is not told of"


def vars_of(hours: float) -> tuple[str, str]:
    return "--vars", f"{{scored_at: '{NOW - timedelta(hours=hours)}'}}"
