"""The table that `kith bench identity` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def show(figures: dict[str, Any]) -> None:
    """Print what was measured, each beside scipy's processor time."""
    console = Console(width=110)
    console.print(figures["machine"])
    table = Table(
        "shape", "links", "program", "s", "CPU s", "of scipy's CPU", "peak MB"
    )
    for row in figures["graphs"]:
        limit = _of(figures["graphs"], row, "scipy")["cpu_seconds"]
        for name, taken in _parts(row):
            table.add_row(
                row["shape"],
                f"{row['links']:,}",
                name,
                f"{taken['seconds']:.1f}",
                f"{taken['cpu_seconds']:.1f}",
                f"{taken['cpu_seconds'] / limit:.2f}",
                f"{taken['peak_mb']:,.0f}",
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


def _parts(row: Row) -> list[tuple[str, Row]]:
    """A row of Kith's is two: without and with what only Kith does."""
    if "texts" not in row:
        return [(row["program"], row)]
    return [(f"{row['program']}, texts", row["texts"]), (f"{row['program']}, all", row)]


def _of(rows: list[Row], like: Row, program: str) -> Row:
    return next(
        row
        for row in rows
        if row["program"] == program
        and (row["shape"], row["links"]) == (like["shape"], like["links"])
    )
