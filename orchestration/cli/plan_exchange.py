"""`kith plan import` and `export`: Segment's tracking plan as JSON, or as CSV."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import out, require_folder, shown
from orchestration.cli.plan_files import AsJson, DryRun, Force, finish
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from collector.plan import Plan


class Format(StrEnum):
    """What a plan can be written as."""

    JSON = "json"
    CSV = "csv"


File = Annotated[
    Path, typer.Argument(metavar="FILE", help="plan.json or plan.csv", exists=True)
]


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command("import")(import_plan)
    group.command("export")(export_plan)


def import_plan(
    file: File, force: Force = False, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Write event models for a tracking plan of Segment, JSON or CSV.

    What is planned so already is left alone. Exit code 1 when the plan has no word for
    something, or when a file says something else and is kept.
    """
    from orchestration.plans.importing import files_for
    from orchestration.plans.loading import load_checkout

    left: list[str] = []
    imported = _read(file, left)
    checkout = load_checkout()
    wanted = files_for(
        imported,
        checkout.plan,
        left,
        models=checkout.models,
        project_dir=checkout.project_dir,
    )
    finish(wanted, force=force, dry_run=dry_run, as_json=as_json, left=left)


def export_plan(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="plan.json or plan.csv; else it is shown."),
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="What to write, when no file says it.")
    ] = None,
) -> None:
    """Write the tracking plan as Segment's JSON, or as CSV."""
    from orchestration.plans.loading import load_checkout
    from orchestration.plans.segment_json import NotAPlan, to_segment
    from orchestration.plans.spreadsheet import to_csv

    if file is not None:
        require_folder(file)
    wanted = format or (_format_of(file) if file else Format.JSON)
    plan = load_checkout().plan
    try:
        if wanted is Format.CSV:
            text = to_csv(plan)
        else:
            document = to_segment(plan, name="Kith")
            text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    except NotAPlan as error:
        raise Problem(str(error)) from error
    if file is None:
        out.print(text, markup=False, end="")
        return
    file.write_text(text, encoding="utf-8", newline="")
    out.print(f"wrote {len(plan.events)} events to {shown(file)}", markup=False)


def _read(file: Path, left: list[str]) -> Plan:
    from orchestration.plans.segment_json import NotAPlan, from_segment
    from orchestration.plans.spreadsheet import from_csv

    try:
        text = file.read_text("utf-8-sig")
        if _format_of(file) is Format.CSV:
            return from_csv(text, left)
        return from_segment(json.loads(text), left)
    except (NotAPlan, OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Problem(f"{file} is no tracking plan: {error}") from error


def _format_of(file: Path) -> Format:
    try:
        return Format(file.suffix.lower().removeprefix("."))
    except ValueError:
        raise Problem(f"{file}: a plan is a .json or a .csv file.") from None
