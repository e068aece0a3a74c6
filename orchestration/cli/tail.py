"""`kith tail`: what arrives at the collector, as it arrives."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from orchestration.cli.output import err, out, print_json

POLL_SECONDS = 0.2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(tail)


def tail(
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    event: Annotated[
        str | None, typer.Option(help="Only this event name, or type of call.")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="Only this user_id or anonymous_id.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each row as one JSON object.")
    ] = False,
) -> None:
    """Show events as they reach the log, until Ctrl-C.

    Every event is shown once it is on disk, the quarantined ones with their reason;
    nothing is sampled.
    """
    from collector.settings import CollectorSettings
    from collector.tail import Tail

    follower = Tail(CollectorSettings().log_dir)
    err.print("waiting for events; stop with Ctrl-C")
    try:
        while True:
            for row in follower.read():
                if matches(row, source=source, event=event, user=user):
                    print_json(row) if as_json else out.print(describe(row))
            time.sleep(POLL_SECONDS)
    finally:
        follower.close()


def matches(
    row: dict[str, Any], *, source: str | None, event: str | None, user: str | None
) -> bool:
    """Whether a row passes the filters; a quarantined one has no user or event."""
    return (
        source in (None, row["source_id"])
        and (event is None or event in (row.get("event"), row.get("type")))
        and (user is None or user in (row.get("user_id"), row.get("anonymous_id")))
    )


def describe(row: dict[str, Any]) -> str:
    """A row of the log in one line."""
    at = _EPOCH + timedelta(microseconds=row["received_at"])
    start = f"{at:%H:%M:%S.%f}"[:-3] + f" {row['source_id']}"
    if row["dataset"] == "quarantine":
        payload = escape(row["payload"][:100])
        return (
            f"{start} [bold]quarantine[/bold] {row['code']}: {row['detail']} {payload}"
        )
    who = row.get("user_id") or row.get("anonymous_id") or ""
    what = row.get("event") or row.get("name") or ""
    body = row.get("properties") or row.get("traits") or ""
    return f"{start} {row['type']} {escape(f'{what} {who} {body[:200]}')}"
