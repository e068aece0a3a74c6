"""`kith test`: everything that must hold before a change may land."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.output import err, out
from orchestration.cli.personas import try_personas
from orchestration.cli.problems import Problem

# The folders of tests that take longest, the longest first: begun early, none of them
# runs on alone after everything else has ended.
_LONGEST = (
    *("dbt", "orchestration", "engines", "activations", "collector", "identity"),
    *("e2e", "traits", "audiences", "clients", "profiles"),
)


@dataclass(frozen=True)
class Check:
    """One program to run; exit code 0 says that all is well."""

    name: str
    command: list[str]


@dataclass(frozen=True)
class Outcome:
    """How a check ended, and all that it printed."""

    check: Check
    exit_code: int
    seconds: float
    cpu_seconds: float
    printed: str


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Run every check and test, or the personas alone.")
    group.callback(invoke_without_command=True)(run_checks)
    group.command("personas")(try_personas)
    app.add_typer(group, name="test")


def run_checks(
    context: typer.Context,
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

    Style, types, layering, SQL, and each folder of tests, several at a time. What one
    printed is shown when it ends, and the last line says which failed.
    """
    from orchestration.project import ROOT

    if context.invoked_subcommand is not None:
        return
    if not (Path(sys.executable).parent / "pytest").exists():
        raise Problem("the test tools are missing; remove .venv and run ./kith again")
    failed = []
    for outcome in run_all(all_checks(ROOT, slow=slow, clients=clients), ROOT):
        _show(outcome)
        if outcome.exit_code:
            failed.append(outcome.check.name)
    if failed:
        err.print(f"failed: {', '.join(failed)}")
        raise typer.Exit(1)
    out.print("all checks passed")


def all_checks(root: Path, *, slow: bool = False, clients: bool = False) -> list[Check]:
    """What CI runs; each folder of tests is a check of its own."""
    left_out = [
        f"not {marker}"
        for marker, wanted in (("slow", slow), ("clients", clients))
        if not wanted
    ]
    selection = ["-m", " and ".join(left_out)] if left_out else []
    return [
        Check("style", ["ruff", "check", "."]),
        Check("format", ["ruff", "format", "--check", "."]),
        *(
            Check(place, ["pytest", "--quiet", *selection, place])
            for place in _places_of_tests(root)
        ),
        Check("types", ["mypy"]),
        Check(
            "sql", ["sqlfluff", "lint", "--disable-progress-bar", "dbt_project/models"]
        ),
        Check("layers", ["lint-imports"]),
        Check("personas", ["kith", "test", "personas"]),
    ]


def _places_of_tests(root: Path) -> list[str]:
    """The folders (and loose files) of tests, those that take longest first."""
    tests = root / "tests"
    names = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py")}
    known = [name for name in _LONGEST if name in names]
    return [f"tests/{name}" for name in (*known, *sorted(names.difference(known)))]


def run_all(checks: list[Check], root: Path) -> Iterator[Outcome]:
    """Run the checks side by side; they come in the order in which they end.

    One more at a time than there are processors, because the tests of services spend
    half of their time waiting.
    """
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as pool:
        running: list[Future[Outcome]] = [
            pool.submit(_run, check, root) for check in checks
        ]
        try:
            for finished in as_completed(running):
                yield finished.result()
        finally:
            # After Ctrl-C, which ends the programs too, no other one is begun.
            pool.shutdown(wait=False, cancel_futures=True)


def _run(check: Check, root: Path) -> Outcome:
    started = time.monotonic()
    program = Path(sys.executable).parent / check.command[0]
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        with (
            subprocess.Popen(  # noqa: S603 - our own tools
                [program, *check.command[1:]],
                cwd=root,
                stdout=printed,
                stderr=subprocess.STDOUT,
            ) as running
        ):
            # Waits as `running` would, and is told what it used, children included.
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        return Outcome(
            check,
            exit_code=running.returncode,
            seconds=time.monotonic() - started,
            cpu_seconds=used.ru_utime + used.ru_stime,
            printed=printed.read(),
        )


def _show(outcome: Outcome) -> None:
    name, code = outcome.check.name, outcome.exit_code
    out.print(f"[bold]== {name}[/bold]")
    sys.stdout.write(outcome.printed.rstrip("\n") + "\n" if outcome.printed else "")
    verdict = "ok" if code == 0 else f"exit code {code}"
    used = f"{outcome.seconds:.0f} s, {outcome.cpu_seconds:.0f} s of processor time"
    out.print(f"== {name}: {verdict}, {used}")
