"""`kith quarantine`: what is held back, and how to let it flow on."""

from __future__ import annotations

import getpass
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.quarantine import Held, Rule

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...",
        help="Message ids, or the ids that `quarantine list` shows.",
        show_default=False,
    ),
]
Code = Annotated[
    str | None,
    typer.Option(help="Only this kind of violation, or code of the collector."),
]
Event = Annotated[
    str | None, typer.Option(help="Only this event name, or type of call.")
]
Source = Annotated[str | None, typer.Option(help="Only this source.")]
Since = Annotated[
    str | None,
    typer.Option(help="Only what was received since: 24h, 7d, or an ISO 8601 time."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]

SHOWN = 3
"""Ids named as examples where many share a reason."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(help="See and release what is held back.", no_args_is_help=True)
    group.command("list")(list_held)
    group.command()(release)
    app.add_typer(group, name="quarantine")


def list_held(
    ids: Ids = None,
    code: Code = None,
    event: Event = None,
    source: Source = None,
    since: Since = None,
    released: Annotated[
        bool, typer.Option("--released", help="Show what was released instead.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show what is held back, as of the last build, and why."""
    found = _find(_rule(ids, code, event, source, since), released=released)
    if as_json:
        shown = [asdict(one) for one in found[:limit]]
        print_json({"count": len(found), "quarantined": shown})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "received", "event", "reason", "released" if released else ""):
        table.add_column(title, overflow="fold")
    for one in found[:limit]:
        table.add_row(
            escape(one.quarantine_id),
            f"{one.received_at:%F %T}",
            escape(one.event or ""),
            escape(one.reason),
            escape(
                f"by {one.released_by}: {one.release_reason}"
                if released
                else one.how_to_release
            ),
        )
    if found:
        out.print(table)
    out.print(f"{len(found)} {'released' if released else 'held back'}")


def release(
    reason: Annotated[
        str, typer.Option(help="Why they may flow on.", show_default=False)
    ],
    ids: Ids = None,
    code: Code = None,
    event: Event = None,
    source: Source = None,
    since: Since = None,
    by: Annotated[
        str | None, typer.Option(help="Who releases them; your login otherwise.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Release all that is held back.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be released only.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let what is held back flow on with the next build.

    Say which: by id, code, event, source, time, or --all. It covers what was received
    until now. For example: kith quarantine release --event "Order Completed" --code
    pattern --reason "lower case is fine"
    """
    from collector.settings import CollectorSettings
    from orchestration import quarantine

    rule = _rule(ids, code, event, source, since)
    if rule.is_everything and not everything:
        raise Problem("say what to release: ids, --code, --event, --source, --since")
    if not rule.is_everything and everything:
        raise Problem("--all releases everything; leave it out, or all the others")
    if not reason.strip():
        raise Problem("--reason is empty: say why they may flow on")
    found = _find(rule)
    able = [one for one in found if one.is_releasable]
    release_id = None
    if able and not dry_run:
        settings = CollectorSettings()
        release_id = quarantine.release(
            settings.raw_place(), rule, reason=reason, by=by or getpass.getuser()
        )
    if as_json:
        print_json(
            {
                "release_id": release_id,
                "released": len(able),
                "not_releasable": len(found) - len(able),
            }
        )
    else:
        _tell(found, able, release_id)


def _tell(found: list[Held], able: list[Held], release_id: str | None) -> None:
    stay: dict[str, list[str]] = {}
    for one in found:
        if not one.is_releasable:
            stay.setdefault(one.how_to_release, []).append(one.quarantine_id)
    for what_to_do, ids in stay.items():
        shown = ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
        err.print(f"{len(ids)} stay ({shown}): {what_to_do}", markup=False)
    if not able:
        out.print("nothing that this means is held back and can be released")
    elif release_id is None:
        out.print(f"would release {len(able)}")
    else:
        out.print(
            f"released {len(able)} ({release_id}); they flow on with `./kith build`"
        )


def _find(rule: Rule, *, released: bool = False) -> list[Held]:
    import duckdb

    from orchestration import quarantine
    from profiles.published import connect
    from profiles.settings import ProfilesSettings

    with connect(ProfilesSettings().published_dir) as connection:
        try:
            return quarantine.find(connection, rule, released=released)
        except duckdb.CatalogException:
            raise Problem(
                "the published database has no staging.quarantined_events. "
                "Run `./kith build`."
            ) from None


def _rule(
    ids: list[str] | None,
    code: str | None,
    event: str | None,
    source: str | None,
    since: str | None,
) -> Rule:
    from orchestration.quarantine import Rule

    return Rule(
        code=code,
        event=event,
        source_id=source,
        since=_time(since),
        ids=tuple(ids or ()),
    )


def _time(text: str | None) -> datetime | None:
    """A length of time before now, or a time; without an offset it is UTC."""
    from orchestration.plans.infer import duration

    if text is None:
        return None
    try:
        return datetime.now(UTC) - duration(text)
    except ValueError:
        pass
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f"--since: '{text}' is neither a length of time (24h, 7d) nor an ISO 8601 "
            "time (2026-11-22T12:00:00Z)"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
