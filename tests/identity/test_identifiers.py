"""Where identifiers are found, which of them count, and how mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.dbt.conftest import Project, Row, event_row, invoke_dbt
from tests.identity.people import add_people, create_people

RUN = ("run", "--select", "+int_event_identifiers", "int_identifiers")
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
START = datetime(1970, 1, 1, tzinfo=UTC)


def device(identifier: str, **overrides: Any) -> dict[str, Any]:
    """The context of a phone that may be told apart."""
    return {
        "device": {"id": identifier, "type": "ios", "adTrackingEnabled": True}
        | overrides
    }


def external(identifier: Any, **overrides: Any) -> dict[str, Any]:
    """One element of context.externalIds."""
    element = {"id": identifier, "type": "phone", "collection": "users"}
    return element | {"encoding": "none"} | overrides


def context_of(*elements: Any) -> dict[str, Any]:
    """A context with these externalIds."""
    return {"externalIds": list(elements)}


EVENTS: dict[str, tuple[Row, set[tuple[str, str]]]] = {
    "a blocked value of one type is fine in another": (
        {"user_id": "SHOP-assistant", "anonymous_id": "shop-assistant"},
        {("anonymous_id", "shop-assistant")},
    ),
    "a pattern holds for its type": (
        {"traits": {"email": "Test@example.com"}, "anonymous_id": "test@example.com"},
        {("anonymous_id", "test@example.com")},
    ),
    "blocked everywhere, however it is written": (
        {"user_id": "NaN", "anonymous_id": "Anonymous"},
        set(),
    ),
    "the device counts where the conditions hold": (
        {"context": device("phone-1", type="IOS"), "anonymous_id": None},
        {("ios_id", "phone-1")},
    ),
    "one condition fails": (
        {"context": device("phone-2", type="android"), "anonymous_id": None},
        set(),
    ),
    "the other condition fails": (
        {"context": device("phone-3", adTrackingEnabled=False), "anonymous_id": None},
        set(),
    ),
    "a condition finds nothing": (
        {"context": {"device": {"id": "phone-4"}}, "anonymous_id": None},
        set(),
    ),
    "an external id among others": (
        {
            "context": context_of(
                external("wrong", type="fax"),
                external("wrong", collection="accounts"),
                external("wrong", encoding="sha256"),
                "wrong",
                external(None),
                external(" 0123 "),
                external("second"),
            ),
            "anonymous_id": None,
        },
        {("phone", "0123")},
    ),
    "external ids that are no list": (
        {"context": {"externalIds": {"id": "wrong"}}, "anonymous_id": None},
        set(),
    ),
    "no external ids": ({"context": context_of(), "anonymous_id": None}, set()),
}


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project], identity_project_dir: Path) -> Project:
    """Events of every kind above, and two builds over a table that grows between."""
    project = make_project()
    project.project_dir = identity_project_dir
    create_people(project)
    rows = [
        event_row(message_id=name, minute=minute) | {"context": None} | event
        for minute, (name, (event, _)) in enumerate(EVENTS.items())
    ]
    project.land([event_row(**row) for row in rows], segment="all")
    add_people(
        project,
        (1, "Ann@Work.example", "ann@home.example", NOON),
        (2, None, "-1", None),
        (3, "ben@work.example", "BEN@work.example", None),
        (None, "lost@work.example", None, None),
    )
    project.dbt(*RUN)
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        connection.execute(
            "update crm.people set work_email = 'ann@new.example' where person = 1"
        )
    add_people(project, (4, "cleo@work.example", None, NOON + timedelta(days=1)))
    project.dbt(*RUN)
    return project


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_identifies_by_the_rules(project: Project, name: str) -> None:
    found = project.query(f"""
        select identifier_type, identifier_value
        from identity.int_event_identifiers
        where message_id = '{name}'
    """)  # noqa: S608 - names from above
    assert set(found) == EVENTS[name][1]
    assert len(found) == len(EVENTS[name][1])


def test_a_row_of_a_table_counts_like_an_event(project: Project) -> None:
    found = project.query("""
        select
            split_part(message_id, ':', 1) as person,
            received_at,
            batch_id > first_batch_id as is_later,
            list(
                (identifier_type, identifier_value) order by priority, identifier_value
            )
        from identity.int_event_identifiers
        cross join (
            select min(batch_id) as first_batch_id from identity.int_event_identifiers
        )
        where source_id = 'table:crm.people'
        group by all
        order by all
    """)
    number, email = "customer_number", "email"
    assert found == [
        (
            "1",
            NOON,
            False,
            [
                (email, "ann@home.example"),
                (email, "ann@work.example"),
                (number, "1"),
            ],
        ),
        (
            "1",
            NOON,
            True,
            [
                (email, "ann@home.example"),
                (email, "ann@new.example"),
                (number, "1"),
            ],
        ),
        ("2", START, False, [(number, "2")]),
        ("3", START, False, [(email, "ben@work.example"), (number, "3")]),
        (
            "4",
            NOON + timedelta(days=1),
            True,
            [
                (email, "cleo@work.example"),
                (number, "4"),
            ],
        ),
    ]


def test_an_identifier_is_as_old_as_its_first_sight(project: Project) -> None:
    assert project.query("""
        select
            first_seen_at,
            last_seen_at,
            age_batch_id = batch_id
        from identity.int_identifiers
        where identifier_value in ('ann@home.example', 'ann@new.example')
        group by all
    """) == [(NOON,) * 2 + (True,)]


def test_events_that_are_stored_anew_are_not_taken_twice(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    run = ("run", "--select", "+int_event_identifiers")
    project.land([event_row(message_id="a"), event_row(message_id="b")], segment="s1")
    project.dbt(*run)
    project.land([event_row(message_id="c")], segment="s2")
    project.dbt("run", "--full-refresh", "--select", "stg_events")
    project.dbt(*run)
    project.land([event_row(message_id="d")], segment="s3")
    project.dbt(*run)
    assert taken_batches(project) == [("a", 1), ("b", 1), ("c", 2), ("d", 3)]
    blocked = ("--vars", "{blocked_identifiers: ['-1']}")
    project.dbt(*run, *blocked, vars_matter_to_parsing=False)
    assert taken_batches(project) == [("a", 1), ("b", 1), ("c", 1), ("d", 1)]


def taken_batches(project: Project) -> list[tuple[Any, ...]]:
    """Events with the number of the build that took them: 1 is the first one here."""
    return project.query("""
        select message_id, dense_rank() over (order by batch_id)
        from identity.int_event_identifiers
        where identifier_id = strongest_identifier_id
        order by message_id
    """)


MISTAKES = """
identifiers:
  - {type: User, paths: [user_id]}
  - {type: email, paths: [traits.email], limits: 5, limit_window: hourly}
  - {type: email, paths: traits.email, limit: 0, lower: 1, external_id: maybe}
  - {type: phone}
  - {type: fax, paths: [traits, contact.fax, traits..fax], limit_window: weekly}
  - {type: code, paths: [user_id], when: yes, blocked: x, blocked_pattern: [x]}
  - {type: badge, paths: [user_id], when: {device.type: ios}, limit: true}
  - user_id
