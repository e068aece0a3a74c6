"""What the plan does about each violation, and that nothing it holds back is ever lost.

One project with a plan of its own: three events with the same rules, of which the first
allows what breaks them, the second omits it and the third quarantines. It builds a
warehouse in which 1,000 orders are blocked too. Copies of that warehouse are then built
with a mended plan, and with releases; both must end as if nothing had been blocked.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from collector.datasets import QUARANTINE
from orchestration.quarantine import Rule, release
from tests.dbt.conftest import PROJECT_DIR, START, Project, Row, event_row

ACTIONS = ("allow", "omit", "quarantine")
RIGHT: dict[str, Any] = {
    "id": "o-1",
    "total": 10,
    "method": "card",
    "code": "AB",
    "day": "2026-11-01",
    "address": {"city": "Ulm", "zip": "89073"},
    "lines": [{"price": 1, "name": "a"}, {"price": 2}],
}
ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}, "zip": {}}}
LINES = {
    "type": "array",
    "items": {"properties": {"price": {"type": "number"}, "name": {}}},
}
COLUMNS: dict[str, tuple[str, dict[str, Any]]] = {
    "id": ("varchar", {"required": True}),
    "total": ("decimal(12, 2)", {"minimum": 0}),
    "method": ("varchar", {"enum": ["card", "cash"]}),
    "code": ("varchar", {"pattern": "^[A-Z]+$"}),
    "day": ("varchar", {"format": "date"}),
}

MODEL = """
select message_id, {{ property('total', 'decimal(12, 2)') }} as total
from {{ ref('events') }} where event = 'EVENT'
"""

# case: (violation, what is sent, what is left where it is omitted)
Case = tuple[str, dict[str, Any], dict[str, Any]]


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in RIGHT.items() if name not in names}


CASES: dict[str, Case] = {
    "more": ("unplanned_property", RIGHT | {"tip": 1}, RIGHT),
    "text": ("type_mismatch", RIGHT | {"total": "10"}, without("total")),
    "fax": ("enum", RIGHT | {"method": "fax"}, without("method")),
    "small": ("pattern", RIGHT | {"code": "ab"}, without("code")),
    "soon": ("format", RIGHT | {"day": "soon"}, without("day")),
    "negative": ("range", RIGHT | {"total": -1}, without("total")),
    "inside": (
        "type_mismatch",
        RIGHT | {"address": {"city": 5, "zip": "89073"}},
        RIGHT | {"address": {"zip": "89073"}},
    ),
    "element": (
        "type_mismatch",
        RIGHT | {"lines": [{"price": "1", "name": "a"}, {"price": 2}]},
        RIGHT | {"lines": [{"name": "a"}, {}]},
    ),
    # What is not there cannot be omitted: the second event allows it.
    "missing": ("required_missing", without("id"), without("id")),
}
BLOCKED = 1_000
SELECTION = (
    *("--select", "+vip_customers", "+conservation", "+event_quality"),
    *("+schema_explorer", "+violation_summary", "+quarantined_events"),
    *("ordered_allow", "ordered_omit", "ordered_quarantine", "signed_up"),
)
RELEASED_AT = datetime(2026, 11, 20, tzinfo=UTC)
# Everything that is made of events that flow on; violations stay what they are.
FLOWING = ("identity", "events", "entities", "traits", "profiles", "audiences")


@pytest.fixture(scope="module")
def blocked(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A warehouse from which the plan holds back 1,000 orders, and some more."""
    project = make_project()
    project.project_dir = planned_copy(tmp_path_factory.mktemp("plan"))
    project.land(list(events()), segment="s1")
    project.land(refused(), segment="s1", dataset=QUARANTINE)
    project.dbt("run", *SELECTION)
    return project


def planned_copy(directory: Path) -> Path:
    """A copy of the dbt project with the plan of this module."""
    project_dir = directory / "dbt_project"
    shutil.copytree(
        PROJECT_DIR,
        project_dir,
        ignore=shutil.ignore_patterns("logs", "target", "*.duckdb"),
    )
    write_plan(project_dir)
    return project_dir


