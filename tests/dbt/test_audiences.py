"""An audience remembers who entered and exited, build after build."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.dbt.conftest import Project, Row, event_row

SELECTION = (
    *("--select", "+cart_abandoners", "audience_memberships"),
    *("audience_sizes", "audience_coverage", "audience_overlaps"),
)


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


def changes(project: Project, profile_id: str) -> list[tuple[str, str]]:
    return project.query(
        f"""
        select change, reason from audiences.audience_changes as changes
        where audience = 'cart_abandoners' and profile_id = '{profile_id}'
        order by changes.at, change
        """  # noqa: S608 -- an id that the warehouse made
    )


def members(project: Project) -> dict[str, datetime]:
    """The members by the audience's table, which the view over the log must confirm."""
    rows = project.query("select * from audiences.cart_abandoners order by all")
    assert rows == project.query(
        """
        select profile_id, entered_at from audiences.audience_memberships
        where audience = 'cart_abandoners' order by all
        """
    )
    [sizes] = project.query(
        """
        select
            max(member_count) filter (where is_current),
            sum(entered) - sum(exited)
        from monitoring.audience_sizes
        where audience = 'cart_abandoners'
        """
    )
    assert sizes == (len(rows), len(rows))
    return dict(rows)


def profile_of(project: Project, anonymous_id: str) -> str:
    [(profile_id,)] = project.query(
        f"""
        select profile_id from identity.profile_identifiers
        where identifier_value = '{anonymous_id}'
        """  # noqa: S608 -- one of those below
    )
    return str(profile_id)


def test_who_enters_and_exits_build_after_build(project: Project) -> None:
    """A visitor comes and goes and comes again; meanwhile a laptop turns out as Ada's.

    All builds are of one warehouse, because each of them takes seconds.
    """
    segments = iter(range(100))

    def build(*rows: Row, arguments: tuple[str, ...] = ()) -> dict[str, datetime]:
        if rows:
            project.land(list(rows), segment=f"s{next(segments)}")
        project.dbt("run", *SELECTION, *arguments)
        return members(project)

    first = build(
        added(1),
        event_row(minute=2, anonymous_id="someone else"),
        event_row(minute=3, user_id="ada", anonymous_id="phone"),
        added(4, anonymous_id="laptop"),
    )
    visitor, laptop, ada = (
        profile_of(project, name) for name in ("visitor", "laptop", "phone")
    )
    assert set(first) == {visitor, laptop}
    entered = [("entered", "first time")]
    assert changes(project, visitor) == entered

    assert build() == first, "nothing happened, so nothing changes"
    assert changes(project, visitor) == entered

    second = build(
        ordered(10), event_row(minute=11, user_id="ada", anonymous_id="laptop")
    )
    assert set(second) == {ada} != {laptop}
    exited = [*entered, ("exited", "no longer matches")]
    assert changes(project, visitor) == exited
    merged = [*entered, ("exited", f"profile merged into {ada}")]
    assert changes(project, laptop) == merged
    assert changes(project, ada) == entered

    # As after a build that stopped halfway: the log was written, the table was not.
    # And a table may be lost at any time.
    project.query("drop table audiences.cart_abandoners")
    third = build(added(20))
    assert set(third) == {ada, visitor}
    assert third[ada] == second[ada]
    assert third[visitor] > first[visitor]
    history = {
        ada: entered,
        laptop: merged,
        visitor: [*exited, ("entered", "re-entered")],
    }
    assert {name: changes(project, name) for name in history} == history

    assert build(arguments=("--full-refresh",)) == third
    assert {name: changes(project, name) for name in history} == history, (
        "the history outlives a full refresh"
    )

    assert build(ordered(30), ordered(31, user_id="ada", anonymous_id="phone")) == {}
