"""From the collector's log to the published database: raw datasets, models, publish."""

# No `from __future__ import annotations`: Dagster reads the types of what it calls.
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from collector.datasets import (
    ALERTS,
    BUILDS,
    EVENTS,
    IDENTITY_RULES,
    QUARANTINE,
    QUARANTINE_RELEASES,
    SYNC_LOG,
    SYNC_REQUESTS,
    SYNC_RUNS,
)
from collector.landing import land
from collector.settings import CollectorSettings
from orchestration.build_facts import NodeCost, append_build
from orchestration.dbt_runs import WITHOUT_UNIT_TESTS, parsed_before, status_of
from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest
from orchestration.raw_files import compact_before_build
from orchestration.targets import Target, read_target, require
from orchestration.warehouse import (
    end_of_build,
    publish_warehouse,
    start_of_build,
    unproven,
    warehouse_lock,
)

POOL = "warehouse"
PUBLISHED = dg.AssetKey("published")


class FolderTranslator(DagsterDbtTranslator):
    """A model's folder is its schema, its asset group, and the prefix of its key."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`[schema, name]`; a source is `[source, table]`."""
        props = dbt_resource_props
        if props["resource_type"] == "source":
            return dg.AssetKey([props["source_name"], props["name"]])
        return dg.AssetKey([props["schema"], props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The folder; `fqn` is project, folders, name."""
        if dbt_resource_props["resource_type"] == "source":
            return str(dbt_resource_props["source_name"])
        return str(dbt_resource_props["fqn"][1])


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ["raw", EVENTS.name],
            description="Every event that the collector accepted, as Parquet.",
            kinds={"parquet"},
        ),
        dg.AssetSpec(
            ["raw", QUARANTINE.name],
            description="Every event that the collector could not store, and why.",
            kinds={"parquet"},
        ),
    ],
    group_name="raw",
)
def landing() -> Iterator[dg.MaterializeResult[None]]:
    """Land the collector's sealed log segments."""
    settings = CollectorSettings(data_dir=data_dir())
    report = land(settings.log_dir, settings.raw_place())
    for dataset in (EVENTS, QUARANTINE):
        yield dg.MaterializeResult(
            asset_key=["raw", dataset.name],
            metadata={
                "landed_rows": report.rows.get(dataset.name, 0),
                "segments": report.segments,
                "damaged": [str(path) for path in report.damaged],
            },
        )


@dg.definitions
def defs() -> dg.Definitions:
    """The assets up to the published database."""
    sync_log = dg.AssetSpec(
        ["raw", SYNC_LOG.name],
        group_name="raw",
        description="The outcome of every row that was sent, appended by deliveries.",
        kinds={"parquet"},
    )
    sync_runs = dg.AssetSpec(
        ["raw", SYNC_RUNS.name],
        group_name="raw",
        description="Each run of a sync, its start and its end, appended by runs.",
        kinds={"parquet"},
    )
    sync_requests = dg.AssetSpec(
        ["raw", SYNC_REQUESTS.name],
        group_name="raw",
        description="What people asked of syncs: `kith sync release`, `retry`.",
        kinds={"parquet"},
    )
    alerts = dg.AssetSpec(
        ["raw", ALERTS.name],
        group_name="raw",
        description="What people were told of the state of syncs: `kith alerts`.",
        kinds={"parquet"},
    )
    releases = dg.AssetSpec(
        ["raw", QUARANTINE_RELEASES.name],
        group_name="raw",
        description="What people released from quarantine: `kith quarantine release`.",
        kinds={"parquet"},
    )
    rules = dg.AssetSpec(
        ["raw", IDENTITY_RULES.name],
        group_name="raw",
        description="Whom people joined or kept apart: `kith identity join`, `split`.",
        kinds={"parquet"},
    )
    builds = dg.AssetSpec(
        ["raw", BUILDS.name],
        group_name="raw",
        description="What each build took, node by node, appended by builds.",
        kinds={"parquet"},
    )
    models = _models(prepare_manifest(data_dir()))
    return dg.Definitions(
        assets=[
            *(landing, sync_log, sync_runs, sync_requests),
            *(alerts, releases, rules, builds),
            *(models, _published(models)),
        ]
    )


def _models(manifest: Path) -> dg.AssetsDefinition:
    @dbt_assets(
        manifest=manifest,
        project=DbtProject(DBT_PROJECT, target_path=manifest.parent),
        dagster_dbt_translator=FolderTranslator(),
        name="models",
        pool=POOL,
    )
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        work = data_dir() / "dbt" / "dagster"
        with warehouse_lock(data_dir(), on_wait=context.log.info):
            settings = CollectorSettings(data_dir=data_dir())
            compact_before_build(settings, on_warning=context.log.warning)
            target = read_target(DBT_PROJECT)
            require(target, data_dir())
            before = unproven(data_dir(), target)
            start_of_build(data_dir(), target)
            (work / "run_results.json").unlink(missing_ok=True)
            started_at = datetime.now(UTC)
            command = ["build", *WITHOUT_UNIT_TESTS, *parsed_before(data_dir())]
            run = dbt.cli(command, context=context, target_path=work)
            try:
                yield from run.stream()
            finally:
                _note_outcomes(run, target, before, of_everything=not context.is_subset)
                append_build(
                    settings.raw_place(),
                    _costs(run),
                    target=target.name,
                    started_at=started_at,
                    on_warning=context.log.warning,
                )

    return models


def _costs(run: DbtCliInvocation) -> Iterator[NodeCost]:
    """What the run's nodes took; nothing when it was cut off."""
    if not (run.target_path / "run_results.json").exists():
        return
    for result in run.get_artifact("run_results.json")["results"]:
        status = status_of(result["status"])
        yield NodeCost(result["unique_id"], status, result["execution_time"])


def _note_outcomes(
    run: DbtCliInvocation,
    target: Target,
    before: frozenset[str],
    *,
    of_everything: bool,
) -> None:
    """Tell the warehouse what the run proved; one that was cut off proved nothing."""
    if not (run.target_path / "run_results.json").exists():
        return
    results = run.get_artifact("run_results.json")["results"]
    outcomes = {
        result["unique_id"]: result["status"] in ("success", "pass", "warn", "no-op")
        for result in results
    }
    end_of_build(
        data_dir(), target, outcomes, before=before, of_everything=of_everything
    )


def _published(models: dg.AssetsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=PUBLISHED,
        deps=list(models.keys),
        group_name="published",
        pool=POOL,
        kinds={"duckdb"},
        description="The database that people and services read; swapped atomically.",
    )
    def published(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with warehouse_lock(data_dir(), on_wait=context.log.info):
            current = publish_warehouse(data_dir(), read_target(DBT_PROJECT))
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(current),
                "bytes": current.stat().st_size,
            }
        )

    return published
