"""This checkout: where its parts are, and the build that ties them together."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collector.errors import ObjectStorageError
from collector.landing import LandingReport, land
from collector.settings import CollectorSettings
from orchestration.build_facts import NodeCost, append_build
from orchestration.dbt_runs import (
    WITHOUT_UNIT_TESTS,
    DbtRun,
    NodeResult,
    run_dbt,
)
from orchestration.raw_files import compact_before_build
from orchestration.targets import Target, read_target, require
from orchestration.warehouse import (
    NotGreen,
    WarehouseBusy,
    end_of_build,
    publish_warehouse,
    start_of_build,
    unproven,
    warehouse_lock,
)
from profiles.published import PublishError

ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = ROOT / "dbt_project"
SOURCES = ROOT / "collector" / "sources.yml"
PERSONAS = ROOT / "tests" / "personas"
DESTINATIONS = ROOT / "activations" / "destinations.yml"
ALERTS = ROOT / "orchestration" / "alerts.yml"

# What dbt parses; data, logs and caches beside it do not make a manifest stale.
_PARSED = {".sql", ".yml", ".yaml", ".md", ".csv"}
_NOT_PARSED = {"__pycache__", "lint", "logs", "target"}


def data_dir() -> Path:
    """Where all runtime state is: `KITH_DATA_DIR`, else `data` in this checkout."""
    return Path(os.environ.get("KITH_DATA_DIR") or ROOT / "data").resolve()


def destinations_file() -> Path:
    """The accounts: `KITH_DESTINATIONS`, else the file in this checkout."""
    return Path(os.environ.get("KITH_DESTINATIONS") or DESTINATIONS).resolve()


def alerts_file() -> Path:
    """Where alerts go: `KITH_ALERTS`, else the file in this checkout."""
    return Path(os.environ.get("KITH_ALERTS") or ALERTS).resolve()


def prepare_dagster_home(data_dir: Path) -> Path:
    """Dagster's own directory, with this project's settings for its instance."""
    home = data_dir / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "orchestration" / "dagster.yaml", home / "dagster.yaml")
    return home


class BuildError(Exception):
    """The build is not green; nothing was published. `nodes` are the ones to mend."""

    def __init__(self, message: str, *, nodes: tuple[NodeResult, ...] = ()) -> None:
        super().__init__(message)
        self.nodes = nodes


@dataclass(frozen=True)
class BuildReport:
    """What a green build did."""

    landed: LandingReport
    nodes: tuple[NodeResult, ...]
    seconds: float
    published: Path

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes there are by status."""
        counts = dict.fromkeys(("ok", "warn", "error", "skipped"), 0)
        for node in self.nodes:
            counts[node.status] += 1
        return counts


