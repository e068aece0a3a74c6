"""What Dagster shows of this project, and a whole run of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
import yaml

from collector.datasets import DATASETS, EVENTS
from collector.landing import write_file
from orchestration.definitions import defs as load_definitions
from orchestration.project import DBT_PROJECT, ROOT, prepare_dagster_home
from profiles.lookup import find_profile
from profiles.published import connect

# The folders of the dbt project, and what lies before and behind them.
MODEL_FOLDERS = {entry.name for entry in (DBT_PROJECT / "models").iterdir()} - {
    "_docs.md"
}
SYNCS = {path.stem for path in (DBT_PROJECT / "models" / "syncs").glob("*.sql")}


@pytest.fixture(scope="module")
def data_dir(manifest: Path) -> Iterator[Path]:
    """A data directory with one subscriber in it; the project is parsed there."""
    directory = manifest.parents[2]
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    row = dict.fromkeys(EVENTS.schema.names) | {
        "message_id": "m1",
        "type": "identify",
        "user_id": "u1",
        "timestamp": at,
        "received_at": at,
        "source_id": "shop",
        "traits": '{"email":"ada@example.com","marketing_consent":true}',
        "flags": [],
        "segment": "s1",
        "position": 0,
    }
    table = pa.Table.from_pylist([row], schema=EVENTS.schema)
    partition = {"dt": "2026-11-01"}
    write_file(directory / "raw", EVENTS, table, partition=partition, name="s1")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KITH_DATA_DIR", str(directory))
        yield directory


@pytest.fixture(scope="module")
def definitions(data_dir: Path) -> dg.Definitions:
    return load_definitions()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


def test_groups_are_the_folders(graph: dg.AssetGraph) -> None:
    groups: dict[str | None, set[str]] = {}
    for key in graph.get_all_asset_keys():
        groups.setdefault(graph.get(key).group_name, set()).add(key.to_user_string())
    assert set(groups) == MODEL_FOLDERS | {"raw", "published"}
    for folder in MODEL_FOLDERS - {"syncs"}:
        models = (DBT_PROJECT / "models" / folder).rglob("*.sql")
        assert groups[folder] == {f"{folder}/{model.stem}" for model in models}
    assert groups["syncs"] == {f"syncs/{sync}" for sync in SYNCS} | {
        f"deliveries/{sync}" for sync in SYNCS
    }
    assert groups["raw"] == {f"raw/{dataset.name}" for dataset in DATASETS}


def test_the_graph_goes_from_raw_to_deliveries(graph: dg.AssetGraph) -> None:
    def parents(*key: str) -> set[str]:
        found = graph.get(dg.AssetKey(list(key))).parent_keys
        return {parent.to_user_string() for parent in found}

    assert parents("staging", "stg_events") == {
        "raw/events",
        "staging/quarantined_payloads",
    }
    assert "profiles/profiles" in parents("published")
    for sync in SYNCS:
        assert parents("deliveries", sync) == {f"syncs/{sync}", "published"}


def test_dbt_tests_are_asset_checks(graph: dg.AssetGraph) -> None:
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert {"staging/stg_events", "profiles/profiles"} <= checked
    for sync in SYNCS:
        names = {
            key.name
            for key in graph.asset_check_keys
            if key.asset_key.path == ["deliveries", sync]
        }
        assert names == {
            *("rows_are_accepted", "nothing_is_held_back"),
            *("runs_succeed_on_time", "no_rows_are_given_up"),
        }


def test_pools_keep_builds_and_syncs_apart(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    def pools(job: str) -> dict[str, str | None]:
        nodes = definitions.resolve_job_def(job).graph.node_defs
        steps = [node for node in nodes if isinstance(node, dg.OpDefinition)]
        return {step.name: step.pool for step in steps}

    assert pools("build") == {
        "landing": None,
        "models": "warehouse",
        "published": "warehouse",
    }
    for sync in SYNCS:
        assert pools(f"sync_{sync}") == {
            f"deliveries__{sync}": f"sync_{sync}",
            f"checks_of_{sync}": None,
        }
    assert pools("sync_checks") == {f"checks_of_{sync}": None for sync in SYNCS}
    settings = yaml.safe_load(
        (prepare_dagster_home(tmp_path) / "dagster.yaml").read_text()
    )
    assert settings["concurrency"]["pools"]["default_limit"] == 1
    assert settings["telemetry"]["enabled"] is False


def test_schedules_are_those_of_the_build_and_of_each_sync(
    definitions: dg.Definitions,
) -> None:
    schedules = {
        schedule.name: schedule
        for schedule in definitions.get_repository_def().schedule_defs
    }
    declared = {
        sync: yaml.safe_load(
            (DBT_PROJECT / "models" / "syncs" / f"{sync}.yml").read_text()
        )["models"][0]["config"]["meta"]["sync"]["schedule"]
        for sync in SYNCS
    }
    assert {name: one.cron_schedule for name, one in schedules.items()} == {
        "build_schedule": "*/15 * * * *",
        "sync_checks_schedule": "*/15 * * * *",
        "scrub_schedule": "0 3 * * 0",
    } | {f"sync_{sync}_schedule": cron for sync, cron in declared.items()}
    assert all(
        one.default_status is dg.DefaultScheduleStatus.STOPPED
        for one in schedules.values()
    )


def test_the_sensor_of_alerts_is_off_until_it_is_switched_on(
    definitions: dg.Definitions,
) -> None:
    (sensor,) = definitions.get_repository_def().sensor_defs
    assert sensor.name == "sync_alerts"
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED


def test_a_schedule_waits_for_its_last_run(
    definitions: dg.Definitions, tmp_path: Path
) -> None:
    schedule = definitions.resolve_schedule_def("build_schedule")
    home = prepare_dagster_home(tmp_path)
    with (
        dg.DagsterInstance.from_config(str(home)) as instance,
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime.now(UTC)
        ) as context,
    ):
        assert schedule.evaluate_tick(context).run_requests
        job = definitions.resolve_job_def("build")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        tick = schedule.evaluate_tick(context)
        assert not tick.run_requests
        assert tick.skip_message == "The last run of build is still under way."


# dagster-dbt itself calls what Dagster deprecates.
@pytest.mark.filterwarnings("ignore:AssetExecutionContext.op is:DeprecationWarning")
def test_a_build_and_a_sync_run_for_real(
    definitions: dg.Definitions, data_dir: Path
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        built = definitions.resolve_job_def("build").execute_in_process(
            instance=instance
        )
        assert built.success
        checks = built.get_asset_check_evaluations()
        assert len(checks) > 50
        assert all(check.passed for check in checks)
        with connect(data_dir / "published") as connection:
            profile = find_profile(connection, "email", "ada@example.com")
        assert profile is not None
        assert [one.name for one in profile.audiences] == ["newsletter_subscribers"]

        name = "files__newsletter_subscribers"
        for planned in (1, 0):
            synced = definitions.resolve_job_def(f"sync_{name}").execute_in_process(
                instance=instance
            )
            (event,) = synced.get_asset_materialization_events()
            metadata = event.materialization.metadata
            assert metadata["planned"].value == planned
            assert metadata["succeeded"].value == planned
            assert metadata["held"].value == 0
            assert all(one.passed for one in synced.get_asset_check_evaluations())
    lines = (data_dir / "exports" / f"{name}.csv").read_text().splitlines()
    assert len(lines) == 2
    assert "ada@example.com" in lines[1]


def test_the_modules_that_dagster_looks_for_are_named() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tool["dagster"]["module_name"] == "orchestration.definitions"
    assert tool["dg"]["project"]["root_module"] == "orchestration"
