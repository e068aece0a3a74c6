"""Killed runs and overlapping runs: real processes, ended by SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml

from activations.sync_log import log_files
from activations.syncs import dbt_manifest
from profiles.published import publish
from tests.activations.bench import email
from tests.activations.scripted import Destination, Give

ROOT = Path(__file__).parents[2]
NAME = "crm__people"


def prepare(tmp_path: Path, account: dict[str, object], *, action: str) -> Path:
    """A data directory with a published payload and dbt's manifest of its sync."""
    data_dir = tmp_path / "data"
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"crm": account}), encoding="utf-8")
    sync = {"destination": "crm", "action": action, "mode": "mirror", "key": "email"}
    node = {
        "resource_type": "model",
        "unique_id": f"model.kith.{NAME}",
        "name": NAME,
        "schema": "syncs",
        "original_file_path": f"models/syncs/{NAME}.sql",
        "config": {"meta": {"sync": sync}},
        "columns": {"email": {}},
    }
    manifest = dbt_manifest(data_dir)
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"nodes": {"x": node}}), encoding="utf-8")
    return data_dir


def build(data_dir: Path, numbers: range) -> set[str]:
    """Publish a payload of these people; their keys."""
    emails = [email(number) for number in numbers]
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as con:
        con.execute("create schema if not exists syncs")
        con.execute(
            "create or replace table syncs.crm__people as "
            "select unnest($emails) as email, 'free' as plan",
            {"emails": emails},
        )
    publish(data_dir / "warehouse.duckdb", data_dir / "published")
    return set(emails)


def start(data_dir: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.activations.runner"]
    arguments = [str(data_dir), str(data_dir.parent / "destinations.yml")]
    return subprocess.Popen(
        [*command, *arguments], cwd=ROOT, stderr=subprocess.PIPE, env=dict(os.environ)
    )


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors.decode()


def wait_for(destination: Destination, requests: int) -> None:
    deadline = time.monotonic() + 30
    while len(destination.requests) < requests:
        assert time.monotonic() < deadline, "the run sends nothing"
        time.sleep(0.002)


def logged(data_dir: Path) -> set[str]:
    """The keys whose delivery the log tells of."""
    keys: set[str] = set()
    for file in log_files(data_dir / "raw", NAME):
        rows = pq.ParquetFile(file).read().to_pylist()
        keys |= {row["key"] for row in rows if row["outcome"] == "succeeded"}
    return keys


@pytest.fixture
def data_dir(tmp_path: Path, destination: Destination) -> Path:
    """A sync of single rows to a destination that takes its time."""
    destination.answer = lambda got: Give(seconds=0.02)
    account: dict[str, object] = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": destination.url},
    }
    return prepare(tmp_path, account, action="row")


def test_a_killed_run_is_taken_up_where_it_ended(
    data_dir: Path, destination: Destination
) -> None:
    """Killed early and after flushes: what was not logged is sent again, as itself."""
    keys = build(data_dir, range(600))
    for requests in (7, 150, 650):
        process = start(data_dir)
        wait_for(destination, requests)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # Nothing is ever logged before the destination has it.
        assert logged(data_dir) <= set(destination.held)
    assert finish(start(data_dir))[0] == 0
    assert set(destination.held) == keys == logged(data_dir)
    by_key: dict[str, set[str]] = {}
    for got in destination.requests:
        by_key.setdefault(got.json["key"], set()).add(got.headers["idempotency-key"])
    assert {len(used) for used in by_key.values()} == {1}
    repeated = len(destination.requests) - len(keys)
    assert repeated > 0, "the kills came too late to test anything"
    sent = len(destination.requests)
    assert finish(start(data_dir))[0] == 0
    assert len(destination.requests) == sent


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    out = tmp_path / "out"
    account: dict[str, object] = {
        "manifest": "csv",
        "settings": {"directory": str(out)},
    }
    data_dir = prepare(tmp_path, account, action="file")
    for numbers, pause in ((range(4_000), 0.0), (range(10, 4_100), 0.05)):
        build(data_dir, numbers)
        process = start(data_dir)
        lock = data_dir / "log" / f"sync-{NAME}.lock"
        deadline = time.monotonic() + 30
        while not lock.exists() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert finish(start(data_dir))[0] == 0
        lines = (out / f"{NAME}.csv").read_text(encoding="utf-8").splitlines()
        assert {line.partition(",")[0] for line in lines[1:]} == {
            email(number) for number in numbers
        }
        assert len(lines) == len(numbers) + 1


def test_two_runs_never_overlap(data_dir: Path, destination: Destination) -> None:
    build(data_dir, range(150))
    first = start(data_dir)
    wait_for(destination, 3)
    code, message = finish(start(data_dir))
    assert code == 3
    assert f"is being run already, by process {first.pid}" in message
    assert finish(first)[0] == 0
    assert len(destination.requests) == 150
    # The lock went with its holder.
    assert finish(start(data_dir))[0] == 0
