"""`kith verify`: whether two engines make the same of the same raw facts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import err, out, print_json, shown
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.verification.comparison import TableComparison

# The day after the last made-up event; engines take it for now.
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
MOMENT = UNTIL + timedelta(hours=1)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(verify)


def verify(
    built: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIRECTORY DIRECTORY]",
            help="Two data directories that were built already.",
            show_default=False,
        ),
    ] = None,
    engines: Annotated[
        str,
        typer.Option(
            help="The two targets that build, as in dbt_project/profiles.yml."
        ),
    ] = "duckdb,spark",
    data: Annotated[
        str,
        typer.Option(help="`demo`, or a data directory whose raw facts are built."),
    ] = "demo",
    generated: Annotated[
        int | None,
        typer.Option(min=1, help="Build so many made-up events, a tenth of them odd."),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the builds where they are.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Build the same raw facts with two engines, and compare all that they publish.

    Every table and view is compared by its columns, its number of rows and a hash of
    all values; of one that differs the first differing row is told. The exit code is
    1 when anything differs.
    """
    from profiles.settings import ProfilesSettings

    if built:
        found = _of_directories(built)
    else:
        found = _of_engines(
            _pair(engines),
            ProfilesSettings().data_dir,
            data,
            generated=generated,
            keep=keep,
        )
    compared = []
    for table in found:
        compared.append(table)
        if not as_json:
            _show(table)
    wrong = [table for table in compared if not table.is_equal]
    if as_json:
        print_json(
            {
                "tables": len(compared),
                "rows": sum(table.rows[0] or 0 for table in compared),
                "differences": [_as_json(table) for table in wrong],
                "left_out": {
                    _name(table): table.left_out for table in compared if table.left_out
                },
            }
        )
    else:
        _sum_up(compared, wrong)
    if wrong:
        raise typer.Exit(1)


def _of_engines(
    engines: tuple[str, str],
    data_dir: Path,
    data: str,
    *,
    generated: int | None,
    keep: bool,
) -> Iterable[TableComparison]:
    from orchestration.cli.build import build_with_progress
    from orchestration.verification import facts
    from orchestration.verification.run import compare_engines, scratch

    moment = MOMENT
    with scratch(data_dir, keep=keep) as place:
        source = place / "facts"
        if generated is not None:
            err.print(f"• making up {generated:,} events")
            facts.write_generated(source, events=generated, until=UNTIL)
        elif data == "demo":
            err.print("• telling the story of the demo's shop")
            facts.write_demo(source, until=UNTIL)
        else:
            source, moment = Path(data), datetime.now(UTC)
            if not (source / "raw").is_dir():
                raise Problem(f"{source} holds no raw facts: there is no {source}/raw.")

        def build(directory: Path, engine: str, now: datetime) -> None:
            err.print(f"• building with {engine}")
            report = build_with_progress(directory, target=engine, moment=now)
            err.print(f"  {report.seconds:.0f} s")

        yield from compare_engines(engines, source, place, moment=moment, build=build)
        if keep:
            err.print(f"the builds are in {shown(place)}")


def _of_directories(built: list[Path]) -> Iterable[TableComparison]:
    from orchestration.verification.run import compare_directories

    if len(built) != 2 or built[0] == built[1]:
        raise Problem("name two data directories to compare, or none.")
    directories = {str(directory): directory for directory in built}
    return compare_directories(directories, same_moment=False)


def _pair(engines: str) -> tuple[str, str]:
    names = [name.strip() for name in engines.split(",")]
    if len(set(names)) != 2:
        raise Problem(
            f"--engines takes two targets, as in duckdb,spark; not '{engines}'."
        )
    return names[0], names[1]


def _show(table: TableComparison) -> None:
    if table.is_equal:
        without = f", without {', '.join(table.left_out)}" if table.left_out else ""
        out.print(f"equal    {_name(table)}  {table.rows[0]:,} rows{without}")
        return
    out.print(f"[bold]differs[/bold]  {_name(table)}  {_difference(table)}")
    for column in table.columns:
        out.print(f"         {column}", markup=False)
    if table.first:
        out.print(f"         {table.first}", markup=False)


def _difference(table: TableComparison) -> str:
    one, other = table.rows
    if one is None or other is None:
        which = "first" if other is None else "second"
        return f"only the {which} has it, with {one or other or 0:,} rows"
    if not any(table.differing):
        return f"{one:,} rows, but other columns"
    left, right = table.differing
    return (
        f"{one:,} and {other:,} rows; {left:,} only in the first, "
        f"{right:,} only in the second"
    )


def _sum_up(compared: list[TableComparison], wrong: list[TableComparison]) -> None:
    rows = sum(table.rows[0] or 0 for table in compared)
    if wrong:
        names = ", ".join(_name(table) for table in wrong)
        out.print(f"{len(wrong)} of {len(compared)} tables differ: {names}")
    else:
        out.print(f"all {len(compared)} tables are equal, row for row: {rows:,} rows")


def _name(table: TableComparison) -> str:
    return f"{table.schema}.{table.table}"


def _as_json(table: TableComparison) -> dict[str, object]:
    return {
        "table": _name(table),
        "rows": table.rows,
        "hashes": table.hashes,
        "columns": table.columns,
        "differing": table.differing,
        "first": table.first,
    }
