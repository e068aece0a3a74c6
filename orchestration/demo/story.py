"""What the demo tells when it is done: one object, and the same in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import duckdb
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Counts:
    """The fates of all events so far; `arrived` is the sum of the three others."""

    arrived: int
    stored: int
    duplicate: int
    quarantined: dict[str, int]

    def since(self, before: Counts) -> Counts:
        """What came after `before`."""
        codes = {
            code: number - before.quarantined.get(code, 0)
            for code, number in self.quarantined.items()
        }
        return Counts(
            arrived=self.arrived - before.arrived,
            stored=self.stored - before.stored,
            duplicate=self.duplicate - before.duplicate,
            quarantined={code: number for code, number in codes.items() if number},
        )


NOTHING = Counts(0, 0, 0, {})


@dataclass(frozen=True)
class Delivery:
    """What one sync did."""

    succeeded: int
    rejected: int
    failed: int
    held: int


@dataclass(frozen=True)
class Story:
    """Everything the demo reports. `sent` is what the SDK was told to send."""

    sent: int
    events: Counts
    violations: dict[str, int]
    identifiers: int
    profiles: int
    merges: int
    conflicts: int
    audiences: dict[str, int]
    deliveries: dict[str, Delivery]
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The story as one object; `sent` = stored + duplicate + quarantined."""
        document = asdict(self)
        events = document.pop("events")
        return {
            "events": {
                "sent": document.pop("sent"),
                "stored": events["stored"],
                "duplicate": events["duplicate"],
                "quarantined": events["quarantined"],
            },
            **document,
        }


def count_events(connection: duckdb.DuckDBPyConnection) -> Counts:
    """The fates of all events up to this build."""
    row = connection.execute(
        """
        select sum(arrived_count), sum(stored_count), sum(duplicate_count)
        from monitoring.conservation
        """
    ).fetchone()
    arrived, stored, duplicate = (int(number or 0) for number in row or (0, 0, 0))
    codes = connection.execute(
        "select code, count(*) from staging.stg_quarantine group by code order by code"
    ).fetchall()
    return Counts(arrived, stored, duplicate, dict(codes))


def count_violations(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How often each kind of violation of the tracking plan was found."""
    return dict(
        connection.execute(
            """
            select violation, count(*)
            from staging.event_violations
            group by violation
            order by violation
            """
        ).fetchall()
    )


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """The number of rows of a published table, given as `schema.table`."""
    row = connection.table(table).count("*").fetchall()
    return int(row[0][0])


def audience_sizes(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many members each audience has."""
    return dict(
        connection.execute(
            """
            select audience, member_count
            from monitoring.audience_sizes
            where is_current
            order by audience
            """
        ).fetchall()
    )


def tell(story: Story, console: Console) -> None:
    """Print the story in words."""
    events = story.events
    console.print(f"\n[bold]What happened[/bold] in {story.seconds:.0f} s\n")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("events sent", str(story.sent), "by Segment's Python SDK, over HTTP")
    table.add_row("  stored", str(events.stored), "new, in raw/events")
    table.add_row("  duplicate", str(events.duplicate), "known by their message id")
    table.add_row(
        "  quarantined",
        str(sum(events.quarantined.values())),
        _listed(events.quarantined),
    )
    table.add_row(
        "plan violations",
        str(sum(story.violations.values())),
        _listed(story.violations),
    )
    table.add_row(
        "profiles",
        str(story.profiles),
        f"resolved from {story.identifiers} identifiers by {story.merges} merges; "
        f"links refused: {story.conflicts}",
    )
    for name, size in story.audiences.items():
        table.add_row(f"audience {name}", str(size), "members")
    for name, delivery in story.deliveries.items():
        table.add_row(f"sync {name}", str(delivery.succeeded), _fates(delivery))
    console.print(table)


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _fates(delivery: Delivery) -> str:
    others = {
        name: number
        for name, number in asdict(delivery).items()
        if number and name != "succeeded"
    }
    return f"rows delivered; {_listed(others)}" if others else "rows delivered"
