"""The tracking plan from one end to the other: sent over HTTP, flagged, landed, judged.

Each way to break the plan is sent to a collector that knows the plan, under each of the
three actions; the flags it sets at the edge, the violations in the warehouse, what is
done about them and the counts of quality must all tell the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import Project, parsed
from tests.dbt.test_enforcement import ACTIONS, CASES, RIGHT, planned_copy
from tests.servers import running_collector

SELECTION = ("--select", "+event_quality", "+quarantined_events", "event_enforcement")
DECISIONS = {"allow": None, "omit": "omitted", "quarantine": "quarantined"}


@pytest.fixture(scope="module")
def warehouse(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """What became of a batch of every case, in one warehouse."""
    project = make_project()
    project.project_dir = planned_copy(tmp_path_factory.mktemp("plan"))
    manifest = tmp_path_factory.mktemp("manifest") / "manifest.json"
    parsed((), project.project_dir).write(str(manifest))
    send(project.data_dir, manifest)
    project.dbt("run", *SELECTION)
    return project


def send(data_dir: Path, manifest: Path) -> None:
    """One batch to a collector that checks by this plan; it lands when it stops."""
    batch = [
        track(f"{action} {case}", f"Ordered {action}", properties)
        for action in ACTIONS
        for case, (_, properties, _) in CASES.items()
    ]
    batch += [
        track(f"{action} right", f"Ordered {action}", RIGHT) for action in ACTIONS
    ]
    batch.append(track("unplanned", "Never Planned", {}))
    with running_collector(data_dir, environ={"KITH_PLAN": str(manifest)}) as collector:
        assert collector.post("/v1/batch", {"batch": batch}).status == 200


def track(message_id: str, event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "track",
        "userId": "somebody",
        "messageId": message_id,
        "event": event,
        "properties": properties,
    }


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("case", CASES)
def test_edge_and_warehouse_tell_the_same(
    warehouse: Project, case: str, action: str
) -> None:
    violation = CASES[case][0]
    done = "allow" if (action, violation) == ("omit", "required_missing") else action
    assert warehouse.query(
        f"""
        select events.flags, violation, action, decision
        from staging.stg_events as events
        left join staging.event_violations using (source_id, message_id)
        left join staging.event_enforcement using (source_id, message_id)
        where events.message_id = '{action} {case}'
        """  # noqa: S608 - the names of this module's cases
    ) == [([f"plan:{violation}"], violation, done, DECISIONS[done])]


def test_what_breaks_nothing_is_flagged_nowhere(warehouse: Project) -> None:
    assert warehouse.query(
        """
        select message_id, flags from staging.stg_events
        where message_id like '% right' or message_id = 'unplanned'
        order by message_id
        """
    ) == [
        ("allow right", []),
        ("omit right", []),
        ("quarantine right", []),
        ("unplanned", ["plan:unplanned_event"]),
    ]


def test_quality_adds_up(warehouse: Project) -> None:
    wrong = len(CASES)
    assert warehouse.query(
        """
        select event, event_count, compliant_count, blocked_count, omitted_count
        from monitoring.event_quality where event like 'Ordered%' order by event
        """
    ) == [
        ("Ordered allow", wrong + 1, 1, 0, 0),
        ("Ordered omit", wrong + 1, 1, 0, wrong - 1),
        ("Ordered quarantine", wrong + 1, 1, wrong, 0),
    ]
