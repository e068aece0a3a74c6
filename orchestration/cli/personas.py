"""`kith test personas`: made-up people, and what Kith has to know of them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import err, out, print_json, shown

if TYPE_CHECKING:
    from orchestration.personas.coverage import Condition
    from orchestration.personas.judging import Failure
    from orchestration.personas.run import Report


def try_personas(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Persona files, or folders of them; without any, tests/personas.",
            show_default=False,
        ),
    ] = None,
    minimum_coverage: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            metavar="PERCENT",
            help="Fail when less of the audiences' conditions was seen true and false.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Send made-up people through the models, and see what Kith knows of them.

    A persona has events, and says for times of its own clock what its profile, traits
    and audiences have to be. All of them are built together, by the models as they
    stand, beside your data. Exit code 1 when something is not as it should be.
    """
    from orchestration.personas import run
    from orchestration.project import DBT_PROJECT, PERSONAS, data_dir

    places = files or [PERSONAS]
    report = run.try_personas(
        run.find_files([place.resolve() for place in places]),
        data_dir=data_dir(),
        project_dir=DBT_PROJECT,
        of_everything=not files,
    )
    covered = 100 * report.coverage
    is_too_little = minimum_coverage is not None and covered < minimum_coverage
    if as_json:
        print_json(_document(report))
    else:
        _tell(report)
    if is_too_little:
        err.print(f"coverage is {covered:.0f} %, and has to be {minimum_coverage:g} %")
    if report.problems or report.failures or is_too_little:
        raise typer.Exit(1)


def _document(report: Report) -> dict[str, Any]:
    return {
        "personas": report.personas,
        "checkpoints": report.checkpoints,
        "builds": report.builds,
        "seconds": round(report.seconds, 1),
        "problems": [
            asdict(problem) | {"file": shown(problem.file)}
            for problem in report.problems
        ],
        "failures": [
            asdict(failure) | {"file": shown(failure.file)}
            for failure in report.failures
        ],
        "coverage": {
            "share": round(report.coverage, 4),
            "conditions": [asdict(condition) for condition in report.conditions],
        },
    }


def _tell(report: Report) -> None:
    for problem in report.problems:
        place = f"{shown(problem.file)}:{problem.line}"
        err.print(f"{place}: {problem.message}", markup=False)
    for failure in report.failures:
        err.print(_failure(failure), markup=False)
    if report.problems:
        return
    for condition in report.conditions:
        if condition.sides < 2:
            out.print(_uncovered(condition), markup=False)
    counts = f"{report.personas} personas, {report.checkpoints} checkpoints"
    number = len(report.failures)
    failures = f"{number} failure{'' if number == 1 else 's'}"
    verdict = failures if number else "all as expected"
    out.print(
        f"{counts}: {verdict}, in {report.seconds:.1f} s; {report.coverage:.0%} of the "
        "audiences' conditions were seen true and false"
    )


def _failure(failure: Failure) -> str:
    whose = f"{failure.persona} ({failure.checkpoint})"
    return (
        f"{shown(failure.file)}:{failure.line}: {whose}: {failure.what}: "
        f"expected {_value(failure.expected)}, found {_value(failure.found)}"
    )


def _uncovered(condition: Condition) -> str:
    never = [
        word
        for word, seen in (
            ("true", condition.seen_true),
            ("false", condition.seen_false),
        )
        if not seen
    ]
    return f"never {' or '.join(never)}: {condition.audience}: {condition.words}"


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
