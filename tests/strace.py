"""Faults of the system, made by strace: a call that fails, waits, or kills its caller.

write:signal=KILL        rename:error=EIO        fdatasync:delay_enter=2000000
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CALLS = ["openat", "mkdir", "write", "ftruncate", "fsync", "fdatasync", "rename"]
CALLS += ["unlink", "sendto"]
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)")


@cache
def can_trace() -> bool:
    """Whether strace is here, and may trace processes."""
    if shutil.which("strace") is None:
        return False
    probe = ["strace", "-f", "-e", "inject=write:error=EIO:when=999", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def require() -> None:
    """Skip the test where strace cannot work."""
    if not can_trace():
        pytest.skip("strace is not installed, or may not trace processes here")


@dataclass(frozen=True)
class Run:
    """What a program printed, its status, and every call that it made."""

    output: list[str]
    status: int
    trace: str

    def calls_in(self, directory: Path) -> list[tuple[str, int]]:
        """Each call that touches `directory`: its name, and the how manieth it was.

        The count is that of its thread, as strace counts when it injects a fault.
        """
        counts: Counter[tuple[str, str]] = Counter()
        found = {}
        for line in self.trace.splitlines():
            if (match := _CALL.match(line)) is None:
                continue
            thread, call, rest = match.groups()
            counts[thread, call] += 1
            if str(directory) in rest:
                found[call, counts[thread, call]] = True
        return list(found)

    @property
    def is_hit(self) -> bool:
        """Whether the fault came about."""
        return "INJECTED" in self.trace or "killed by" in self.trace


def run(program: str, directory: Path, *, fault: str | None = None) -> Run:
    """Run a Python program on `directory`; the trace is left beside it."""
    trace = directory.with_name(f"{directory.name}.trace")
    calls = fault.partition(":")[0] if fault else ",".join(CALLS)
    inject = ["-e", f"inject={fault}"] if fault else []
    result = subprocess.run(
        [
            *("strace", "-f", "-y", "-o", str(trace)),
            *("-e", f"trace={calls}", *inject),
            *(sys.executable, "-c", program, str(directory)),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    return Run(result.stdout.split(), result.returncode, trace.read_text())


@dataclass
class Injection:
    """A fault at work in a running process; `trace` is what strace has written."""

    process: subprocess.Popen[bytes]
    trace_path: Path

    @property
    def trace(self) -> str:
        """The calls seen until now, and how the process ended if it did."""
        return self.trace_path.read_text()

    def end(self) -> None:
        """Let go of the process."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def injected(thread: int, fault: str, trace: Path) -> Iterator[Injection]:
    """Inject a fault into one thread of a running process, while this lasts."""
    trace.unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            *("strace", "-o", str(trace), "-p", str(thread)),
            *("-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}"),
        ],
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert b"attached" in said, said
    injection = Injection(process, trace)
    try:
        yield injection
    finally:
        injection.end()
        process.stderr.close()


def committer(worker: int, trace: Path) -> int:
    """The thread of a worker that writes its log: the one that looks for room there."""
    trace.unlink(missing_ok=True)
    process = subprocess.Popen(
        ["strace", "-f", "-e", "trace=statfs", "-o", str(trace), "-p", str(worker)],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.05)
            found = trace.read_text().split() if trace.exists() else []
            if found:
                return int(found[0])
    finally:
        process.terminate()
        process.wait()
    raise AssertionError("no thread of the worker looks after the log")
