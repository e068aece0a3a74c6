"""Activations beside the least that the same work takes.

    ./kith bench activations

Finding what changed of a payload, beside a join of stored hashes; delivering rows,
beside the bare HTTP client and beside drt-core. Each program runs in a process of its
own, in turn with the others, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks import activation_delivery, activation_diff, activation_report
from tests.benchmarks.collector import describe_machine

Row = dict[str, Any]
DIFFS = [1_000_000, 10_000_000]


def measure(directory: Path, *, diffs: list[int], rows: int, runs: int) -> Row:
    """All figures, as one document."""
    return {
        "machine": describe_machine(),
        "diffs": [row for size in diffs for row in _diff(directory, size, runs)],
        "deliveries": _delivery(directory, rows, runs) if rows else [],
    }


def _diff(directory: Path, rows: int, runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        database = Path(scratch) / "people.duckdb"
        activation_diff.prepare_payload(database, Path(scratch), rows)
        found = _in_turn(
            activation_diff.PROGRAMS,
            runs,
            lambda program: activation_diff.measure(program, database, Path(scratch)),
        )
    for row in found:
        if row["changed"] != rows // 100:
            sys.exit(
                f"{row['program']} found {row['changed']} changes of {rows // 100}"
            )
    return [{"rows": rows, **row} for row in found]


def _delivery(directory: Path, rows: int, runs: int) -> list[Row]:
    def deliver(program: str) -> Row:
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            return activation_delivery.measure(program, database, Path(scratch))

    with tempfile.TemporaryDirectory(dir=directory) as place:
        database = Path(place) / "people.duckdb"
        activation_delivery.write_people(database, rows)
        found = _in_turn(activation_delivery.PROGRAMS, runs, deliver)
    needed = -(-rows // activation_delivery.ROWS_A_REQUEST)
    for row in found:
        if row["requests"] != needed:
            sys.exit(f"{row['program']} sent {row['requests']} requests, not {needed}")
    return [{"rows": rows, **row} for row in found]


def _in_turn(
    programs: Iterable[str], runs: int, once: Callable[[str], Row]
) -> list[Row]:
    """Each program's median, by seconds, of so many runs in turn with the others."""
    results: dict[str, list[Row]] = {program: [] for program in programs}
    for _ in range(runs):
        for program, rows in results.items():
            rows.append(once(program))
    return [_median(rows) for rows in results.values()]


def _median(rows: list[Row]) -> Row:
    median = statistics.median_low(row["seconds"] for row in rows)
    return next(row for row in rows if row["seconds"] == median)


def main() -> int:
    """Measure and print; figures go to standard output."""
    options = _options()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        figures = measure(
            Path(scratch),
            diffs=options.diff or DIFFS,
            rows=options.rows,
            runs=options.runs,
        )
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        activation_report.show(figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kith bench activations")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--diff", type=int, action="append")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--directory", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
