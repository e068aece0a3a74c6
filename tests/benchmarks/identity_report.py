"""The table that `kith bench identity` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def show(figures: dict[str, Any]) -> None:
    """Print what was measured, each beside what scipy took."""
    console = Console(width=110)
    console.print(figures["machine"])
    table = Table(
        *("shape", "links", "program", "s", "of scipy's"),
        *("CPU s", "of scipy's", "peak MB"),
    )
    for row in figures["graphs"]:
        limit = _of(figures["graphs"], row, "scipy")
        table.add_row(
            row["shape"],
            f"{row['links']:,}",
            row["program"],
            f"{row['seconds']:.1f}",
            f"{row['seconds'] / limit['seconds']:.2f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['cpu_seconds'] / limit['cpu_seconds']:.2f}",
            f"{row['peak_mb']:,.0f}",
        )
    console.print(table)
    chains = Table("chain of", "order of numbers", "s", "CPU s", "peak MB")
    for row in figures["chains"]:
        chains.add_row(
            f"{row['length']:,}",
            row["order"],
            f"{row['seconds']:.1f}",
            f"{row['cpu_seconds']:.1f}",
            f"{row['peak_mb']:,.0f}",
        )
    console.print(chains)


def _of(rows: list[Row], like: Row, program: str) -> Row:
    return next(
        row
        for row in rows
        if row["program"] == program
        and (row["shape"], row["links"]) == (like["shape"], like["links"])
    )
