"""`kith check`: everything that is configured, loaded; every problem at once."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orchestration.cli.output import err, out, print_json


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(check)


def check(
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Also compare the tracking plan with the events of the last build.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the problems as one JSON object.")
    ] = False,
) -> None:
    """List every problem in the configuration.

    Loads sources, models, the tracking plan, destinations, manifests, syncs and alerts.
    Calls nobody and changes nothing. Exit code 1 when there is a problem.
    """
    problems = [
        *_source_problems(),
        *_model_and_sync_problems(with_data=data),
        *_alert_problems(),
    ]
    if as_json:
        print_json({"problems": problems})
    else:
        for problem in problems:
            err.print(problem, markup=False)
        if not problems:
            out.print("no problems found")
    if problems:
        raise typer.Exit(1)


def _source_problems() -> list[str]:
    from collector.errors import SourcesError
    from collector.settings import CollectorSettings
    from collector.sources import DEVELOPMENT_KEY, ensure_development_key, load_sources

    settings = CollectorSettings()
    key, _ = ensure_development_key(settings.secrets_dir)
    try:
        load_sources(settings.sources, environ={DEVELOPMENT_KEY: key, **os.environ})
    except SourcesError as error:
        return str(error).splitlines()
    return []


def _alert_problems() -> tuple[str, ...]:
    """Problems of the channels, where the accounts that they name can be read."""
    from activations.destinations import load_destinations
    from activations.errors import ConfigError
    from activations.manifest import load_catalog
    from orchestration.alerts.channels import channel_problems
    from orchestration.project import alerts_file, destinations_file

    try:
        accounts = load_destinations(destinations_file(), catalog=load_catalog())
    except ConfigError:
        return ()  # told with the syncs
    return channel_problems(alerts_file(), accounts)


def _model_and_sync_problems(*, with_data: bool) -> list[str]:
    """Problems of the models and all that needs them, if they can be read at all."""
    from activations import find_problems
    from orchestration.audiences.problems import audience_problems
    from orchestration.conditions.catalogue import read_catalogue
    from orchestration.lookups.compiling import lookup_problems
    from orchestration.membership_problems import membership_problems
    from orchestration.personas.run import persona_problems
    from orchestration.plan_problems import data_problems, plan_problems
    from orchestration.project import (
        DBT_PROJECT,
        PERSONAS,
        BuildError,
        data_dir,
        destinations_file,
        prepare_manifest,
    )
    from orchestration.traits.compiling import trait_problems
    from profiles.settings import ProfilesSettings

    try:
        manifest = prepare_manifest(data_dir())
    except BuildError as error:
        return [str(error)]
    problems = plan_problems(manifest, DBT_PROJECT)
    catalogue = read_catalogue(manifest)
    problems += lookup_problems(DBT_PROJECT, catalogue)
    problems += trait_problems(DBT_PROJECT, catalogue)
    if with_data:
        published_dir = ProfilesSettings().published_dir
        problems += data_problems(manifest, DBT_PROJECT, published_dir)
    problems += audience_problems(manifest, DBT_PROJECT)
    problems += membership_problems(manifest, DBT_PROJECT)
    problems += find_problems(data_dir(), destinations_file=destinations_file())
    problems += persona_problems(manifest, PERSONAS)
    return problems
