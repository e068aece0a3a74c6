"""`kith bench`: what this machine can do, against limits measured in the same run."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    bench = typer.Typer(help="Measure Kith on this machine.", no_args_is_help=True)
    bench.command("collector")(collector)
    bench.command("overload")(overload)
    bench.command("plan")(plan)
    bench.command("identity")(identity)
    bench.command("scale")(scale)
    bench.command("audiences")(audiences)
    bench.command("activations")(activations)
    app.add_typer(bench, name="bench")


def collector(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    seconds: Annotated[int, typer.Option(min=1, max=60, help="Length of a run.")] = 3,
    runs: Annotated[int, typer.Option(min=1, max=9, help="Runs per figure.")] = 3,
) -> None:
    """Events per second that the collector makes durable, and lands.

    Beside each figure stands its ceiling: the same HTTP server that only reads the
    body, and DuckDB that only converts the file. Needs the load generator wrk. Writes
    to the disk of the data directory, and removes what it wrote.
    """
    options = [f"--seconds={seconds}", f"--runs={runs}"]
    _run("collector", options, as_json=as_json)


def overload(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    seconds: Annotated[
        int, typer.Option(min=1, max=600, help="How long the load lasts.")
    ] = 10,
) -> None:
    """What the collector does when ten times of what it can take is offered.

    Latency of what it accepts, what it refuses, memory, recovery, and whether anything
    acknowledged is lost. Needs the load generator wrk.
    """
    _run("overload", [f"--seconds={seconds}"], as_json=as_json)


def plan(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    events: Annotated[
        int, typer.Option(min=1_000, help="Events in the warehouse.")
    ] = 200_000,
) -> None:
    """What checking events against the tracking plan costs.

    The live check of the collector, per event; and finding the violations of the
    warehouse, per million events. One event in ten departs from the plan.
    """
    _run("plan", [f"--events={events}"], as_json=as_json)


def identity(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    links: Annotated[
        list[int] | None,
        typer.Option(min=10_000, help="Pairs seen together; 1 and 10 million."),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(help="cdp, hub, power or chains; all of them."),
    ] = None,
    chain: Annotated[
        list[int] | None,
        typer.Option(min=2, help="Length of one chain; 10,000 and 1 million."),
    ] = None,
) -> None:
    """What joining identifiers into profiles takes, at once and one percent more.

    Beside it stand scipy's connected components and splink's clustering, from the same
    texts, in the same run; the results must be equal. 10 million pairs take gigabytes
    of memory and disk. The last three options may be given several times.
    """
    given = {"links": links, "shape": shape, "chain": chain}
    options = [
        f"--{name}={value}" for name, values in given.items() for value in values or ()
    ]
    _run("identity", options, as_json=as_json)


def scale(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    events: Annotated[
        list[int] | None,
        typer.Option(
            min=1_000,
            help="How many; 1, 3 and 10 million on DuckDB, 1 and 3 million on Spark. "
            "May be given several times.",
        ),
    ] = None,
    engines: Annotated[
        str, typer.Option(help="Which targets, separated by commas.")
    ] = "duckdb,spark",
) -> None:
    """What a build takes as the events grow: time and memory, in all and per model.

    From raw facts, and again after one percent more of them. 10 million events take
    gigabytes of memory and disk, and the whole run takes an hour or more.
    """
    options = [f"--events={size}" for size in events or ()]
    _run("scale", [*options, f"--engines={engines}"], as_json=as_json)


def audiences(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    events: Annotated[
        int, typer.Option(min=10_000, help="Events of the shop.")
    ] = 10_000_000,
    people: Annotated[int, typer.Option(min=100, help="Its people.")] = 1_000_000,
) -> None:
    """What ten traits and twenty audiences take, in full and after one percent more.

    Beside them stands the same, written by hand for DuckDB; both must find the same
    people. 10 million events take gigabytes of memory and disk.
    """
    _run("audiences", [f"--events={events}", f"--people={people}"], as_json=as_json)


def activations(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document.")
    ] = False,
    diff: Annotated[
        list[int] | None,
        typer.Option(
            min=1_000,
            help="Rows of a diff; 1 and 10 million. May be given several times.",
        ),
    ] = None,
    rows: Annotated[
        int, typer.Option(min=100, help="Rows that are delivered.")
    ] = 100_000,
    runs: Annotated[int, typer.Option(min=1, max=9, help="Runs per figure.")] = 3,
) -> None:
    """What finding changes takes, and delivering them.

    Beside a diff stands a join of stored hashes; beside a delivery to a server on
    loopback the bare HTTP client and drt-core, which send the same rows. 10 million
    rows take gigabytes of memory and disk.
    """
    options = [f"--diff={size}" for size in diff or ()]
    options += [f"--rows={rows}", f"--runs={runs}"]
    _run("activations", options, as_json=as_json)


def _run(name: str, options: list[str], *, as_json: bool) -> None:
    import os

    from orchestration.project import ROOT

    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *options]
    command += [f"--directory={os.environ['KITH_DATA_DIR']}"]
    command += ["--json"] if as_json else []
    result = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own program
    raise typer.Exit(result.returncode)
