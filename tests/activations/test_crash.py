"""Killed runs and overlapping runs: real processes, ended by SIGKILL."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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


Start = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runs of a data directory's sync; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(data_dir: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.activations.runner"]
        arguments = [str(data_dir), str(data_dir.parent / "destinations.yml")]
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, stderr=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            process.communicate()


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


def wait_for_lock(data_dir: Path, process: subprocess.Popen[bytes]) -> None:
    lock, holder = data_dir / "log" / f"sync-{NAME}.lock", str(process.pid)
    wait_until(lambda: lock.exists() and lock.read_text().strip() == holder, "the lock")


def hold_after(destination: Destination, requests: int) -> threading.Event:
    """Let so many more requests through; later ones wait for the event."""
    opened = threading.Event()
    limit = len(destination.requests) + requests
    destination.answer = lambda got: Give(
        until=opened if len(destination.requests) > limit else None
    )
    return opened


def logged(data_dir: Path) -> set[str]:
    """The keys whose delivery the log tells of."""
    keys: set[str] = set()
    for file in log_files(data_dir / "raw", NAME):
        rows = pq.ParquetFile(file).read().to_pylist()
        keys |= {row["key"] for row in rows if row["outcome"] == "succeeded"}
    return keys


@pytest.fixture
def data_dir(tmp_path: Path, destination: Destination) -> Path:
    """A sync that sends each row in a request of its own."""
    account: dict[str, object] = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": destination.url},
    }
    return prepare(tmp_path, account, action="row")


def test_a_killed_run_is_taken_up_where_it_ended(
    data_dir: Path, destination: Destination, start: Start
) -> None:
    """Killed early, later, and after a flush: what was not logged is sent again."""
    keys = build(data_dir, range(300))
    lost = 0
    for requests, is_flushed in ((7, False), (120, False), (150, True)):
        opened = hold_after(destination, requests)
        before = len(destination.requests)
        process = start(data_dir)
        wait_for_requests(destination, before + requests + 1)
        if is_flushed:
            wait_until(lambda: len(logged(data_dir)) >= 140, "a flush")
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sent = {got.json["key"] for got in destination.requests[before:]}
        lost += len(sent - logged(data_dir))
        opened.set()
        # Nothing is ever logged before the destination has it.
        assert logged(data_dir) <= set(destination.held)
    assert finish(start(data_dir))[0] == 0
    assert set(destination.held) == keys == logged(data_dir)
    by_key: dict[str, set[str]] = {}
    for got in destination.requests:
        by_key.setdefault(got.json["key"], set()).add(got.headers["idempotency-key"])
    assert {len(used) for used in by_key.values()} == {1}
    # What was sent twice is what a killed run had not logged, and four on their way.
    assert lost <= len(destination.requests) - len(keys) <= lost + 3 * 4
    requests = len(destination.requests)
    assert finish(start(data_dir))[0] == 0
    assert len(destination.requests) == requests


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path, start: Start) -> None:
    out = tmp_path / "out"
    account: dict[str, object] = {
        "manifest": "files",
        "settings": {"location": str(out)},
    }
    data_dir = prepare(tmp_path, account, action="file")
    for numbers, pause in ((range(4_000), 0.0), (range(10, 4_100), 0.05)):
        build(data_dir, numbers)
        process = start(data_dir)
        wait_for_lock(data_dir, process)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert finish(start(data_dir))[0] == 0
        lines = (out / f"{NAME}.csv").read_text(encoding="utf-8").splitlines()
        assert {line.partition(",")[0] for line in lines[1:]} == {
            email(number) for number in numbers
        }
        assert len(lines) == len(numbers) + 1


def test_two_runs_never_overlap(
    data_dir: Path, destination: Destination, start: Start
) -> None:
    build(data_dir, range(20))
    opened = hold_after(destination, 3)
    first = start(data_dir)
    wait_for_requests(destination, 4)
    code, message = finish(start(data_dir))
    assert code == 3
    assert f"is being run already, by process {first.pid}" in message
    opened.set()
    assert finish(first)[0] == 0
    assert len(destination.requests) == 20
    # The lock went with its holder.
    assert finish(start(data_dir))[0] == 0


def test_an_interrupted_run_ends_at_once_and_logs_what_arrived(
    data_dir: Path, destination: Destination, start: Start
) -> None:
    """Ctrl-C while the destination asks for patience."""
    build(data_dir, range(100))
    destination.answer = lambda got: Give(
        503 if len(destination.requests) > 40 else 200
    )
    process = start(data_dir)
    wait_for_requests(destination, 44)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    assert finish(process)[0] != 0
    assert time.monotonic() - started < 10, "the next attempts come for half a minute"
    assert logged(data_dir) == set(destination.held)
    assert len(destination.held) == 40
