"""The tables that `kith bench scale` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

Build = dict[str, Any]


def show(figures: dict[str, Any]) -> None:
    """Print what was measured: whole builds, then every model."""
    console = Console(width=140)
    console.print(figures["machine"])
    console.print(_builds(figures["builds"]))
    for engine in dict.fromkeys(build["engine"] for build in figures["builds"]):
        builds = [build for build in figures["builds"] if build["engine"] == engine]
        console.print(_models(engine, builds))


def _builds(builds: list[Build]) -> Table:
    table = Table(
        *("engine", "events", "profiles", "build", "s", "CPU s", "models s", "tests s"),
        *("models s per million", "peak MB", "disk MB"),
    )
    for build in builds:
        models = _seconds(build, "model")
        table.add_row(
            build["engine"],
            f"{build['events']:,}",
            f"{build['people']:,}",
            build["kind"],
            f"{build['seconds']:.0f}",
            f"{build['cpu_seconds']:.0f}",
            f"{models:.0f}",
            f"{_seconds(build, 'test'):.0f}",
            f"{models / build['events'] * 1e6:.1f}",
            f"{build['peak_mb']:,.0f}",
            f"{build['disk_mb']:,.0f}",
        )
    return table


def _models(engine: str, builds: list[Build]) -> Table:
    """One row per model, the dearest first; of each number of events what a full build
    of it takes per million events and at its peak, and what one percent more takes."""
    table = Table("model", title=f"{engine}, model by model")
    full = [build for build in builds if build["kind"] == "full"]
    for build in full:
        events = f"{build['events'] / 1e6:g} M"
        table.add_column(f"{events}, s per M", justify="right")
        table.add_column("peak MB", justify="right")
        table.add_column("+1 %, s", justify="right")
    last = _nodes(full[-1])
    for name in sorted(last, key=lambda name: -last[name]["seconds"]):
        row = [name]
        for build, grown in zip(builds[::2], builds[1::2], strict=True):
            node = _nodes(build)[name]
            row += [
                f"{node['seconds'] / build['events'] * 1e6:.2f}",
                f"{node['peak_mb']:,.0f}",
                f"{_nodes(grown)[name]['seconds']:.2f}",
            ]
        table.add_row(*row)
    return table


def _nodes(build: Build) -> dict[str, Any]:
    return {node["name"]: node for node in build["nodes"] if node["kind"] == "model"}


def _seconds(build: Build, kind: str) -> float:
    return sum(
        float(node["seconds"]) for node in build["nodes"] if node["kind"] == kind
    )
