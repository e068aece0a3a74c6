"""Runs wrk against a server, and counts what the server's processes used meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.servers import WRITE_KEY, basic

_SCRIPT = Path(__file__).with_name("load.lua")
_TICK = os.sysconf("SC_CLK_TCK")


class WrkMissing(Exception):
    """The load generator is not installed."""


@dataclass(frozen=True)
class Load:
    """One run: what was answered how fast, and at what cost."""

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Answered 200, per second."""
        return (self.requests - self.refused) / self.seconds


def require_wrk() -> str:
    """Where wrk is; raises `WrkMissing` that says how to get it."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise WrkMissing(
            "the benchmark needs the load generator wrk; install it "
            "(Debian: apt-get install wrk, macOS: brew install wrk)"
        )
    return wrk


def run(url: str, bodies: Path, *, connections: int, seconds: int, group: int) -> Load:
    """Send the bodies for some seconds; `group` is the server's process group."""
    environ = {
        **os.environ,
        "KITH_BENCH_BODIES": str(bodies),
        "KITH_BENCH_AUTHORIZATION": basic(WRITE_KEY),
    }
    command = [
        require_wrk(),
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout=10s",
    ]
    before = cpu_seconds(group)
    output = subprocess.run(
        [*command, "-s", str(_SCRIPT), url],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    ).stdout
    used = cpu_seconds(group) - before
    line = next(line for line in output.splitlines() if line.startswith("RESULT "))
    time.sleep(0.2)
    return Load(**json.loads(line.removeprefix("RESULT ")), cpu_seconds=used)


def cpu_seconds(group: int) -> float:
    """User and system time of all live processes of a process group."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += int(fields[11]) + int(fields[12])
    return total / _TICK