def write_plan(project_dir: Path) -> None:
    """Plan three events that differ in what is done about violations."""
    for action in ACTIONS:
        kinds = {kind for kind, _, _ in CASES.values()}
        enforcement = dict.fromkeys(kinds, action)
        if action == "omit":
            enforcement["required_missing"] = "allow"
        columns = [
            {
                "name": name,
                "data_type": data_type,
                "config": {"meta": {"property": name, **rule}},
            }
            for name, (data_type, rule) in COLUMNS.items()
        ]
        meta: dict[str, Any] = {
            "event": f"Ordered {action}",
            "enforcement": enforcement,
            "properties": {"address": ADDRESS, "lines": LINES},
        }
        model = {"name": f"ordered_{action}", "config": {"meta": meta}}
        path = project_dir / "models" / "events" / f"ordered_{action}"
        path.with_suffix(".yml").write_text(
            yaml.safe_dump({"models": [model | {"columns": columns}]})
        )
        path.with_suffix(".sql").write_text(MODEL.replace("EVENT", meta["event"]))
    edit(
        project_dir / "dbt_project.yml",
        "\nvars:\n",
        "\nvars:\n  enforcement: {default: {unplanned_event: quarantine, "
        "enum: allow}, track: {enum: omit}}\n",
    )


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def events() -> Iterator[Row]:
    for action in ACTIONS:
        for case, (_, properties, _) in (CASES | {"right": ("", RIGHT, {})}).items():
            yield event_row(
                message_id=f"{action} {case}",
                event=f"Ordered {action}",
                properties=properties,
                user_id="somebody",
            )
    yield event_row(message_id="unplanned", event="Never Planned", user_id="somebody")
    yield event_row(
        message_id="by type", event="Signed Up", properties={"method": "fax"}
    )
    for number in range(BLOCKED):
        yield event_row(
            message_id=f"blocked {number}",
            minute=number,
            event="Order Completed",
            user_id=f"u{number % 40}",
            properties={"order_id": f"o-{number}", "total": 40, "currency": "eur"},
        )


def refused() -> list[Row]:
    """What the collector quarantined: two new events, a known one, and no event."""
    order = {"order_id": "o-r", "total": 40, "currency": "EUR"}
    event = {"type": "track", "event": "Order Completed", "userId": "late"}
    row = {
        "received_at": START + timedelta(hours=1),
        "source_id": "shop",
        "request_id": "request",
        "code": "too_many_events",
        "detail": "a batch may hold 2 events",
        "path": "",
        "payload_sha256": "0" * 64,
        "replayable": True,
    }
    payloads = [
        event | {"messageId": "refused", "properties": order},
        event | {"properties": order | {"order_id": "o-n"}},
        event | {"messageId": "blocked 7", "properties": order},
    ]
    return [
        *(row | {"payload": json.dumps(payload)} for payload in payloads),
        row | {"payload": '{"type":"tr', "code": "too_large", "replayable": False},
    ]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("case", CASES)
def test_each_violation_meets_its_action(
    blocked: Project, case: str, action: str
) -> None:
    violation, sent, left = CASES[case]
    message_id = f"{action} {case}"
    if action == "omit" and violation == "required_missing":
        action = "allow"
    violations = rows_of(blocked, "staging.event_violations", "violation, action")
    assert violations[message_id] == [(violation, action)]
    decision = {"omit": "omitted", "quarantine": "quarantined"}.get(action)
    decisions = rows_of(blocked, "staging.event_enforcement", "decision")
    assert decisions[message_id] == ([(decision,)] if decision else [])

    flowing = rows_of(blocked, "events.events", "properties")[message_id]
    model = f"events.ordered_{message_id.split()[0]}"
    modelled = len(rows_of(blocked, model, "message_id")[message_id])
    held = rows_of(
        blocked, "staging.quarantined_events", "codes, is_held, is_releasable"
    )[message_id]
    if action == "quarantine":
        assert (flowing, modelled, held) == ([], 0, [([violation], True, True)])
    else:
        assert [json.loads(text) for (text,) in flowing] == [
            left if action == "omit" else sent
        ]
        assert (modelled, held) == (1, [])


