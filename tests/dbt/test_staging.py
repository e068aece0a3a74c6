"""Every message that landed is stored once, however and whenever its copies arrive."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collector.datasets import QUARANTINE
from tests.dbt.conftest import START, Project, event_row

SELECTION = ("--select", "+conservation")


def test_copies_late_segments_and_full_refresh_agree(
    make_project: Callable[[], Project],
) -> None:
    project = make_project()
    project.land(
        [
            event_row(message_id="a", minute=10, user_id="second copy"),
            event_row(message_id="b", minute=11),
            event_row(message_id="b", minute=12),
            event_row(message_id="a", minute=9, user_id="first copy"),
            event_row(message_id="a", minute=11, source_id="app"),
        ],
        segment="s2",
    )
    project.dbt("run", *SELECTION)
    assert stored(project) == [
        ("app", "a", None),
        ("shop", "a", "first copy"),
        ("shop", "b", None),
    ]

    # A segment of the day before lands after one of the day itself, with another copy.
    project.land(
        [
            event_row(message_id="late", minute=-2000),
            event_row(message_id="b", minute=13),
        ],
        segment="s1",
        partition={"dt": "2026-10-31"},
    )
    project.land([refused_row()], segment="s2", dataset=QUARANTINE)
    project.dbt("run", *SELECTION)
    after_late_segment = stored(project)
    assert ("shop", "late", None) in after_late_segment
    assert len(after_late_segment) == 4

    project.dbt("run", *SELECTION)
    assert stored(project) == after_late_segment

    assert conservation(project) == [
        ("app", "2026-11-01", 1, 1, 0, 0, 0),
        ("shop", "2026-10-31", 2, 1, 1, 0, 0),
        ("shop", "2026-11-01", 5, 2, 2, 1, 0),
    ]

    project.dbt("run", "--full-refresh", *SELECTION)
    assert stored(project) == after_late_segment


def test_a_lost_event_shows_as_missing(make_project: Callable[[], Project]) -> None:
    project = make_project()
    project.land([event_row(message_id="a"), event_row(message_id="b")], segment="s1")
    project.dbt("run", *SELECTION)
    project.query("delete from staging.stg_events where message_id = 'a'")
    project.dbt("run", "--select", "conservation")
    assert conservation(project) == [("shop", "2026-11-01", 2, 1, 0, 0, 1)]
    with pytest.raises(AssertionError, match="events_are_conserved"):
        project.dbt("test", "--select", "events_are_conserved")


def stored(project: Project) -> list[tuple[str, str, str | None]]:
    return project.query(
        "select source_id, message_id, user_id from staging.stg_events order by all"
    )


def conservation(project: Project) -> list[tuple[object, ...]]:
    return project.query(
        """
        select
            source_id, cast(received_on as varchar), arrived_count, stored_count,
            duplicate_count, quarantined_count, missing_count
        from monitoring.conservation
        order by all
        """
    )


def refused_row() -> dict[str, object]:
    return {
        "received_at": START,
        "source_id": "shop",
        "request_id": "request",
        "code": "bad_type",
        "detail": "type is not one of the six calls",
        "path": "batch[0].type",
        "payload": "{}",
        "payload_sha256": "0" * 64,
        "replayable": True,
    }
