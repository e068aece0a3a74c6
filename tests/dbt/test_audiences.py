"""An audience remembers who entered and exited, build after build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dbt.conftest import Project, Row, event_row

SELECTION = ("--select", "+cart_abandoners", "audience_memberships", "audience_sizes")


def added(minute: int, **overrides: Any) -> Row:
    properties = {"cart_id": "c", "product_id": "p"}
    return event_row(
        event="Product Added", minute=minute, properties=properties, **overrides
    )


def ordered(minute: int, **overrides: Any) -> Row:
    properties = {"order_id": f"o-{minute}", "total": 10, "currency": "EUR"}
    return event_row(
        event="Order Completed", minute=minute, properties=properties, **overrides
    )


@pytest.fixture
def build(make_project: Callable[[], Project]) -> Callable[..., Project]:
    """Land some events as a further segment, then build the audience."""
    project = make_project()
    segments = iter(range(100))

    def land_and_build(*rows: Row, arguments: tuple[str, ...] = ()) -> Project:
        if rows:
            project.land(list(rows), segment=f"s{next(segments)}")
        project.dbt("run", *SELECTION, *arguments)
        return project

    return land_and_build


def changes(project: Project) -> list[tuple[str, str]]:
    return project.query(
        """
        select change, reason from audiences.audience_changes as changes
        where audience = 'cart_abandoners' order by changes.at, change, profile_id
        """
    )


def members(project: Project) -> list[tuple[Any, ...]]:
    """The members by the audience's table, which the view over the log must confirm."""
    rows = project.query("select * from audiences.cart_abandoners order by all")
    assert rows == project.query(
        """
        select profile_id, entered_at from audiences.audience_memberships
        where audience = 'cart_abandoners' order by all
        """
    )
    return rows


def test_entered_exited_and_entered_again(build: Callable[..., Project]) -> None:
    project = build(added(1), event_row(minute=2, anonymous_id="someone else"))
    (first,) = members(project)
    assert changes(project) == [("entered", "first time")]

    build()
    assert members(project) == [first], "nothing happened, so nothing changes"
    assert changes(project) == [("entered", "first time")]

    build(ordered(10))
    assert members(project) == []
    assert project.query("select * from monitoring.audience_sizes") == []

    build(added(20))
    ((profile_id, entered_at),) = members(project)
    assert profile_id == first[0]
    assert entered_at > first[1]
    history = [
        ("entered", "first time"),
        ("exited", "no longer matches"),
        ("entered", "re-entered"),
    ]
    assert changes(project) == history

    build(arguments=("--full-refresh",))
    assert changes(project) == history, "the history outlives a full refresh"
    assert members(project) == [(profile_id, entered_at)]


def test_a_merged_profile_exits_with_the_reason(build: Callable[..., Project]) -> None:
    project = build(
        event_row(minute=1, user_id="ada", anonymous_id="phone"),
        added(2, anonymous_id="laptop"),
    )
    ((laptop, _),) = members(project)
    build(event_row(minute=3, user_id="ada", anonymous_id="laptop"))
    ((ada, _),) = members(project)
    assert ada != laptop
    assert changes(project)[1:] == [
        ("entered", "first time"),
        ("exited", f"profile merged into {ada}"),
    ]


def test_a_build_that_stopped_halfway_is_mended(build: Callable[..., Project]) -> None:
    project = build(added(1))
    before = members(project)
    # The log was written, the table was not; and a table may be lost at any time.
    project.query("drop table audiences.cart_abandoners")
    build()
    assert members(project) == before
    assert changes(project) == [("entered", "first time")]
