"""`kith plan diff`: what a change of the tracking plan does, and to whom."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from collector.plan import Plan
    from orchestration.lineage.models import Reader
    from orchestration.plans.changes import Change
    from orchestration.plans.difference import Consequence, Difference
    from orchestration.plans.traffic import Touched

DAYS = 7


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(diff)


def diff(
    revision: Annotated[
        str,
        typer.Argument(
            metavar="REV",
            help="A branch, tag or commit of Git, such as origin/main.",
            show_default=False,
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the changes as one JSON object.")
    ] = False,
) -> None:
    """Compare the tracking plan with the one at a revision of Git.

    Says what was added, removed, retyped, tightened or loosened, how many events of
    the last 7 days that touches, and which traits, audiences and syncs read it. Exit
    code 1 when an event or a property that something reads was removed or retyped.
    """
    from orchestration.plans.difference import difference
    from orchestration.plans.revisions import RevisionError, Workplace
    from orchestration.project import DBT_PROJECT
    from profiles.settings import ProfilesSettings

    try:
        with tempfile.TemporaryDirectory(prefix="kith-plan-") as place:
            workplace = Workplace(DBT_PROJECT, Path(place))
            old = workplace.compile_revision(revision)
            found = difference(old, new := workplace.compile_current(old))
    except RevisionError as error:
        raise Problem(str(error)) from None
    published_dir = ProfilesSettings().published_dir
    touched = count(published_dir, found, old=old.plan, new=new.plan)
    if as_json:
        print_json(_document(revision, found, touched))
    else:
        show(revision, found, touched)
    if any(one.is_breaking for one in found.consequences):
        raise typer.Exit(1)


def count(
    published_dir: Path, found: Difference, *, old: Plan, new: Plan
) -> list[Touched] | None:
    """What each change touches, or None when nothing was published to count in."""
    from orchestration.plans.traffic import Traffic
    from profiles.published import PublishedDatabaseMissing, connect

    since = datetime.now(UTC) - timedelta(days=DAYS)
    try:
        with connect(published_dir) as connection:
            traffic = Traffic(connection, since, old=old, new=new)
            return traffic.touched_by([one.change for one in found.consequences])
    except PublishedDatabaseMissing:
        return None


def show(revision: str, found: Difference, touched: list[Touched] | None) -> None:
    """Print the changes, each with what it touches and who reads it."""
    for model, reason in sorted(found.unclear.items()):
        err.print(
            f"warning: {model} could not be followed in full ({reason}); "
            "it counts as reading all that it could",
            markup=False,
        )
    if not found.consequences:
        out.print(f"the tracking plan is the one of {revision}", markup=False)
        return
    for place, one in enumerate(found.consequences):
        out.print(_title(one.change), markup=False)
        if touched is not None:
            out.print(f"  {_traffic(one.change, touched[place])}", markup=False)
        for reader in one.readers:
            out.print(f"  read by {_reader(reader)}", markup=False)
    if touched is None:
        out.print("not counted: nothing was published to count events in")
    breaking = sum(one.is_breaking for one in found.consequences)
    out.print(
        f"changes since {revision}: {len(found.consequences)}; "
        f"of these take away what something reads: {breaking}",
        markup=False,
    )


def _title(change: Change) -> str:
    parts = [change.kind, _event_name(change)]
    if change.path is not None:
        parts.append(change.path)
    title = "  ".join(part for part in parts if part)
    return f"{title}  ({'; '.join(change.details)})" if change.details else title


def _event_name(change: Change) -> str:
    event = change.event
    if event is None:
        return "every event" if change.path is not None else ""
    return event.name if event.version == 1 else f"{event.name} v{event.version}"


def _traffic(change: Change, touched: Touched) -> str:
    verb = "are of it" if change.path is None else "carry it"
    text = f"{touched.carrying} events of the last {DAYS} days {verb}"
    if touched.broken is None:
        return text
    return (
        f"{text}; {touched.broken} of the newest {touched.checked} break the new rule"
    )


def _reader(reader: Reader) -> str:
    """Which model reads, and what of it is made of what it reads."""
    columns = ", ".join(reader.columns)
    rows = {"audience": "who is in it", "sync": "whom it is about"}.get(
        reader.kind, "which rows count"
    )
    parts = [part for part in (columns, rows if reader.rows else "") if part]
    if reader.kind == "audience" and reader.rows:
        parts = [rows]
    return f"{reader.kind} {reader.model}: {'; '.join(parts)}"


def _document(
    revision: str, found: Difference, touched: list[Touched] | None
) -> dict[str, Any]:
    return {
        "revision": revision,
        "changes": [
            _entry(one, touched[place] if touched is not None else None)
            for place, one in enumerate(found.consequences)
        ],
        "breaking": sum(one.is_breaking for one in found.consequences),
        "unclear": found.unclear,
    }


def _entry(one: Consequence, touched: Touched | None) -> dict[str, Any]:
    change, event = one.change, one.change.event
    return {
        "kind": change.kind,
        "type": event.type if event else None,
        "event": event.name if event else None,
        "version": event.version if event else None,
        "property": change.path,
        "details": list(change.details),
        "events_last_7_days": touched.carrying if touched else None,
        "events_broken": touched.broken if touched else None,
        "events_checked": touched.checked if touched and touched.checked else None,
        "readers": [
            {
                "kind": reader.kind,
                "model": reader.model,
                "columns": list(reader.columns),
                "rows": reader.rows,
            }
            for reader in one.readers
        ],
        "is_breaking": one.is_breaking,
    }
