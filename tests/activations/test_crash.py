"""Killed runs and overlapping runs: real processes, ended by SIGKILL."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.activations.bench import email
from tests.activations.processes import (
    IN_FLIGHT,
    NAME,
    Start,
    build,
    finish,
    logged,
    prepare,
    wait_for_lease,
    wait_for_requests,
)
from tests.activations.scripted import Destination, Give


def hold_after(destination: Destination, requests: int) -> threading.Event:
    """Let so many more requests through; later ones wait for the event."""
    opened = threading.Event()
    limit = len(destination.requests) + requests
    destination.answer = lambda got: Give(
        until=opened if len(destination.requests) > limit else None
    )
    return opened


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
    """Killed early, later, late: only what was under way is sent again."""
    keys = build(data_dir, range(300))
    unknown = 0
    for requests in (7, 120, 150):
        opened = hold_after(destination, requests)
        before = len(destination.requests)
        process = start(data_dir)
        wait_for_requests(destination, before + requests + 1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        sent = {got.json["key"] for got in destination.requests[before:]}
        assert len(sent - logged(data_dir)) <= IN_FLIGHT
        unknown += len(sent - logged(data_dir))
        opened.set()
        # Nothing is ever logged before the destination has it.
        assert logged(data_dir) <= set(destination.held)
    assert finish(start(data_dir))[0] == 0
    assert set(destination.held) == keys == logged(data_dir)
    by_key: dict[str, set[str]] = {}
    for got in destination.requests:
        by_key.setdefault(got.json["key"], set()).add(got.headers["idempotency-key"])
    assert {len(used) for used in by_key.values()} == {1}
    # What a killed client was still sending may arrive after it was counted.
    assert unknown <= len(destination.requests) - len(keys) <= 3 * IN_FLIGHT
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
        wait_for_lease(data_dir, process)
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
