"""A running collector whose disk, memory, clock or processes fail under it.

Every test checks the same promise: what was answered 200 is in Parquet afterwards, and
what was not stored was refused in a way that clients try again.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from collector.landing import land
from tests.collector.acceptance import accepts
from tests.faults import (
    Sender,
    check_conservation,
    eventually,
    stored_messages,
    tracks,
    workers,
)
from tests.servers import (
    WRITE_KEY,
    basic,
    request,
    running_collector,
    start_collector,
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@accepts("F8")
def test_a_full_disk_is_answered_429_and_recovers_without_a_restart(
    tmp_path: Path, small_disk: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "log").symlink_to(small_disk)
    environ = {"KITH_MIN_FREE_BYTES": "0", "KITH_SEGMENT_SECONDS": "60"}
    with running_collector(data_dir, environ=environ) as collector:
        acknowledged: list[str] = []
        for number in range(200):
            # Random text does not compress: each event takes some 20 KB.
            batch = tracks([f"m{number}"], text=os.urandom(10_000).hex())
            answer = collector.post("/v1/batch", batch)
            if answer.status != 200:
                break
            acknowledged.append(f"m{number}")
        assert (answer.status, answer.body["code"]) == (429, "disk_full")
        assert answer.headers["retry-after"] == "60"
        ready = request(f"{collector.url}/ready")
        assert (ready.status, "full" in ready.body["reason"]) == (503, True)
        remount = ["mount", "-o", "remount,size=16m", str(small_disk)]
        subprocess.run(remount, check=True)
        full_until = time.monotonic()
        eventually(lambda: request(f"{collector.url}/ready").status == 200)
        assert time.monotonic() - full_until < 10
        assert collector.post("/v1/batch", tracks(["last"])).status == 200
    assert stored_messages(data_dir) == sorted([*acknowledged, "last"])


@accepts("F9")
def test_below_the_low_water_mark_new_events_are_refused(tmp_path: Path) -> None:
    mark = str(10**18)
    with running_collector(tmp_path / "data", environ={}) as collector:
        assert collector.post("/v1/batch", tracks(["before"])).status == 200
    environ = {"KITH_MIN_FREE_BYTES": mark}
    collector = start_collector(tmp_path / "data", environ=environ, until="/health")
    try:
        answer = collector.post("/v1/batch", tracks(["refused"]))
        assert (answer.status, answer.body["code"]) == (429, "low_disk")
        assert answer.headers["retry-after"] == "60"
        assert request(f"{collector.url}/ready").status == 503
    finally:
        collector.stop()
    assert stored_messages(tmp_path / "data") == ["before"]


@accepts("F17")
def test_two_collectors_never_share_a_log(tmp_path: Path) -> None:
    with running_collector(tmp_path / "data") as collector:
        second = subprocess.run(
            [sys.executable, "-m", "collector.server"],
            env={
                **os.environ,
                "KITH_DATA_DIR": str(tmp_path / "data"),
                "KITH_SOURCES": str(tmp_path / "data-sources.yml"),
                "KITH_WRITE_KEY": "k",
                "KITH_WEB_KEY": "w",
                "KITH_CLOSED_KEY": "c",
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 75
        (line,) = second.stderr.splitlines()
        assert f"process {collector.process.pid}" in line
        assert collector.post("/v1/batch", tracks(["kept"])).status == 200
    assert stored_messages(tmp_path / "data") == ["kept"]


@accepts("F23")
def test_a_killed_worker_costs_its_own_connections_only(tmp_path: Path) -> None:
    environ = {"KITH_COLLECTOR_WORKERS": "2"}
    with running_collector(tmp_path / "data", environ=environ) as collector:
        eventually(lambda: len(workers(collector)) == 2)
        with Sender(collector) as sender:
            time.sleep(0.5)
            os.kill(workers(collector)[0], signal.SIGKILL)
            eventually(lambda: len(workers(collector)) == 1)
            before = len(sender.acknowledged)
            eventually(lambda: len(sender.acknowledged) > before + 20)
        eventually(lambda: len(workers(collector)) == 2)
    assert check_conservation(tmp_path / "data", [sender]).acknowledged > 20


@accepts("F20")
def test_sigterm_says_not_ready_refuses_new_events_and_loses_none(
    tmp_path: Path,
) -> None:
    environ = {"KITH_DRAIN_SECONDS": "1.5"}
    collector = start_collector(tmp_path / "data", environ=environ)
    with Sender(collector) as sender:
        time.sleep(0.5)
        collector.process.terminate()
        started = time.monotonic()
        eventually(lambda: request(f"{collector.url}/ready").status == 503, seconds=1)
        answer = collector.post("/v1/batch", tracks(["late"]))
        assert (answer.status, answer.body["code"]) == (429, "draining")
        assert collector.process.wait(timeout=15) == 0
        assert time.monotonic() - started < 15
    assert set(sender.statuses) - {0} <= {200, 429}
    figures = check_conservation(tmp_path / "data", [sender])
    assert figures.acknowledged == figures.landed


@accepts("F10")
def test_running_out_of_descriptors_refuses_and_recovers(tmp_path: Path) -> None:
    """The limit of the running worker is lowered below what its clients need."""
    collector = start_collector(
        tmp_path / "data", environ={"KITH_SEGMENT_SECONDS": "0.2"}
    )
    sockets: list[socket.socket] = []
    try:
        (worker,) = workers(collector)
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (60, 60))
        for _ in range(100):
            sockets.append(socket.create_connection(("127.0.0.1", collector.port)))
        time.sleep(1)
        for idle in sockets:
            idle.close()
        sockets.clear()
        eventually(lambda: collector.post("/v1/batch", tracks(["after"])).status == 200)
    finally:
        for idle in sockets:
            idle.close()
        collector.stop()
    assert "after" in stored_messages(tmp_path / "data")


@accepts("F10")
def test_without_a_descriptor_for_a_segment_events_are_refused_for_a_while(
    tmp_path: Path,
) -> None:
    """The limit is lowered to the first number that is free, so nothing can be opened;
    the client's connection is open already."""
    environ = {"KITH_SEGMENT_SECONDS": "0.2"}
    with running_collector(tmp_path / "data", environ=environ) as collector:
        (worker,) = workers(collector)
        with contextlib.closing(HTTPConnection("127.0.0.1", collector.port)) as client:
            assert post(client, "before").status == 200
            eventually(lambda: not list((tmp_path / "data").rglob("log/0/*.open")))
            usual = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            open_now = {int(path.name) for path in Path(f"/proc/{worker}/fd").iterdir()}
            first_free = min(set(range(len(open_now) + 1)) - open_now)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (first_free, usual[1]))
            refused = post(client, "refused")
            assert (refused.status, refused.getheader("retry-after")) == (429, "5")
            resource.prlimit(worker, resource.RLIMIT_NOFILE, usual)
            eventually(lambda: post(client, "after").status == 200)
        assert workers(collector) == [worker]
    assert set(stored_messages(tmp_path / "data")) == {"before", "after"}


