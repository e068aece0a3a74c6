"""`kith trait`: traits that are declared in yml, as models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli.output import err, out, print_json


class Per(StrEnum):
    """Whose traits."""

    PROFILE = "profile"
    ACCOUNT = "account"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        help="Traits: what is computed of each person and account.",
        no_args_is_help=True,
    )
    group.command("compile")(compile_traits)
    group.command("list")(list_traits)
    group.command("asof")(traits_as_of)
    app.add_typer(group, name="trait")


def compile_traits(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Models of traits, as traits_orders.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Compile every model that declares traits.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also replace what was written by hand."),
    ] = False,
) -> None:
    """Compile the traits that a yml declares to the model beside it.

    The model is ordinary SQL, to be committed. Once it has been edited it is kept as it
    is, unless --overwrite is given. Exit code 1 when a definition has a mistake.

    For example: kith trait compile traits_shopping
    """
    from orchestration.cli.problems import Problem
    from orchestration.conditions.catalogue import read_catalogue
    from orchestration.conditions.docs_blocks import add_missing
    from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest
    from orchestration.traits.compiling import FOLDER, compile_topics, write_topics

    if bool(names) == everything:
        raise Problem("name models of traits, or give --all")
    add_missing(DBT_PROJECT / FOLDER)
    catalogue = read_catalogue(prepare_manifest(data_dir()))
    compiled, problems = compile_topics(DBT_PROJECT, catalogue, names or ())
    changes, kept = write_topics(
        DBT_PROJECT,
        compiled,
        overwrite=overwrite,
        are_all=everything and not problems,
    )
    problems += kept
    for change in changes:
        out.print(change, markup=False)
    if not changes and not problems:
        out.print("all models are what their definitions give")
    for problem in problems:
        err.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)


def list_traits(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the traits as one JSON object.")
    ] = False,
) -> None:
    """List all traits: what they are, where they stand, who computes them."""
    from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest
    from orchestration.traits.listing import list_all

    traits = list_all(prepare_manifest(data_dir()), DBT_PROJECT)
    if as_json:
        print_json({"traits": [trait.as_json for trait in traits]})
        return
    table = Table(box=None, pad_edge=False)
    for name in ("trait", "type", "made by", "description"):
        table.add_column(name)
    for trait in traits:
        words = (trait.name, trait.data_type, trait.made_by, trait.description)
        table.add_row(*(escape(word) for word in words))
    out.print(table)


def traits_as_of(
    time: Annotated[
        str, typer.Argument(help="A date or time, UTC, as 2026-01-31.", metavar="TIME")
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Compiled models; all without it.", show_default=False),
    ] = None,
    per: Annotated[Per, typer.Option(help="Whose traits.")] = Per.PROFILE,
    with_late: Annotated[
        bool,
        typer.Option(
            "--with-late", help="Count events too that came in later, as imported ones."
        ),
    ] = False,
    to: Annotated[
        Path | None, typer.Option("--out", help="Write them there, as Parquet.")
    ] = None,
) -> None:
    """Tell the traits as they were at a time, from the events known by then.

    Runs the compiled models as of then over the last published build. Events that came
    in later do not count, however old they are: what a model learns from these is what
    it will be asked with. Who is who is told as of today.

    For example: kith trait asof 2026-10-01 traits_shopping --out october.parquet
    """
    import pyarrow.parquet as parquet

    from orchestration.cli.output import require_folder, shown
    from orchestration.cli.problems import Problem
    from orchestration.conditions.windows import read_time
    from orchestration.project import DBT_PROJECT, data_dir
    from orchestration.traits import asof
    from profiles.settings import ProfilesSettings

    at = read_time(time)
    if at is None:
        raise Problem(
            f"'{time}' is no time; write it as 2026-01-31 or 2026-01-31T12:00"
        )
    if to is not None:
        require_folder(to)
    found = asof.traits_as_of(
        at,
        per=per.value,
        data_dir=data_dir(),
        project_dir=DBT_PROJECT,
        published_dir=ProfilesSettings().published_dir,
        names=names or (),
        with_late=with_late,
    )
    if to is not None:
        parquet.write_table(found, to)
        out.print(f"wrote {shown(to)}", markup=False)
    out.print(f"{found.num_rows} {per.value}s at {at.isoformat()}", markup=False)
    for name, column in zip(found.column_names[1:], found.columns[1:], strict=True):
        known = found.num_rows - column.null_count
        out.print(f"  {name}: known of {known}", markup=False)
