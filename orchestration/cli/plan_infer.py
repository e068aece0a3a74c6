"""`kith plan infer`: a plan for what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.plan_files import AsJson, DryRun, Force, finish
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.plans.infer import Key, Seen


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(infer)


def infer(
    since: Annotated[
        str, typer.Option(help="Look at what was received in this time: 24h, 7d, 4w.")
    ] = "7d",
    planned_too: Annotated[
        bool,
        typer.Option(
            "--all", help="Also events that are planned; they are planned anew."
        ),
    ] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write event models for events that were seen and that nothing plans.

    Types, lists of values and what is always there are taken from the published
    events, so that none of them breaks the new plan. A draft: read it, then commit it.
    """
    from orchestration.plans.infer import infer as plan_for
    from orchestration.plans.loading import load_checkout
    from orchestration.plans.pairs import pairs, without_version
    from orchestration.plans.writing import changes

    checkout = load_checkout()
    seen = _look(since)
    events = plan_for(
        seen, checkout.plan, models=checkout.models, planned_too=planned_too
    )
    place, plan = checkout.project_dir, checkout.plan
    wanted = changes(pairs(events, plan), project_dir=place)
    left = without_version(events, plan, project_dir=place)
    finish(wanted, force=force, dry_run=dry_run, as_json=as_json, left=left)


def _look(since: str) -> Mapping[Key, Seen]:
    from datetime import UTC, datetime

    from orchestration.plans.infer import duration, look_at, stored_events
    from profiles.published import connect
    from profiles.settings import ProfilesSettings

    try:
        begin = datetime.now(UTC) - duration(since)
    except ValueError as error:
        raise Problem(f"--since: {error}.") from None
    with connect(ProfilesSettings().published_dir) as connection:
        return look_at(stored_events(connection, since=begin))
