"""`kith audience`: definitions of audiences, from yml to models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.audience_freeze import freeze
from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.audiences.definitions import Definitions
    from orchestration.audiences.preview import Preview
    from orchestration.conditions.catalogue import Catalogue

group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group.command("freeze")(freeze)
    app.add_typer(
        group, name="audience", help="Audiences: compile, preview, list, freeze."
    )


@group.command("compile")
def compile_definitions(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Audiences; all without any.", show_default=False),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All audiences that have a definition.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Also replace files that were edited by hand."
        ),
    ] = False,
) -> None:
    """Write the models that the definitions of audiences give.

    A definition stands in the yml of its audience, under config.meta.definition. What
    audiences ask about events is computed in models that they share:
    models/audiences/conditions.
    """
    from orchestration.audiences.compiling import compile_audiences, orphans
    from orchestration.conditions.model_files import WrittenByHand
    from orchestration.project import DBT_PROJECT

    if everything and names:
        raise Problem("name audiences, or say --all, not both")
    _, definitions = _read()
    problems = definitions.problems + orphans(definitions, DBT_PROJECT)
    if problems:
        raise Problem("\n".join(["nothing was compiled:", *problems]))
    if unknown := sorted(set(names or ()) - set(definitions.found)):
        raise Problem(
            f"no definition of {', '.join(unknown)} in models/audiences. Definitions: "
            f"{', '.join(definitions.found) or 'none'}."
        )
    try:
        compiled = compile_audiences(
            definitions,
            DBT_PROJECT,
            names=frozenset(names) if names else None,
            overwrite=overwrite,
        )
    except WrittenByHand as error:
        raise Problem(str(error)) from error
    for file in compiled.written:
        out.print(f"wrote {file}", markup=False)
    for file in compiled.removed:
        out.print(f"removed {file}", markup=False)
    if not compiled.written and not compiled.removed:
        out.print("everything is as the definitions say")
    if compiled.stale:
        err.print(f"not as their definitions say yet: {', '.join(compiled.stale)}")


@group.command("list")
def list_audiences(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the audiences as one JSON object.")
    ] = False,
) -> None:
    """Show every audience: its size as last published, its owner, its definition."""
    from orchestration.audiences.listing import list_all

    catalogue, definitions = _read()
    listed = list_all(catalogue, definitions)
    if as_json:
        print_json({"audiences": [asdict(one) for one in listed]})
        return
    for one in listed:
        size = "not built" if one.members is None else f"{one.members:,} members"
        out.print(f"{one.audience}  {size}  {one.owner or 'no owner'}", markup=False)
        out.print(f"  {one.definition or 'written in SQL'}", markup=False)


@group.command("preview")
def show_preview(
    file: Annotated[
        Path,
        typer.Argument(
            help="The yml of an audience, or one with nothing but a definition.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Show who would be in an audience, without building anything.

    Asks the published database: how many, a few of them, who would enter and exit
    against the members of today, and how many meet each condition by itself. For
    example: kith audience preview dbt_project/models/audiences/vip_customers.yml
    """
    from orchestration.audiences.definitions import read_file
    from orchestration.audiences.preview import preview

    catalogue, _ = _read()
    made = preview(read_file(file, catalogue), catalogue)
    if as_json:
        print_json(asdict(made))
    else:
        _show(made)


def _show(made: Preview) -> None:
    """Print what a person would look at."""
    lines = [made.definition, f"{made.size:,} of {made.profiles:,} profiles"]
    if made.current is None:
        lines.append("not built yet, so there is nobody to compare with")
    else:
        lines.append(
            f"{made.current:,} members now; {made.entries:,} would enter, "
            f"{made.exits:,} exit"
        )
    lines += [f"  {one.profiles:,} meet: {one.words}" for one in made.conditions]
    for row in made.sample:
        said = ", ".join(f"{name} {value}" for name, value in row.items())
        lines.append(f"  {said}")
    for line in lines:
        out.print(line, markup=False)


def _read() -> tuple[Catalogue, Definitions]:
    """The catalogue and the definitions of this checkout."""
    from orchestration.audiences.definitions import FOLDER, read_definitions
    from orchestration.conditions.catalogue import read_catalogue
    from orchestration.conditions.docs_blocks import add_missing
    from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest

    add_missing(DBT_PROJECT / FOLDER)
    catalogue = read_catalogue(prepare_manifest(data_dir()))
    return catalogue, read_definitions(DBT_PROJECT, catalogue)
