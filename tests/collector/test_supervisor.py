"""The processes of the collector: which end together, and which are started anew."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.overload import workers
from tests.faults import stored_messages, tracks
from tests.servers import (
    KEYS,
    CollectorProcess,
    free_port,
    request,
    running_collector,
    sources_path,
    start_collector,
)

SOURCES = "sources:\n  shop: {write_key_env: KITH_WRITE_KEY, kind: server}\n"
ADDED = "  web: {write_key_env: KITH_WEB_KEY, kind: server}\n"


def eventually(holds: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def answers(collector: CollectorProcess, message: str) -> bool:
    try:
        return collector.post("/v1/batch", tracks([message])).status == 200
    except OSError:
        return False


def live_processes(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_worker_that_dies_again_and_again_is_started_again_and_again(
    tmp_path: Path,
) -> None:
    with running_collector(tmp_path / "data") as collector:
        for number in range(3):
            (worker,) = workers(collector)
            os.kill(worker, signal.SIGKILL)
            eventually(lambda dead=worker: workers(collector) != [dead])  # type: ignore[misc]  # a default value has no type here
            eventually(lambda name=f"m{number}": answers(collector, name))  # type: ignore[misc]  # as above
    assert set(stored_messages(tmp_path / "data")) == {"m0", "m1", "m2"}


def test_a_worker_that_starts_on_a_broken_file_has_the_last_good_sources(
    tmp_path: Path,
) -> None:
    with running_collector(tmp_path / "data", sources=SOURCES) as collector:
        file = sources_path(tmp_path / "data")
        ready = f"{collector.url}/ready"

        def takes(key: str) -> bool:
            try:
                return collector.post("/v1/batch", tracks(["m"]), key=key).status == 200
            except OSError:
                return False

        assert not takes("web-key")
        file.write_text(SOURCES + ADDED)
        eventually(lambda: takes("web-key"))
        time.sleep(1)  # the server itself looks every half second
        file.write_text("sources: [")
        eventually(lambda: "not valid YAML" in request(ready).body.get("sources", ""))
        (worker,) = workers(collector)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: workers(collector) != [worker])
        eventually(lambda: takes("web-key"))
        assert "not valid YAML" in request(ready).body["sources"]
        file.write_text(SOURCES)
        eventually(lambda: not takes("web-key"))
        assert takes("test-write-key")
        assert "sources" not in request(ready).body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_server(tmp_path: Path, number: int) -> None:
    environ = {"KITH_COLLECTOR_WORKERS": "2"}
    collector = start_collector(tmp_path / "data", environ=environ)
    group = collector.process.pid
    eventually(lambda: len(live_processes(group)) == 4)
    collector.process.send_signal(number)
    assert collector.process.wait(timeout=20) == (
        -number if number == signal.SIGKILL else 0
    )
    eventually(lambda: live_processes(group) == [], seconds=10)


def test_no_process_outlives_a_server_that_is_killed_while_it_starts(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sources.yml"
    file.write_text(SOURCES)
    environ = {
        "KITH_DATA_DIR": str(tmp_path / "data"),
        "KITH_SOURCES": str(file),
        "KITH_COLLECTOR_PORT": str(free_port()),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "collector.server"],
        env={**os.environ, **KEYS, **environ},
        start_new_session=True,
    )
    eventually(lambda: len(live_processes(server.pid)) > 1)
    server.kill()
    server.wait()
    assert live_processes(server.pid)
    eventually(lambda: live_processes(server.pid) == [], seconds=10)


@pytest.mark.parametrize(
    ("environ", "sources", "code", "words"),
    [
        ({}, "sources: [", 78, "not valid YAML"),
        ({"KITH_ACK_SECONDS": "soon"}, SOURCES, 78, "KITH_ACK_SECONDS: "),
        ({"KITH_COLLECTOR_HOST": "203.0.113.1"}, SOURCES, 75, "KITH_COLLECTOR_HOST"),
        ({"KITH_COLLECTOR_PORT": "taken"}, SOURCES, 75, "Address already in use"),
    ],
)
def test_what_can_only_fail_ends_at_once_and_says_why(
    environ: dict[str, str], sources: str, code: int, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "sources.yml"
    file.write_text(sources)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = environ.get("KITH_COLLECTOR_PORT", str(free_port()))
        if port == "taken":
            port = str(taken.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "collector.server"],
            env={
                **os.environ,
                **KEYS,
                "KITH_DATA_DIR": str(tmp_path / "data"),
                "KITH_SOURCES": str(file),
                **environ,
                "KITH_COLLECTOR_PORT": port,
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