def test_the_most_specific_word_counts(blocked: Project) -> None:
    """The event's own above (quarantine beats omit), then the call's, then default."""
    assert blocked.query(
        """
        select message_id, decision, reason from staging.event_enforcement
        where message_id in ('by type', 'unplanned') order by all
        """
    ) == [
        ("by type", "omitted", "enum of method"),
        ("unplanned", "quarantined", "unplanned_event"),
    ]
    assert blocked.query("select method from events.signed_up") == [(None,)]


def test_quality_counts_what_happened(blocked: Project) -> None:
    wrong = len(CASES)
    assert blocked.query(
        """
        select
            event, event_count, compliant_count, blocked_count, omitted_count,
            round(compliant_share, 3), len(samples)
        from monitoring.event_quality where event like 'Ordered%' order by event
        """
    ) == [
        ("Ordered allow", wrong + 1, 1, 0, 0, 0.1, 3),
        ("Ordered omit", wrong + 1, 1, 0, wrong - 1, 0.1, 3),
        ("Ordered quarantine", wrong + 1, 1, wrong, 0, 0.1, 3),
    ]
    assert blocked.query(
        """
        select event_count, blocked_count, found_values, samples
        from monitoring.violation_summary where event = 'Order Completed'
        """
    ) == [(BLOCKED, BLOCKED, ["eur"], ["blocked 0", "blocked 1", "blocked 2"])]


def test_blocked_events_are_counted_and_known(blocked: Project) -> None:
    held = len(CASES) + BLOCKED + 1
    assert conservation(blocked) == {"quarantined": 4, "held": held, "duplicate": 0}
    assert blocked.query("select count(*) from events.order_completed") == [(0,)]
    assert blocked.query("select count(*) from audiences.vip_customers") == [(0,)]
    # They still tell who a person is.
    assert blocked.query(
        """
        select count(*) from identity.profile_identifiers
        where identifier_value = 'u7'
        """
    ) == [(1,)]
    assert blocked.query(
        """
        select event_count, types, example from monitoring.schema_explorer
        where event = 'Order Completed' and property = 'currency'
        """
    ) == [(BLOCKED, ["string"], "eur")]