blocked_identifiers: "null"
blocked_identifier_pattern: 7
maximum_identifiers: 0
identifier_tables:
  - {model: people, source: [crm, a], key: id, columns: [{type: email, column: e}]}
  - {source: crm.people, columns: []}
  - {model: people, key: a b, seen_at: 1, since: 2, columns: [{type: name, column: n}]}
  - people
"""


def test_mistakes_are_told_together(make_project: Callable[[], Project]) -> None:
    make_project()
    result = invoke_dbt("parse", "--vars", MISTAKES)
    told = str(result.exception)
    for part in (
        "identifiers: entry 1 (User): `type` is a name",
        "identifiers: entry 2 (email): unknown key 'limits'. Keys: type, paths, when,",
        "identifiers: entry 2 (email): `limit_window` is one of ever, daily, weekly,",
        "identifiers: entry 3 (email): this type stands twice",
        "identifiers: entry 3 (email): `paths` is a list",
        "identifiers: entry 3 (email): `limit` is a whole number",
        "identifiers: entry 3 (email): `lower` is true or false",
        "identifiers: entry 3 (email): `external_id` is true or false",
        "identifiers: entry 4 (phone): `paths` is a list",
        "identifiers: entry 5 (fax): 'traits' is no place in an event",
        "identifiers: entry 5 (fax): 'contact.fax' is no place in an event",
        "identifiers: entry 5 (fax): 'traits..fax' is no place in an event",
        "identifiers: entry 5 (fax): `limit_window` goes with a `limit`",
        "identifiers: entry 6 (code): `when` names what an event must hold",
        "identifiers: entry 6 (code): `blocked` is a list",
        "identifiers: entry 6 (code): `blocked_pattern` is a regular expression",
        "identifiers: entry 7 (badge): 'device.type' is no place in an event",
        "identifiers: entry 7 (badge): `limit` is a whole number",
        "identifiers: entry 8 (user_id): an entry is {type",
        "blocked_identifiers: this is a list",
        "blocked_identifier_pattern: this is a regular expression",
        "maximum_identifiers: this is a whole number",
        "identifier_tables: entry 1: a table is named by",
        "identifier_tables: entry 2: a table is named by",
        "identifier_tables: entry 2: `key` is the column",
        "identifier_tables: entry 2: `columns` says which columns",
        "identifier_tables: entry 3: this table stands twice",
        "identifier_tables: entry 3: `key` is the column",
        "identifier_tables: entry 3: `seen_at` is the column",
        "identifier_tables: entry 3: unknown key 'since'. Keys: model, source, key,",
        "identifier_tables: entry 3: unknown type 'name'. Types of `identifiers`:",
        "identifier_tables: entry 4: an entry is {model",
    ):
        assert part in told
