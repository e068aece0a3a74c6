"""`kith lookup`: what the warehouse knows of the things that events name."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.cli.output import err, out


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(_group)
    group.command("compile")(compile_all)
    app.add_typer(
        group, name="lookup", help="Lookups: events with what the warehouse knows."
    )


def _group() -> None:
    """Keep `compile` a command of its own, though there is no other."""


def compile_all(
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also replace what was written by hand."),
    ] = False,
) -> None:
    """Write the models that enrich events, and the view that counts what was found.

    Lookups are declared in the yml of a model in models/events, under
    config.meta.enriches and config.meta.lookups. The models are ordinary SQL, to be
    committed. Exit code 1 when a lookup has a mistake; then nothing is written.
    """
    from orchestration.conditions.catalogue import read_catalogue
    from orchestration.lookups.compiling import compile_lookups, forget_counts
    from orchestration.project import DBT_PROJECT, data_dir, prepare_manifest

    forget_counts(DBT_PROJECT)
    catalogue = read_catalogue(prepare_manifest(data_dir()))
    changes, problems = compile_lookups(DBT_PROJECT, catalogue, overwrite=overwrite)
    for change in changes:
        out.print(change, markup=False)
    if not changes and not problems:
        out.print("all models are what the lookups give")
    for problem in problems:
        err.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)
