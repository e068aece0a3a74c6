"""`kith plan SYNC` and `kith sync SYNC`: what a sync would send; sending it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from activations.plan import Plan
    from activations.syncs import Sync

SyncName = Annotated[
    str,
    typer.Argument(
        metavar="SYNC", help="Name of a model in models/syncs.", show_default=False
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]
AllowDeletes = Annotated[
    int | None,
    typer.Option(min=0, help="Let up to this many deletes pass the guard, once."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(sync)


def plan(
    name: SyncName, allow_deletes: AllowDeletes = None, as_json: AsJson = False
) -> None:
    """Show what a sync would send now; nothing is sent."""
    from activations import make_plan
    from orchestration.project import data_dir

    made = make_plan(find_sync(name), data_dir=data_dir(), allow_deletes=allow_deletes)
    if as_json:
        print_json(
            {
                "sync": name,
                **made.counts,
                "held": made.held,
                "held_reason": made.held_reason,
                "refused_before": made.refused,
                "payload_rows": made.payload_rows,
                "destination_rows": made.destination_rows,
            }
        )
        return
    _show(name, made)


def sync(
    name: SyncName, allow_deletes: AllowDeletes = None, as_json: AsJson = False
) -> None:
    """Deliver what changed since the last run.

    The outcome of every row is logged. Run again after a failure: what was
    delivered is not sent twice.
    """
    from activations import run_sync
    from orchestration.project import data_dir

    announce_retries()
    run = run_sync(find_sync(name), data_dir=data_dir(), allow_deletes=allow_deletes)
    if as_json:
        print_json(run.as_dict())
    else:
        out.print(run.describe())
    if not run.is_complete:
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
    from activations import load_syncs
    from orchestration.project import data_dir, destinations_file, prepare_manifest

    prepare_manifest(data_dir())
    syncs = load_syncs(data_dir(), destinations_file=destinations_file())
    if name not in syncs:
        raise Problem(
            f"there is no sync '{name}'. Syncs: {', '.join(sorted(syncs)) or 'none'}."
        )
    return syncs[name]


def _show(name: str, made: Plan) -> None:
    counts = ", ".join(f"{number} to {kind}" for kind, number in made.counts.items())
    out.print(
        f"[bold]{name}[/bold]: {counts}; the payload has {made.payload_rows} rows, "
        f"{made.sync.account.name} holds {made.destination_rows}"
    )
    if made.refused:
        out.print(f"{made.refused} rows stay refused until they change")
    if made.held_reason:
        out.print(f"[bold]held[/bold]: {made.held} deletes. {made.held_reason}")
        out.print(f"To let them pass: --allow-deletes {made.held}")
    for operation, rows in made.samples.items():
        if not rows:
            continue
        table = Table(title=f"{operation}, for example", title_justify="left", box=None)
        table.add_column(made.sync.key)
        table.add_column("row")
        for row in rows:
            table.add_row(row.key, str(row.record or ""))
        out.print(table)
