"""Tables that look at each event once hold what they would if they looked at all.

That another plan makes them begin anew is shown in `test_enforcement.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.dbt.conftest import Project, event_row

MODELS = ("renamed_events", "event_violations", "found_properties", "schema_explorer")
TABLES = ("staging.event_violations", "staging.found_properties")
Rows = list[tuple[Any, ...]]


def test_new_events_and_events_stored_anew_are_looked_at(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    project.land(
        [
            event_row(message_id="a", event="Signed In", properties={"method": "fax"}),
            event_row(message_id="b", event="Cart Exploded", properties={"loud": 11}),
        ],
        segment="s1",
    )
    project.dbt("run", "--select", "+event_violations", "+schema_explorer")
    first = violations(project)
    assert first == [("a", "enum", "quarantine"), ("b", "unplanned_event", "allow")]
    assert explored(project, "loud") == [(["number"], 1, "11")]

    project.land(
        [event_row(message_id="c", event="Cart Exploded", properties={"loud": "no"})],
        segment="s2",
    )
    project.dbt("run", "--select", "stg_events", *MODELS)
    second = violations(project)
    assert second == [*first, ("c", "unplanned_event", "allow")]
    assert explored(project, "loud") == [(["number", "string"], 2, "no")]
    # The rows of the first build are still those of the first build.
    assert batches(project) == [2, 2]

    project.dbt("run", "--full-refresh", "--select", "stg_events")
    project.dbt("run", "--select", *MODELS)
    assert violations(project) == second
    assert explored(project, "loud") == [(["number", "string"], 2, "no")]
    assert batches(project) == [1, 1]


def violations(project: Project) -> Rows:
    return project.query(
        """
        select message_id, violation, action from staging.event_violations
        order by all
        """
    )


def explored(project: Project, name: str) -> Rows:
    return project.query(
        f"""
        select types, event_count, example from monitoring.schema_explorer
        where property = '{name}'
        """  # noqa: S608 -- from above
    )


def batches(project: Project) -> list[int]:
    """How many builds the rows of each table are of."""
    return [
        project.query(f"select count(distinct batch_id) from {table}")[0][0]  # noqa: S608 -- from above
        for table in TABLES
    ]
