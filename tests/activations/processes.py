"""Syncs that run in processes of their own, so that tests can kill them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import yaml

from activations.facts import fact_files
from activations.journal import Columns, for_each, journals_left
from activations.syncs import dbt_manifest
from collector.datasets import SYNC_LOG
from profiles.published import publish
from tests.activations.bench import email
from tests.activations.scripted import Destination

ROOT = Path(__file__).parents[2]
NAME = "crm__people"
IN_FLIGHT = 4

Start = Callable[..., "subprocess.Popen[bytes]"]


def start_run(
    data_dir: Path, *, lease_seconds: float = 60.0
) -> subprocess.Popen[bytes]:
    """Run the one sync of a data directory."""
    command = [sys.executable, "-m", "tests.activations.runner"]
    arguments = [str(data_dir), str(data_dir.parent / "destinations.yml")]
    return subprocess.Popen(
        [*command, *arguments, str(lease_seconds)], cwd=ROOT, stderr=subprocess.PIPE
    )


def prepare(
    tmp_path: Path, account: dict[str, object], *, action: str, **more: object
) -> Path:
    """A data directory with a published payload and dbt's manifest of its sync."""
    data_dir = tmp_path / "data"
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"crm": account}), encoding="utf-8")
    sync = {
        **{"destination": "crm", "action": action, "mode": "mirror", "key": "email"},
        "control_group": "ignore",
        **more,
    }
    node = {
        "resource_type": "model",
        "unique_id": f"model.kith.{NAME}",
        "name": NAME,
        "schema": "syncs",
        "original_file_path": f"models/syncs/{NAME}.sql",
        "config": {"materialized": "sync", "meta": {"sync": sync}},
        "columns": {"email": {}},
    }
    manifest = dbt_manifest(data_dir)
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"nodes": {"x": node}}), encoding="utf-8")
    return data_dir


def build(data_dir: Path, numbers: Iterable[int]) -> set[str]:
    """Publish a payload of these people; their keys."""
    return set(build_plans(data_dir, {email(number): "free" for number in numbers}))


def build_plans(data_dir: Path, plans: Mapping[str, str]) -> Mapping[str, str]:
    """Publish a payload of these e-mail addresses and what each shall have."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as con:
        con.execute("create schema if not exists syncs")
        con.execute(
            "create or replace table syncs.crm__people as "
            "select unnest($emails) as email, unnest($plans) as plan",
            {"emails": list(plans), "plans": list(plans.values())},
        )
    publish(data_dir / "warehouse.duckdb", data_dir / "published")
    return plans


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.decode()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


def wait_for_requests(destination: Destination, number: int) -> None:
    wait_until(lambda: len(destination.requests) >= number, f"{number} requests")


def wait_for_lease(data_dir: Path, process: subprocess.Popen[bytes]) -> None:
    path = data_dir / "log" / f"sync-{NAME}.lease"

    def is_there() -> bool:
        return path.exists() and json.loads(path.read_text())["process"] == process.pid

    wait_until(is_there, "the lease")


def logged(data_dir: Path) -> set[str]:
    """The keys whose delivery is written down, landed or still in a journal."""
    keys: set[str] = set()
    for file in fact_files(data_dir / "raw", SYNC_LOG, NAME):
        rows = pq.ParquetFile(file).read().to_pylist()
        keys |= {row["key"] for row in rows if row["outcome"] == "succeeded"}
    for path in journals_left(data_dir / "log", NAME):
        for told in journal_lines(path, "outcomes"):
            rows = zip(told["key"], told["outcome"], strict=True)
            keys |= {key for key, outcome in rows if outcome == "succeeded"}
    return keys


def journal_lines(path: Path, kind: str) -> list[Columns]:
    """The lines of a kind (outcomes, expected) of a journal."""
    (_, *lines) = path.read_bytes().splitlines()
    told = [json.loads(line.partition(b" ")[2]) for line in lines]
    return [for_each(line[kind]) for line in told if kind in line]
