"""`kith test`: everything that must hold before a change may land."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.output import err, out
from orchestration.cli.problems import Problem


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("test")(run_checks)


def run_checks(
    slow: Annotated[
        bool, typer.Option("--slow", help="Also run the tests marked slow.")
    ] = False,
    clients: Annotated[
        bool,
        typer.Option(
            "--clients",
            help="Also install the other real clients and test with them; "
            "those of browsers need Node and Chromium.",
        ),
    ] = False,
) -> None:
    """Run every check and test that CI runs.

    Style, types, layering, SQL, then the test suite. Every one of them runs, and the
    last line says which failed.
    """
    from orchestration.project import ROOT

    if not (Path(sys.executable).parent / "pytest").exists():
        raise Problem("the test tools are missing; remove .venv and run ./kith again")
    checks = _checks(slow=slow, clients=clients)
    failed = [name for name, command in checks if not _run(name, command, ROOT)]
    if failed:
        err.print(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)
    out.print("all checks passed")


def _checks(*, slow: bool, clients: bool) -> list[tuple[str, list[str]]]:
    left_out = [
        f"not {marker}"
        for marker, wanted in (("slow", slow), ("clients", clients))
        if not wanted
    ]
    selection = ["-m", " and ".join(left_out)] if left_out else []
    return [
        ("style", ["ruff", "check", "."]),
        ("format", ["ruff", "format", "--check", "."]),
        ("types", ["mypy"]),
        ("layers", ["lint-imports"]),
        ("sql", ["sqlfluff", "lint", "--disable-progress-bar", "dbt_project/models"]),
        ("tests", ["pytest", *selection]),
    ]


def _run(name: str, command: list[str], root: Path) -> bool:
    out.print(f"[bold]== {name}[/bold]")
    started = time.monotonic()
    program = Path(sys.executable).parent / command[0]
    result = subprocess.run([program, *command[1:]], cwd=root, check=False)  # noqa: S603 - our own tools
    verdict = "ok" if result.returncode == 0 else f"exit code {result.returncode}"
    out.print(f"== {name}: {verdict}, {time.monotonic() - started:.0f} s")
    return result.returncode == 0