@pytest.fixture(scope="module")
def unblocked(
    blocked: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    """The same facts under a better plan from the beginning."""
    project_dir = tmp_path_factory.mktemp("mended") / "dbt_project"
    shutil.copytree(blocked.project_dir, project_dir)
    edit(
        project_dir / "models" / "events" / "order_completed.yml",
        "^[A-Z]{3}$",
        "^[A-Za-z]{3}$",
    )
    with copied(blocked, project_dir, "fresh") as project:
        (project.data_dir / "warehouse.duckdb").unlink()
        project.dbt("run", *SELECTION)
        yield project


def test_a_mended_plan_ends_as_if_nothing_had_been_blocked(
    blocked: Project, unblocked: Project
) -> None:
    with copied(blocked, unblocked.project_dir, "mended") as mended:
        mended.dbt("run", *SELECTION)
        assert tables(mended) == tables(unblocked)
        assert mended.query("select count(*) from events.order_completed") == [
            (BLOCKED,)
        ]
        assert conservation(mended)["held"] == len(CASES) + 1


WHO = {"reason": "lower case is fine", "by": "ann"}
LOWER_CASE = Rule(code="pattern", event="Order Completed")


@pytest.fixture(scope="module")
def released(blocked: Project) -> Iterator[Project]:
    """The blocked orders are released by a rule; the plan stays as it is."""
    with copied(blocked, blocked.project_dir, "released") as project:
        release(project.data_dir / "raw", LOWER_CASE, at=RELEASED_AT, **WHO)
        project.dbt("run", *SELECTION)
        yield project


def test_releases_end_as_if_nothing_had_been_blocked(
    released: Project, unblocked: Project
) -> None:
    assert tables(released, FLOWING) == tables(unblocked, FLOWING)
    assert conservation(released)["held"] == len(CASES) + 1
    assert released.query(
        """
        select count(*), min(released_by), min(release_reason)
        from staging.quarantined_events where not is_held
        """
    ) == [(BLOCKED, "ann", "lower case is fine")]


@pytest.mark.parametrize(
    "flags", [(), pytest.param(("--full-refresh",), marks=pytest.mark.slow)]
)
def test_what_is_released_again_flows_on_once(
    released: Project, flags: tuple[str, ...]
) -> None:
    """The same rule, and twice what the collector refused: two events and a copy."""
    for again in (LOWER_CASE, Rule(code="too_many_events"), Rule(ids=("s1:0",))):
        release(released.data_dir / "raw", again, at=RELEASED_AT, **WHO)
    released.dbt("run", "--select", "+conservation", "+order_completed", *flags)
    assert released.query(
        """
        select order_id from events.order_completed
        where user_id = 'late' order by order_id
        """
    ) == [("o-n",), ("o-r",)]
    assert released.query("select count(*) from events.order_completed") == [
        (BLOCKED + 2,)
    ]
    assert conservation(released) == {
        "quarantined": 1,
        "held": len(CASES) + 1,
        "duplicate": 1,
    }


def rows_of(
    project: Project, table: str, columns: str
) -> defaultdict[str, list[tuple[Any, ...]]]:
    """The rows of a table by message id."""
    rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for message_id, *values in project.query(
        f"select message_id, {columns} from {table}"  # noqa: S608 -- from above
    ):
        rows[message_id].append(tuple(values))
    return rows


class copied:
    """A copy of a built project's data as a project; the one that dbt builds inside."""

    def __init__(self, project: Project, project_dir: Path, name: str) -> None:
        self._project = Project(project.data_dir.parent / name, project_dir)
        shutil.copytree(project.data_dir, self._project.data_dir)
        self._environment = pytest.MonkeyPatch()

    def __enter__(self) -> Project:
        self._environment.setenv("KITH_DATA_DIR", str(self._project.data_dir))
        return self._project

    def __exit__(self, *_: object) -> None:
        self._environment.undo()


def conservation(project: Project) -> dict[str, int]:
    """The sums of `conservation`, which must add up to what `events` holds."""
    [(arrived, stored, duplicate, quarantined, missing, flowing, held)] = project.query(
        """
        select
            sum(arrived_count), sum(stored_count), sum(duplicate_count),
            sum(quarantined_count), sum(missing_count), sum(flowing_count),
            sum(held_count)
        from monitoring.conservation
        """
    )
    assert arrived == stored + duplicate + quarantined == len(list(events())) + 4
    assert stored == flowing + held
    assert missing == 0
    assert project.query("select count(*) from events.events") == [(flowing,)]
    return {"quarantined": quarantined, "held": held, "duplicate": duplicate}


def tables(
    project: Project, schemas: tuple[str, ...] | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, but for what tells of single builds."""
    found = project.query(
        """
        select
            table_schema || '.' || table_name,
            string_agg('"' || column_name || '"', ', ' order by ordinal_position)
        from information_schema.columns
        where
            column_name not in ('entered_at', 'at')
            and column_name not like '%batch_id'
            and table_name not in (
                'int_event_models', 'int_latest_events', 'int_followed_profiles'
            )
        group by all
        """
    )
    contents = {}
    for table, columns in found:
        if schemas is None or table.split(".")[0] in schemas:
            if schemas is not None:
                # What is released has still broken a rule.
                columns = columns.replace(', "is_compliant"', "")
            contents[table] = project.query(
                f"select {columns} from {table} order by all"  # noqa: S608 -- from above
            )
    assert len(contents) > 10
    return contents
