"""`kith alerts`: how the syncs are doing, and telling people when that changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.alerts.channels import Channel
    from orchestration.sync_health import Health

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="Show how the syncs are; tell the channels what changed.")
    group.callback(invoke_without_command=True)(show)
    group.command()(send)
    group.command()(test)
    app.add_typer(group, name="alerts")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """Show the state of every sync, by the facts of its runs; nobody is told.

    Exit code 1 when one of them is critical.
    """
    if context.invoked_subcommand is not None:
        return
    health = current_health()
    if as_json:
        print_json({"syncs": [asdict(each) for each in health.values()]})
    else:
        out.print(_table(health))
    if any(each.state == "critical" for each in health.values()):
        raise typer.Exit(1)


def send(as_json: AsJson = False) -> None:
    """Tell each channel of alerts.yml what has changed since it was told last.

    The sensor `sync_alerts` in Dagster does this every minute. Exit code 1 when an
    alert could not be sent; it is tried again later.
    """
    from orchestration.alerts.watch import tell_changes
    from orchestration.project import data_dir

    alerts = tell_changes(current_health(), read_channels(), data_dir=data_dir())
    if as_json:
        print_json({"alerts": [asdict(alert) for alert in alerts]})
    else:
        for alert in alerts:
            line = f"{alert.channel}: {alert.sync} is {alert.state}: {alert.outcome}"
            out.print(line + (f", {alert.message}" if alert.message else ""))
        if not alerts:
            out.print("nothing has changed")
    if any(alert.outcome == "failed" for alert in alerts):
        raise typer.Exit(1)


def test(
    name: Annotated[
        str,
        typer.Argument(metavar="CHANNEL", help="Name of a channel in alerts.yml."),
    ],
) -> None:
    """Send a test to a channel."""
    from orchestration.alerts.watch import rehearse
    from orchestration.project import data_dir

    channels = {channel.name: channel for channel in read_channels()}
    if name not in channels:
        known = ", ".join(sorted(channels)) or "none"
        raise Problem(f"there is no channel '{name}'. Channels: {known}.")
    rehearse(channels[name], data_dir=data_dir())
    out.print(f"{name}: {channels[name].account.name} has taken the message")


def current_health() -> dict[str, Health]:
    """How every sync of the project is doing now."""
    from datetime import UTC, datetime

    from activations import load_syncs
    from orchestration.project import data_dir, destinations_file, prepare_manifest
    from orchestration.sync_health import read_health

    prepare_manifest(data_dir())
    syncs = load_syncs(data_dir(), destinations_file=destinations_file())
    return read_health(syncs.values(), data_dir=data_dir(), now=datetime.now(UTC))


def read_channels() -> list[Channel]:
    """The channels of alerts.yml, checked."""
    from activations.destinations import load_destinations
    from activations.manifest import Catalog
    from orchestration.alerts.channels import load_channels
    from orchestration.project import alerts_file, destinations_file

    accounts = load_destinations(destinations_file(), catalog=Catalog())
    return load_channels(alerts_file(), accounts)


def _table(health: dict[str, Health]) -> Table:
    table = Table(box=None)
    for column in ("sync", "state", "last success", "why"):
        table.add_column(column)
    for each in health.values():
        success = each.last_success_at
        when = f"{success:%Y-%m-%d %H:%M} UTC" if success else "never"
        table.add_row(each.sync, each.state, when, each.reason or "")
    return table
