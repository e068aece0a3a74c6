"""Runs a client's program against a collector, and reads back what it stored."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.raw import read_raw
from tests.servers import CollectorProcess, start_collector

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 300
"""Far more than any client needs on a busy machine."""


@contextmanager
def sending(
    command: list[str], environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A client's program while it runs; it must end well."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, env={**os.environ, **(environ or {})}
    )
    try:
        yield process
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def python_client(python: Path, package: str, url: str, scenario: str) -> list[str]:
    """The command that sends a scenario with a Python client."""
    program = str(PROGRAMS / "python_client.py")
    return [str(python), program, package, url, "test-write-key", scenario]


def node_client(package: str, url: str, scenario: str) -> list[str]:
    """The command that sends a scenario with a Node client."""
    program = str(PROGRAMS / "node_client.cjs")
    return ["node", program, package, url, "test-write-key", scenario]


def browser_client(sdk: str, url: str, scenario: str, profile: Path) -> list[str]:
    """The command that sends a scenario with a browser client, in Chromium."""
    program = str(PROGRAMS / "browser_client.cjs")
    return ["node", program, sdk, url, "web-key", scenario, str(profile)]


def numbers(collector: CollectorProcess) -> Counter[int]:
    """How often each numbered event is stored, one copy per message id."""
    rows = {row["message_id"]: row for row in stored(collector)}
    return Counter(json.loads(row["properties"])["n"] for row in rows.values())


def stored(collector: CollectorProcess) -> list[dict[str, Any]]:
    """Everything that is in Parquet now."""
    return read_raw(collector.data_dir / "raw", "events")


def wait_for(
    collector: CollectorProcess, program: subprocess.Popen[bytes], count: int
) -> None:
    """Wait until so many different events of a running program are in Parquet."""
    deadline = time.monotonic() + SECONDS
    while len({row["message_id"] for row in stored(collector)}) < count:
        assert program.poll() is None, "the client's program ended early"
        assert time.monotonic() < deadline, f"only {len(stored(collector))} arrived"
        time.sleep(1)  # reading is work too, on the machine that the client uses


def survive_outage(
    collector: CollectorProcess, program: subprocess.Popen[bytes]
) -> CollectorProcess:
    """Kill the collector while a program sends, and start it again on the same port.

    In between every connection breaks; the outage lasts until the program's second
    half met it.
    """
    wait_for(collector, program, 1)
    collector.kill()
    assert program.stdin is not None
    with _breaking_connections(collector.port) as met:
        program.stdin.write(b"\n")
        program.stdin.flush()
        assert met.wait(SECONDS), "the client did not try again"
    return start_collector(collector.data_dir, port=collector.port)


@contextmanager
def _breaking_connections(port: int) -> Iterator[threading.Event]:
    """Break every connection on a port; the event tells that a request was broken."""
    met = threading.Event()
    with _listening(port) as server:
        thread = threading.Thread(target=_break_connections, args=(server, met))
        thread.start()
        try:
            yield met
        finally:
            server.shutdown(socket.SHUT_RDWR)  # ends accept()
            thread.join()


def _listening(port: int) -> socket.socket:
    """A listener on a port, once those who were killed are gone from it."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            assert time.monotonic() < deadline, "the port is not set free"
            time.sleep(0.01)


def _break_connections(server: socket.socket, met: threading.Event) -> None:
    reset = struct.pack("ii", 1, 0)  # close at once, with RST
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.settimeout(1)  # browsers connect before they need to
                is_request = connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            if is_request:
                met.set()
