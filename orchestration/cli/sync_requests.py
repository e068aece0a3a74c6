"""`kith sync release`, `retry` and `resync`: what people ask of a sync."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import out
from orchestration.cli.problems import Problem
from orchestration.cli.sync_arguments import By, Reason, SyncName

if TYPE_CHECKING:
    from activations.sync_requests import Request


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (release, retry, resync):
        group.command()(command)


def release(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run that held rows.",
            show_default=False,
        ),
    ],
    reason: Reason = None,
    by: By = None,
) -> None:
    """Let the rows go that a run held.

    The next run plans anew and sends them if they are no more than the held run
    showed; else they stay held.
    """
    from activations.sync_runs import find_held_run

    held = find_held_run(_raw(), run)
    asked = _ask(
        *(held.sync, "release", reason, by),
        run_id=run,
        inserts=held.inserts,
        updates=held.updates,
        deletes=held.deletes,
    )
    out.print(
        f"{held.sync}: the next run may send up to {held.inserts:,} insert, "
        f"{held.updates:,} update, {held.deletes:,} delete (asked by "
        f"{asked.requested_by}). ./kith sync {held.sync}",
        markup=False,
    )


def retry(
    name: SyncName,
    key: Annotated[
        str | None, typer.Option(help="Only the row of this key.", show_default=False)
    ] = None,
    rejected: Annotated[
        bool,
        typer.Option("--rejected", help="What the destination has rejected, too."),
    ] = False,
    reason: Reason = None,
    by: By = None,
) -> None:
    """Have rows sent again that failed too often.

    With --rejected, or for one --key, also what the destination has rejected: once it
    was mended there.
    """
    from orchestration.cli.sync import find_sync

    sync = find_sync(name)
    _ask(sync.name, "retry", reason, by, key=key, rejected=rejected)
    what = "every row that failed" if key is None else key
    if rejected and key is None:
        what += " or was rejected"
    out.print(f"{name}: the next run tries {what}. ./kith sync {name}", markup=False)


def resync(name: SyncName, reason: Reason = None, by: By = None) -> None:
    """Have the whole payload sent again, whatever was delivered before.

    Nothing is deleted for it. A sync that inserts or appends sends each record once
    and cannot be resynced.
    """
    from orchestration.cli.sync import find_sync

    sync = find_sync(name)
    if sync.mode in ("insert", "append"):
        raise Problem(f"{name}: {sync.mode} sends each record once, so never again.")
    _ask(sync.name, "resync", reason, by)
    out.print(
        f"{name}: the next run sends the whole payload. ./kith sync {name}",
        markup=False,
    )


def _ask(
    sync: str, request: Any, reason: str | None, by: str | None, **what: Any
) -> Request:
    from activations.sync_requests import Request, ask

    return ask(
        _raw(),
        Request(
            sync=sync,
            request=request,
            reason=reason,
            requested_by=by or getpass.getuser(),
            **what,
        ),
    )


def _raw() -> Any:
    from collector.settings import CollectorSettings
    from orchestration.project import data_dir

    return CollectorSettings(data_dir=data_dir()).raw_place()
