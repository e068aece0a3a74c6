"""The log, killed or failed at every n-th call to the system.

strace does it: the n-th `write` (and so on) of the program ends it with SIGKILL, or
fails. Each n is a run of its own, until the program makes fewer calls than that. After
each, what was acknowledged is in Parquet, and nothing is there twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from collector.landing import land
from tests.faults import stored_messages

MESSAGES = ["m0", "m1", "m2"]
APPEND = (
    "from tests.faults import append_events\n"
    f"append_events({{directory!r}}, {MESSAGES!r}, segment_bytes=150)\n"
)
ROOT = Path(__file__).resolve().parents[2]


def run_injected(
    program: str, directory: Path, fault: str, tmp_path: Path
) -> tuple[list[str], bool]:
    """Run a program with one fault: what it printed, and whether the fault came."""
    trace = tmp_path / "trace"
    call = fault.partition(":")[0]
    result = subprocess.run(
        [
            *("strace", "-f", "-o", str(trace)),
            *("-e", f"trace={call}", "-e", f"inject={fault}"),
            *(sys.executable, "-c", program.format(directory=str(directory))),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=30,
        check=False,
    )
    happened = result.returncode != 0 or "INJECTED" in trace.read_text()
    return result.stdout.split(), happened


@pytest.fixture(scope="module", autouse=True)
def _strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    probe = ["strace", "-f", "-e", "inject=write:error=EIO:when=999", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace processes here")


@pytest.mark.parametrize(
    "fault",
    [
        "fdatasync:signal=KILL",
        *(
            pytest.param(fault, marks=pytest.mark.slow)
            for fault in (
                "write:signal=KILL",
                "fsync:signal=KILL",
                "rename:signal=KILL",
                "write:error=EIO",
                "write:error=ENOSPC",
                "fdatasync:error=EIO",
            )
        ),
    ],
)
def test_appending_never_acknowledges_what_is_then_lost(
    tmp_path: Path, fault: str
) -> None:
    for number in count(1):
        directory = tmp_path / str(number)
        (directory / "log").mkdir(parents=True)
        acknowledged, happened = run_injected(
            APPEND, directory, f"{fault}:when={number}", tmp_path
        )
        land(directory / "log", directory / "raw")
        stored = stored_messages(directory)
        assert set(acknowledged) <= set(stored), number
        assert len(stored) == len(set(stored)), number
        if not happened:
            break
    assert (number > 2, acknowledged) == (True, MESSAGES)
