"""`kith sync SYNC`: delivers what changed; `kith sync COMMAND` for all around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestration.cli import sync_requests, sync_rows
from orchestration.cli.groups import with_default
from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem
from orchestration.cli.sync_arguments import AsJson, SyncName

if TYPE_CHECKING:
    from activations.syncs import Sync


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        cls=with_default("run", when_empty=True),
        help="Deliver what changed, and see to what did not arrive.",
    )
    group.command()(run)
    for module in (sync_requests, sync_rows):
        module.register(group)
    app.add_typer(group, name="sync")


def run(name: SyncName, as_json: AsJson = False) -> None:
    """Deliver what changed since the last run; `kith sync SYNC` for short.

    The outcome of every row is logged. Run again after a failure: what was
    delivered is not sent twice.
    """
    from activations import run_sync
    from orchestration.project import data_dir

    announce_retries()
    done = run_sync(find_sync(name), data_dir=data_dir())
    if as_json:
        print_json(done.as_dict())
    else:
        out.print(done.describe(), markup=False)
    if not done.is_complete:
        raise typer.Exit(1)


def announce_retries() -> None:
    """From now on say on standard error that a destination is waited for."""
    from stamina.instrumentation import RetryDetails, set_on_retry_hooks

    def on_retry(details: RetryDetails) -> None:
        err.print(
            f"{details.caused_by}; trying again in {details.wait_for:.1f} s",
            markup=False,
        )

    set_on_retry_hooks([on_retry])


def find_sync(name: str) -> Sync:
    """The sync of this name, checked; raises `Problem` that lists the known ones."""
    syncs = all_syncs()
    if name not in syncs:
        raise Problem(
            f"there is no sync '{name}'. Syncs: {', '.join(sorted(syncs)) or 'none'}."
        )
    return syncs[name]


def all_syncs() -> dict[str, Sync]:
    """Every sync by name, checked."""
    from activations import load_syncs
    from orchestration.project import data_dir, destinations_file, prepare_manifest

    prepare_manifest(data_dir())
    return load_syncs(data_dir(), destinations_file=destinations_file())