def build(
    data_dir: Path,
    *,
    select: str | None = None,
    full_refresh: bool = False,
    unit_tests: bool = False,
    on_node: Callable[[NodeResult], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
    target: str | None = None,
    moment: datetime | None = None,
    project_dir: Path = DBT_PROJECT,
) -> BuildReport:
    """Land what the collector holds, build the warehouse, and publish it when green.

    `select` is a dbt selection, for example `vip_customers+`. dbt's `unit_tests` bring
    their own rows, so they are left out unless asked for. `target` is the engine
    that builds, in place of `KITH_TARGET`; `moment` the time that models take for now.
    Raises `BuildError` when anything fails; the published database then stays as it is.
    """
    started = time.monotonic()
    engine = read_target(project_dir, target)
    require(engine, data_dir)
    try:
        with warehouse_lock(data_dir, on_wait=on_wait):
            settings = CollectorSettings(data_dir=data_dir)
            landed = land(settings.log_dir, settings.raw_place())
            compact_before_build(settings, on_warning=on_warning)
            run = _build_models(
                data_dir,
                project_dir=project_dir,
                target=engine,
                moment=moment,
                select=select,
                full_refresh=full_refresh,
                unit_tests=unit_tests,
                on_node=on_node,
                on_warning=on_warning,
            )
            published = publish_warehouse(data_dir, engine)
    except (NotGreen, ObjectStorageError, PublishError, WarehouseBusy) as error:
        raise BuildError(str(error)) from error
    return BuildReport(landed, run.nodes, time.monotonic() - started, published)


def prepare_manifest(
    data_dir: Path, *, project_dir: Path = DBT_PROJECT, target: str | None = None
) -> Path:
    """The dbt manifest, parsed anew only when the project has changed since.

    `target` is the engine that it is parsed for then, in place of `KITH_TARGET`.
    """
    manifest = data_dir / "dbt" / "target" / "manifest.json"
    if _is_fresh(manifest, project_dir):
        return manifest
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with (data_dir / "dbt" / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fresh(manifest, project_dir):
            engine = read_target(project_dir, target)
            require(engine, data_dir)
            run = run_dbt(
                ["parse"],
                data_dir=data_dir,
                project_dir=project_dir,
                target=engine.name,
            )
            if not run.succeeded:
                raise BuildError(f"dbt cannot read {project_dir}:\n{run.problem}")
    return manifest


def _build_models(
    data_dir: Path,
    *,
    project_dir: Path,
    target: Target,
    moment: datetime | None,
    select: str | None,
    full_refresh: bool,
    unit_tests: bool,
    on_node: Callable[[NodeResult], None] | None,
    on_warning: Callable[[str], None] | None,
) -> DbtRun:
    started_at = datetime.now(UTC)
    arguments = ["build"]
    if select is not None:
        arguments += ["--select", select]
    if full_refresh:
        arguments.append("--full-refresh")
    if not unit_tests:
        arguments += WITHOUT_UNIT_TESTS
    before = unproven(data_dir, target)
    run = run_dbt(
        arguments,
        data_dir=data_dir,
        project_dir=project_dir,
        target=target.name,
        moment=moment,
        on_start=lambda: start_of_build(data_dir, target),
        on_node=on_node,
    )
    if run.problem:
        raise BuildError(f"dbt could not build; nothing was published.\n{run.problem}")
    outcomes = {node.unique_id: node.status in ("ok", "warn") for node in run.nodes}
    end_of_build(
        data_dir, target, outcomes, before=before, of_everything=select is None
    )
    append_build(
        CollectorSettings(data_dir=data_dir).raw_place(),
        (NodeCost(node.unique_id, node.status, node.seconds) for node in run.nodes),
        target=target.name,
        started_at=started_at,
        on_warning=on_warning or (lambda message: None),
    )
    if not run.succeeded:
        raise _failure(run.nodes)
    return run


def _failure(nodes: tuple[NodeResult, ...]) -> BuildError:
    failed = tuple(node for node in nodes if node.status == "error")
    skipped = sum(node.status == "skipped" for node in nodes)
    lines = ["The build failed; nothing was published."]
    for node in failed:
        message = "\n    ".join(node.message.splitlines())
        lines.append(f"- {node.kind} {node.name} ({node.path}):\n    {message}")
    if skipped:
        lines.append(f"{skipped} more were skipped, because they need the ones above.")
    return BuildError("\n".join(lines), nodes=failed)


def _is_fresh(manifest: Path, project_dir: Path) -> bool:
    if not manifest.exists():
        return False
    parsed_at = manifest.stat().st_mtime
    return all(path.stat().st_mtime < parsed_at for path in _parsed(project_dir))


def _parsed(project_dir: Path) -> Iterator[Path]:
    """Files that dbt parses, and their folders: these change when a file is removed.

    Not the project's own folder: whoever types `dbt` makes one for its log in there.
    """
    for parent, folders, files in os.walk(project_dir):
        folders[:] = [name for name in folders if name not in _NOT_PARSED]
        parsed = [name for name in files if Path(name).suffix in _PARSED]
        yield from (Path(parent, name) for name in folders + parsed)
