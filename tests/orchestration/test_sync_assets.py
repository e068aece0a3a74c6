"""Deliveries, their checks and the sensor of alerts, run by Dagster for real."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from activations.retries import Retry
from activations.sync import Sync
from orchestration.defs import syncs as deliveries
from orchestration.defs.alerts import alerts_of
from orchestration.defs.syncs import asset_key, check_keys, checks_of, delivery_of
from profiles.published import publish
from tests.activations.bench import bench
from tests.activations.scripted import Destination, Give, run_destination
from tests.orchestration.sync_facts import write_run

ONE_TRY = Retry(attempts=1, first_wait=0.01, longest_wait=0.01, seconds=2)


@pytest.fixture
def destination() -> Iterator[Destination]:
    with run_destination() as running:
        yield running


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITH_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def sync(tmp_path: Path, data_dir: Path, destination: Destination) -> Sync:
    made = bench(tmp_path, "webhook", {"url": destination.url}, action="row").sync
    publish_people(data_dir, 20)
    return replace(made, schedule="*/15 * * * *")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later comes at once."""
    monkeypatch.setattr(deliveries, "LATER", (0.01, 0.01))


def publish_people(data_dir: Path, number: int) -> None:
    """Publish so many rows for the sync of the bench."""
    warehouse = data_dir / "warehouse.duckdb"
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse)) as con:
        con.execute("create schema if not exists syncs")
        con.execute(
            """
            create or replace table syncs.acct__people as
            select 'p' || person || '@example.com' as email
            from range($1) as people (person)
            """,
            [number],
        )
    publish(warehouse, data_dir / "published")


def run(sync: Sync) -> dg.ExecuteInProcessResult:
    """Run the delivery and its checks, as the sync's job does."""
    defs = dg.Definitions(
        assets=[delivery_of(sync, retry=ONE_TRY)],
        asset_checks=[checks_of(sync)],
        jobs=[
            dg.define_asset_job(
                "deliver", selection=dg.AssetSelection.assets(asset_key(sync))
            )
        ],
        executor=dg.in_process_executor,
    )
    return defs.resolve_job_def("deliver").execute_in_process(raise_on_error=False)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {
        check.check_name: check.passed for check in result.get_asset_check_evaluations()
    }


def retries(result: dg.ExecuteInProcessResult) -> int:
    kinds = [event.event_type_value for event in result.all_events]
    return kinds.count("STEP_UP_FOR_RETRY")


def counts(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    return {name: value.value for name, value in metadata.items() if name != "run_id"}


def test_a_delivery_shows_what_became_of_its_rows_and_passes_its_checks(
    sync: Sync, destination: Destination
) -> None:
    result = run(sync)
    assert result.success
    assert counts(result) == {
        "payload_rows": 20,
        "planned": 20,
        "succeeded": 20,
        "rejected": 0,
        "failed": 0,
        "left": 0,
        "held": 0,
        "refused": 0,
        "given_up": 0,
        "without_consent": 0,
        "capped": 0,
    }
    assert checks(result) == {
        "rows_are_accepted": True,
        "nothing_is_held_back": True,
        "runs_succeed_on_time": True,
        "no_rows_are_given_up": True,
    }


def test_a_check_fails_when_the_destination_refuses_too_many_rows(
    sync: Sync, destination: Destination
) -> None:
    destination.script = [Give(422, {"error": "no"})] * 2
    found = run(sync)
    assert (found.success, counts(found)["rejected"]) == (True, 2)
    assert checks(found)["rows_are_accepted"] is False
    # What was refused is refused still, though nothing of it was sent.
    again = run(sync)
    assert (counts(again)["planned"], counts(again)["refused"]) == (0, 2)
    assert checks(again)["rows_are_accepted"] is False


def test_a_check_warns_when_a_guard_holds_rows_back(sync: Sync, data_dir: Path) -> None:
    run(sync)
    publish_people(data_dir, 0)
    result = run(sync)
    assert result.success
    assert counts(result)["held"] == 20
    (held,) = [
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "nothing_is_held_back"
    ]
    assert (held.passed, held.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "empty" in (held.description or "")


def test_a_refused_credential_ends_the_step_and_nothing_tries_again(
    sync: Sync, destination: Destination
) -> None:
    destination.answer = lambda got: Give(401, {"error": "no"})
    result = run(sync)
    assert not result.success
    failure = result.failure_data_for_node(delivery_of(sync).op.name)
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "credential" in (failure.user_failure_data.description or "")
    assert failure.user_failure_data.metadata["left"].value == 20
    assert 1 <= len(destination.requests) <= 4  # those under way at once
    assert retries(result) == 0


def test_a_destination_that_does_not_answer_is_tried_again_later(
    sync: Sync, destination: Destination
) -> None:
    destination.answer = lambda got: Give(
        503 if len(destination.requests) <= 8 else 200
    )
    result = run(sync)
    assert result.success
    assert 1 <= retries(result) <= 2
    assert len(destination.held) == 20


def test_a_destination_that_stays_away_fails_the_step_in_the_end(
    sync: Sync, destination: Destination
) -> None:
    destination.answer = lambda got: Give(503)
    result = run(sync)
    assert not result.success
    assert retries(result) == 2


def test_checks_tell_of_syncs_that_do_not_run(sync: Sync, data_dir: Path) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    write_run(data_dir, sync.name, at=long_ago, dead=3)
    defs = dg.Definitions(
        assets=[delivery_of(sync)],
        asset_checks=[checks_of(sync)],
        jobs=[
            dg.define_asset_job(
                "look", selection=dg.AssetSelection.checks(*check_keys(sync))
            )
        ],
        executor=dg.in_process_executor,
    )
    result = defs.resolve_job_def("look").execute_in_process()
    assert result.get_asset_materialization_events() == []
    assert checks(result) == {
        "runs_succeed_on_time": False,
        "no_rows_are_given_up": False,
    }


def test_the_sensor_tells_each_change_once(
    sync: Sync,
    tmp_path: Path,
    data_dir: Path,
    destination: Destination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The bench has written destinations.yml; its account takes the alerts too.
    monkeypatch.setenv("KITH_DESTINATIONS", str(tmp_path / "destinations.yml"))
    file = tmp_path / "alerts.yml"
    file.write_text("channels: {}")
    monkeypatch.setenv("KITH_ALERTS", str(file))
    sensor = alerts_of([sync])
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED

    def look() -> str | None:
        # Each time an instance of its own: nothing is remembered but facts.
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(instance=instance)
            return sensor.evaluate_tick(context).skip_message

    assert look() == "alerts.yml names no channel."
    file.write_text("channels: {on_call: {account: acct, action: row}}")
    assert look() == "0 alerts"
    now = datetime.now(UTC)
    stop = {"stop_code": "credential", "stopped": "acct does not accept the key."}
    write_run(data_dir, sync.name, at=now, status="stopped", **stop)
    assert [look(), look()] == ["1 alerts", "0 alerts"]
    write_run(data_dir, sync.name, at=now + timedelta(seconds=90))
    assert [look(), look()] == ["1 alerts", "0 alerts"]
    assert [got.json["record"]["text"] for got in destination.requests] == [
        f"{sync.name} is critical: acct does not accept the key.",
        f"{sync.name} is healthy again.",
    ]
