"""`kith build`: from raw facts to the published database."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orchestration.cli.output import err, out, print_json, shown

if TYPE_CHECKING:
    from orchestration.dbt_runs import NodeResult
    from orchestration.project import BuildReport


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(build)


def build(
    select: Annotated[
        str | None,
        typer.Option(help="Build only these models, as in dbt: `vip_customers+`."),
    ] = None,
    full_refresh: Annotated[
        bool,
        typer.Option(
            "--full-refresh", help="Rebuild incremental models from raw facts."
        ),
    ] = False,
    unit_tests: Annotated[
        bool,
        typer.Option(
            "--unit-tests",
            help="Also run dbt's unit tests, which bring their own rows: for those "
            "who change SQL.",
        ),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            help="The engine that builds, as in dbt_project/profiles.yml: `duckdb`, "
            "`spark`. Without it KITH_TARGET says which."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Build, test and publish the warehouse.

    Lands collected events first, then runs all models and the tests of their data.
    Nothing is published when one fails; readers keep the last good build.
    """
    from profiles.settings import ProfilesSettings

    data_dir = ProfilesSettings().data_dir
    report = build_with_progress(
        data_dir,
        select=select,
        full_refresh=full_refresh,
        unit_tests=unit_tests,
        target=target,
    )
    counts = report.counts
    if as_json:
        print_json(
            {
                "seconds": round(report.seconds, 1),
                "nodes": counts,
                "landed": report.landed.rows,
                "warnings": [
                    asdict(node) for node in report.nodes if node.status == "warn"
                ],
            }
        )
        return
    for node in report.nodes:
        if node.status == "warn":
            err.print(f"warning: {node.kind} {node.name}: {node.message}")
    out.print(
        f"built {counts['ok']} models and tests in {report.seconds:.0f} s; "
        f"published {shown(data_dir / 'published' / 'current.duckdb')}"
    )


def build_with_progress(
    data_dir: Path,
    *,
    select: str | None = None,
    full_refresh: bool = False,
    unit_tests: bool = False,
    target: str | None = None,
    moment: datetime | None = None,
) -> BuildReport:
    """Build, showing on standard error which model or test was done last."""
    from orchestration.project import DBT_PROJECT
    from orchestration.project import build as build_project
    from orchestration.targets import read_target, require

    # Before there is any progress to show.
    require(read_target(DBT_PROJECT, target), data_dir)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}"),
        console=err,
        transient=True,
        # Drawing takes processor time from the build.
        refresh_per_second=4,
        disable=not err.is_terminal,
    ) as progress:
        task = progress.add_task("building the warehouse", total=None, last="")

        def on_node(node: NodeResult) -> None:
            progress.update(task, advance=1, last=node.name)

        def on_wait(message: str) -> None:
            progress.update(task, last=message)

        def on_warning(message: str) -> None:
            progress.console.print(f"warning: {message}", markup=False)

        return build_project(
            data_dir,
            select=select,
            full_refresh=full_refresh,
            unit_tests=unit_tests,
            target=target,
            moment=moment,
            on_node=on_node,
            on_wait=on_wait,
            on_warning=on_warning,
        )