def post(client: HTTPConnection, message: str) -> HTTPResponse:
    headers = {"authorization": basic(WRITE_KEY)}
    client.request("POST", "/v1/batch", json.dumps(tracks([message])), headers)
    answer = client.getresponse()
    answer.read()
    return answer


@accepts("F14")
def test_slow_headers_and_bodies_end_and_good_clients_go_on(tmp_path: Path) -> None:
    environ = {"KITH_BODY_SECONDS": "1", "KITH_HEADER_SECONDS": "1"}
    head = (
        b"POST /v1/batch HTTP/1.1\r\nhost: x\r\nauthorization: Basic "
        b"dGVzdC13cml0ZS1rZXk6\r\ncontent-length: 100\r\n\r\n"
    )
    with running_collector(tmp_path / "data", environ=environ) as collector:
        address = ("127.0.0.1", collector.port)
        with contextlib.ExitStack() as stack:
            slow_heads = [
                stack.enter_context(socket.create_connection(address))
                for _ in range(100)
            ]
            for connection in slow_heads:
                connection.sendall(b"POST /v1/batch HT")
            slow_body = stack.enter_context(socket.create_connection(address))
            slow_body.sendall(head + b'{"batch"')
            started = time.monotonic()
            assert collector.post("/v1/batch", tracks(["good"])).status == 200
            assert time.monotonic() - started < 1
            slow_body.settimeout(5)
            assert slow_body.recv(100).startswith(b"HTTP/1.1 408")
            slow_heads[0].settimeout(15)
            assert b"200" not in slow_heads[0].recv(100)
            assert time.monotonic() - started < 4
    assert stored_messages(tmp_path / "data") == ["good"]


@accepts("F18")
def test_the_clock_of_the_machine_may_jump(tmp_path: Path) -> None:
    """Segments made in any order of the clock all land, each row once."""
    clocks = ["2036-01-01", "2016-01-01", "2026-01-01"]
    for number, day in enumerate(clocks):
        script = (
            "import asyncio, datetime, sys\n"
            "import collector.segments as segments\n"
            "class Clock(datetime.datetime):\n"
            "    @classmethod\n"
            "    def now(cls, tz=None):\n"
            f"        return cls.fromisoformat('{day}T00:00:00+00:00')\n"
            "segments.datetime = Clock\n"
            "from tests.faults import append_events\n"
            f"append_events({str(tmp_path)!r}, ['m{number}'])\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
    land(tmp_path / "log", tmp_path / "raw")
    assert stored_messages(tmp_path) == ["m0", "m1", "m2"]
