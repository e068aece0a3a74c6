"""Runs a client's program against a collector, and reads back what it stored."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.raw import read_raw
from tests.servers import CollectorProcess

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


def wait_for(collector: CollectorProcess, count: int) -> None:
    """Wait until so many different events are in Parquet."""
    deadline = time.monotonic() + SECONDS
    while len({row["message_id"] for row in stored(collector)}) < count:
        assert time.monotonic() < deadline, f"only {len(stored(collector))} arrived"
        time.sleep(1)  # reading is work too, on the machine that the client uses
