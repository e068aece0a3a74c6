"""What the tracking plan costs: the live check, and violations per million events.

The plan is the project's own. One event in ten departs from it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.datasets import EVENTS
from collector.landing import ensure_datasets, write_file
from collector.plan import load_plan
from collector.plan_check import PlanCheck
from collector.validate import Event
from orchestration.dbt_runs import run_dbt
from orchestration.project import DBT_PROJECT, prepare_manifest

PRODUCT = {"product_id": "p-1", "name": "Mug", "price": 12.5, "quantity": 2}
SENT: list[tuple[str, dict[str, Any]]] = [
    ("Product Viewed", {"product_id": "p-1", "name": "Mug", "price": 12.5}),
    ("Product Added", PRODUCT | {"cart_id": "c-1", "currency": "EUR"}),
    ("Signed In", {"method": "email"}),
    ("Signed Up", {"method": "google"}),
    ("Order Refunded", {"order_id": "o-1", "total": 25, "currency": "EUR"}),
    *(
        (
            "Order Completed",
            {"order_id": "o-1", "total": 25.0, "currency": "EUR"} | more,
        )
        for more in (
            {"products": [PRODUCT, PRODUCT]},
            {"coupon": "WELCOME"},
            {},
            {"coupon": None},
            {"total": "25.00", "currency": "eur", "tip": 1},
        )
    ),
]


def main() -> int:
    """Measure, and print a line for each, or one JSON document."""
    options = _options()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        data_dir = Path(directory)
        figures = {
            "live": live(data_dir, runs=options.runs),
            "warehouse": warehouse(data_dir, events=options.events),
        }
    if options.json:
        print(json.dumps(figures))  # noqa: T201 - this is what it is for
        return 0
    live_check, models = figures["live"], figures["warehouse"]
    print(  # noqa: T201 - this is what it is for
        f"live check: {live_check['microseconds_per_event']:.1f} µs per event\n"
        f"event_violations: {models['seconds_per_million_events']:.1f} s per million "
        f"events, measured on {models['events']:,} with {models['violations']:,} "
        "violations"
    )
    return 0


def live(data_dir: Path, *, runs: int) -> dict[str, Any]:
    """The median time that the collector's check takes for an event."""
    manifest = prepare_manifest(data_dir)
    check = PlanCheck(load_plan(manifest))
    events = [
        Event("events", "m", "track", 1, 1, "shop", [], name, properties=properties)
        for name, properties in SENT
    ] * 1_000
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        for event in events:
            check.flags(event)
        times.append(time.perf_counter() - started)
    return {
        "events": len(events),
        "microseconds_per_event": statistics.median(times) / len(events) * 1e6,
    }


def warehouse(data_dir: Path, *, events: int) -> dict[str, Any]:
    """The time that dbt takes to find the violations of so many events."""
    raw_dir = data_dir / "raw"
    ensure_datasets(raw_dir)
    now = datetime.now(UTC)
    common = dict.fromkeys(EVENTS.schema.names) | {
        "type": "track",
        "anonymous_id": "visitor",
        "timestamp": now,
        "received_at": now,
        "source_id": "shop",
        "flags": [],
        "segment": "bench",
    }
    sent = [(name, json.dumps(properties)) for name, properties in SENT]
    rows = [
        common
        | {"message_id": f"m-{number}", "position": number}
        | {"event": name, "properties": properties}
        for number, (name, properties) in zip(
            range(events), itertools.cycle(sent), strict=False
        )
    ]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    write_file(raw_dir, EVENTS, table, partition={"dt": f"{now:%F}"}, name="bench")
    run = run_dbt(
        ["run", "--select", "+event_violations"],
        data_dir=data_dir,
        project_dir=DBT_PROJECT,
    )
    if not run.succeeded:
        sys.exit(run.problem or "dbt failed")
    seconds = {node.name: node.seconds for node in run.nodes}["event_violations"]
    return {
        "events": events,
        "violations": _violations(data_dir),
        "seconds_per_million_events": seconds / events * 1e6,
    }


def _violations(data_dir: Path) -> int:
    import duckdb

    with duckdb.connect(data_dir / "warehouse.duckdb") as connection:
        found = connection.execute("select count(*) from staging.event_violations")
        row = found.fetchone()
    return int(row[0]) if row else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
