"""The figures of `kith bench audiences` as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

COLUMNS = {
    "traits": "traits_seconds",
    "conditions": "conditions_seconds",
    "audiences": "audiences_seconds",
    "whole run": "seconds",
    "by hand": "by_hand_seconds",
}


def show(figures: dict[str, Any]) -> None:
    """Print it on standard output; times are seconds."""
    table = Table(
        title=f"{figures['events']:,} events, {figures['people']:,} people, seconds"
    )
    table.add_column("build")
    for name in (*COLUMNS, "run / by hand"):
        table.add_column(name, justify="right")
    for build in figures["builds"]:
        times = [f"{build[key]:.2f}" for key in COLUMNS.values()]
        table.add_row(build["kind"], *times, f"{build['ratio']:.2f}")
    console = Console()
    console.print(table)
    first, second = figures["builds"]
    console.print(
        f"+1 % takes {second['seconds'] / first['seconds']:.2f} of the full build; "
        f"of the full run {first['seconds'] - 2:.2f} s are more than dbt's own two, "
        f"{(first['seconds'] - 2) / first['by_hand_seconds']:.2f} times by hand"
    )
