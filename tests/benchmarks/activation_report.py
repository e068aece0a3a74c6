"""The tables that `kith bench activations` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def show(figures: dict[str, Any]) -> None:
    """Print what was measured, each beside the least that it takes."""
    console = Console(width=110)
    console.print(figures["machine"])
    diffs = Table("diff of", "program", "s", "of the join's", "CPU s", "peak MB")
    for row in figures["diffs"]:
        limit = _of(figures["diffs"], row, "stored hash")
        diffs.add_row(
            f"{row['rows']:,}",
            row["program"],
            f"{row['seconds']:.2f}",
            f"{row['seconds'] / limit['seconds']:.2f}",
            f"{row['cpu_seconds']:.2f}",
            f"{row['peak_mb']:,.0f}",
        )
    console.print(diffs)
    deliveries = Table(
        *("delivery of", "program", "rows/s", "of bare httpx"),
        *("CPU ms for 100 rows", "of bare httpx"),
    )
    for row in figures["deliveries"]:
        limit = _of(figures["deliveries"], row, "bare httpx")
        deliveries.add_row(
            f"{row['rows']:,}",
            row["program"],
            f"{row['rows'] / row['seconds']:,.0f}",
            f"{limit['seconds'] / row['seconds']:.2f}",
            f"{row['cpu_seconds'] / row['rows'] * 100_000:.2f}",
            f"{row['cpu_seconds'] / limit['cpu_seconds']:.2f}",
        )
    console.print(deliveries)


def _of(rows: list[Row], like: Row, program: str) -> Row:
    return next(
        row for row in rows if row["program"] == program and row["rows"] == like["rows"]
    )
