"""`kith plan lint`: tracking calls in source code that break the plan."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import err, out, print_json, shown

if TYPE_CHECKING:
    from orchestration.plans.lint import Finding

Places = Annotated[
    list[Path],
    typer.Argument(
        metavar="SOURCE_DIR", help="Folders or files of source code.", exists=True
    ),
]
Clients = Annotated[
    list[str] | None,
    typer.Option("--client", help="A further name of a tracking client; repeatable."),
]


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(lint)


def lint(
    places: Places,
    client: Clients = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also show what was not checked.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the findings as one JSON object.")
    ] = False,
) -> None:
    """Find tracking calls in Python, JavaScript and TypeScript that break the plan.

    Calls of track, identify, group, page and screen on what is named like analytics,
    segment, rudder or client. Exit code 1 when one of them breaks the plan.
    """
    from orchestration.plans.lint import lint as look_at
    from orchestration.plans.loading import load_checkout

    plan = load_checkout().plan
    report = look_at(places, plan, clients=frozenset(client or ()))
    if as_json:
        print_json(
            {
                "files": report.files,
                "calls": report.calls,
                "problems": [_as_dict(one) for one in report.problems],
                "not_checked": [_as_dict(one) for one in report.not_checked],
            }
        )
    else:
        both = (*report.problems, *(report.not_checked if verbose else ()))
        for one in sorted(both):
            line = f"{shown(one.file)}:{one.line}: {one.kind}: {one.message}"
            out.print(line, markup=False)
        err.print(
            f"{report.calls} tracking calls in {report.files} files: "
            f"{len(report.problems)} problems, {len(report.not_checked)} not checked"
        )
    if report.problems:
        raise typer.Exit(1)


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "file": shown(finding.file)}
