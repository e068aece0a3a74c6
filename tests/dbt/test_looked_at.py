"""Tables that look at each event once hold what they would if they looked at all.

That another plan makes them begin anew is shown in `test_enforcement.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt.conftest import (
    NO_ARTIFACTS,
    PROJECT_DIR,
    Project,
    event_row,
    invoke_dbt,
    parsed,
)

MODELS = ("renamed_events", "event_violations", "found_properties", "schema_explorer")
TABLES = ("staging.event_violations", "staging.found_properties")
SIGN_INS = """
select {{ event_columns() }}
from {{ ref('events') }}
where event = 'Signed In' -- over all time
"""
LATEST = """
select source_id, message_id, row_number() over (order by received_at desc) as place
from {{ ref('events') }}
"""
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


def test_event_models_grow_by_what_is_new(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> None:
    project_dir = tmp_path_factory.mktemp("signed") / "dbt_project"
    ignored = shutil.ignore_patterns("logs", "target", "*.duckdb")
    shutil.copytree(PROJECT_DIR, project_dir, ignore=ignored)
    sign_ins = write_model(project_dir, "sign_ins", SIGN_INS)
    write_model(project_dir, "latest", LATEST)
    data_dir = make_project().data_dir
    project = Project(data_dir, project_dir)

    land_sign_in(project, "a", segment="s1")
    project.dbt("run", "--select", "+sign_ins", "+latest")
    # Whoever looks at the event again finds no such user.
    mark(project)
    assert signed_in(project) == [("a", "marked", True)]

    # The models miss a build and its events, and identity what comes after.
    land_sign_in(project, "b", segment="s2", user_id="ann", anonymous_id=None, minute=1)
    project.dbt("run", "--select", "stg_events", "int_latest_events")
    land_sign_in(project, "c", segment="s3", minute=-3000)
    new = ("stg_events", "int_latest_events", "sign_ins", "latest")
    project.dbt("run", "--select", *new)
    expected = [("a", "marked", True), ("b", "ann", False), ("c", None, False)]
    assert signed_in(project) == expected
    assert project.query("select message_id from events.latest order by place") == [
        ("b",), ("a",), ("c",)
    ]  # fmt: skip

    # One build later, they know whose they are: of one person, by the last of them.
    land_sign_in(project, "d", segment="s4", user_id="ann", anonymous_id="visitor")
    project.dbt("run", "--select", "+sign_ins")
    assert signed_in(project) == [
        ("a", "marked", True), ("b", "ann", True), ("c", None, True), ("d", "ann", True)
    ]  # fmt: skip
    assert project.query("select count(distinct profile_id) from events.sign_ins") == [
        (1,)
    ]

    # Older builds of what is above do not pass for the latest.
    land_sign_in(project, "e", segment="s5")
    land_sign_in(project, "wrong", segment="s6", properties={"method": "fax"})
    project.dbt("run", "--select", "stg_events", "sign_ins")
    assert [row[0] for row in signed_in(project)] == ["a", "b", "c", "d", "e", "wrong"]
    project.dbt("run", "--select", "event_violations", "event_enforcement", "sign_ins")
    assert [row[0] for row in signed_in(project)] == ["a", "b", "c", "d", "e"]

    mark(project)
    project.dbt("run", "--full-refresh", "--select", "stg_events")
    project.dbt("run", "--select", "sign_ins")
    assert signed_in(project)[0] == ("a", None, True)

    mark(project)
    sign_ins.write_text(SIGN_INS.replace("}}", "}}, received_at as signed_in_at", 1))
    changed = Project(
        data_dir, Path(shutil.copytree(project_dir, data_dir / "changed"))
    )
    changed.dbt("run", "--select", "sign_ins")
    assert signed_in(project)[0] == ("a", None, True)
    assert project.query("select count(signed_in_at) from events.sign_ins") == [(5,)]


def write_model(project_dir: Path, name: str, sql: str) -> Path:
    file = project_dir / "models" / "events" / f"{name}.sql"
    file.write_text(sql)
    return file


def land_sign_in(
    project: Project, message_id: str, *, segment: str, **row: Any
) -> None:
    right = {"event": "Signed In", "properties": {"method": "google"}}
    event = event_row(message_id=message_id, **right | row)
    project.land([event], segment=segment)


def mark(project: Project) -> None:
    """Write into the row of the first event what no build writes."""
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        connection.execute(
            "update events.sign_ins set user_id = 'marked' where message_id = 'a'"
        )


def signed_in(project: Project) -> Rows:
    return project.query(
        """
        select message_id, user_id, profile_id is not null from events.sign_ins
        order by all
        """
    )


def test_a_repeated_key_is_found_until_it_is_gone(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    project.land([event_row(message_id="a"), event_row(message_id="b")], segment="s1")
    project.dbt("run", "--select", "+stg_events", "int_passed_tests")
    test = ("test", "--select", "stg_events,test_name:unique_key")
    store_again(project, "a", batch="batch_id")
    with pytest.raises(AssertionError, match="unique_key_stg_events"):
        project.dbt(*test)
    remove_copies(project)
    project.dbt(*test)

    # Once it has passed, it looks at what builds wrote since then.
    store_again(project, "a", batch="epoch_us(now())")
    for _ in range(2):
        with pytest.raises(AssertionError, match="unique_key_stg_events"):
            project.dbt(*test)
    remove_copies(project)
    project.dbt(*test)

    # No build writes a row of an earlier batch; who does so is found by looking at all.
    store_again(project, "b", batch="batch_id")
    project.dbt(*test)
    project.dbt("run", "--full-refresh", "--select", "int_passed_tests")
    with pytest.raises(AssertionError, match="unique_key_stg_events"):
        project.dbt(*test)
    remove_copies(project)
    project.dbt(*test)

    # What lacks a part of its key is looked for in all rows, whoever wrote them.
    project.query(
        "update staging.stg_events set source_id = null where message_id = 'b'"
    )
    with pytest.raises(AssertionError, match="unique_key_stg_events"):
        project.dbt(*test)


def test_the_plan_is_the_same_in_any_order_of_parsing(
    make_project: Callable[[], Project],
) -> None:
    """dbt parses only what has changed, and puts that last."""
    make_project()
    manifest, other = parsed(()).deepcopy(), parsed(()).deepcopy()
    other.nodes = dict(reversed(other.nodes.items()))
    other.build_flat_graph()
    assert plan_version(manifest) == plan_version(other)


def plan_version(manifest: Any) -> str:
    result = invoke_dbt(
        "compile", "--inline", "{{ plan_version() }}", *NO_ARTIFACTS, manifest=manifest
    )
    assert result.success, result.exception
    compiled: Any = result.result
    return str(compiled.results[0].node.compiled_code)


def store_again(project: Project, message_id: str, *, batch: str) -> None:
    """Make two of an event; the copy is told by its position."""
    project.query(f"""
        insert into staging.stg_events
        select * replace (-1 as position, {batch} as batch_id)
        from staging.stg_events
        where message_id = '{message_id}'
    """)  # noqa: S608 - from above


def remove_copies(project: Project) -> None:
    """Take away what `store_again` stored."""
    project.query("delete from staging.stg_events where position = -1")


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
