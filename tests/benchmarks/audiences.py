"""Traits and audiences of a large shop, beside the same written by hand.

    ./kith bench audiences

Ten traits and twenty audiences (`audience_shop/definitions.yml`), compiled like any
others, built by dbt over the events of a shop, in full and again after one percent more
of them. The limit is `audience_shop/by_hand.sql`: one script for DuckDB that computes
the same and keeps no history. Its result must be the same people.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

import duckdb

from orchestration.dbt_runs import DbtRun
from tests.benchmarks import audience_report
from tests.benchmarks.audience_project import (
    DAYS,
    SHOP,
    TRAITS,
    definitions,
    run,
    write_events,
    write_project,
)
from tests.benchmarks.collector import describe_machine

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Row = dict[str, Any]


def measure(directory: Path, *, events: int, people: int) -> Row:
    """All figures, as one document."""
    data_dir = directory / "data"
    data_dir.mkdir()
    warehouse = data_dir / "warehouse.duckdb"
    project = write_project(directory, data_dir)
    write_events(warehouse, first=0, events=events, people=people, days=DAYS, until=NOW)
    run(project, data_dir, moment=NOW - timedelta(days=1))  # dbt is warm from here on
    builds = [_build("full", project, data_dir, NOW)]
    later = NOW + timedelta(days=DAYS / 100)
    write_events(
        warehouse,
        first=events,
        events=events // 100,
        people=people,
        days=DAYS / 100,
        until=later,
    )
    builds.append(_build("+1 %", project, data_dir, later))
    return {
        "machine": describe_machine(),
        "events": events,
        "people": people,
        "builds": builds,
    }


def _build(kind: str, project: Path, data_dir: Path, now: datetime) -> Row:
    """One build and its limit, and whether both have found the same people."""
    started = time.perf_counter()
    done = run(project, data_dir, moment=now)
    seconds = time.perf_counter() - started
    warehouse = data_dir / "warehouse.duckdb"
    by_hand = _write_by_hand(warehouse, now)
    return {
        "kind": kind,
        "seconds": seconds,
        **_by_kind(done),
        "by_hand_seconds": by_hand,
        "ratio": seconds / by_hand,
        "members": _compare(warehouse),
    }


def _by_kind(done: DbtRun) -> Row:
    """What the nodes took, together for each kind; the rest is dbt's own."""
    traits = sum(node.seconds for node in done.nodes if node.name == TRAITS)
    conditions = sum(
        node.seconds for node in done.nodes if node.name.startswith("conditions_")
    )
    named = definitions()["audiences"]
    audiences = sum(node.seconds for node in done.nodes if node.name in named)
    return {
        "traits_seconds": traits,
        "conditions_seconds": conditions,
        "audiences_seconds": audiences,
        "models": {node.name: node.seconds for node in done.nodes},
    }


def _write_by_hand(warehouse: Path, now: datetime) -> float:
    statements = (SHOP / "by_hand.sql").read_text("utf-8")
    with duckdb.connect(warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        started = time.perf_counter()
        connection.execute(Template(statements).substitute(now=now.isoformat(sep=" ")))
        return time.perf_counter() - started


def _compare(warehouse: Path) -> dict[str, int]:
    """The size of each audience; ends the program where its people differ."""
    sizes = {}
    with duckdb.connect(warehouse) as connection:
        for name in definitions()["audiences"]:
            [(size, difference)] = connection.execute(
                f"""
                with by_hand as (
                    select profile_id from audiences_by_hand where audience = '{name}'
                )
                select
                    count(members.profile_id),
                    count(*) filter (
                        members.profile_id is null or by_hand.profile_id is null
                    )
                from audiences.{name} as members
                full join by_hand on members.profile_id = by_hand.profile_id
                """  # noqa: S608 - names of the benchmark's own definitions
            ).fetchall()
            if difference:
                sys.exit(f"{name}: {difference} people are not the same as by hand")
            sizes[name] = size
    return sizes


def main() -> int:
    """Measure and print; figures go to standard output."""
    options = _options()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        figures = measure(Path(scratch), events=options.events, people=options.people)
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        audience_report.show(figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kith bench audiences")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--directory", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
