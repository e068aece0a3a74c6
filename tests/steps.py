"""Ends a program, or lets it fail, at its n-th change to the file system.

Run as `python -m tests.steps <fault> <template> <directory>`, where the fault is `kill`
or the number of an error: for n = 1, 2, … the data directory `template` is copied to
`<directory>/<n>` and compacted there, until a run makes fewer changes than n.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from collector.compaction import compact

CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}
EXCHANGE = "ctypes.dlsym"
WRITING = os.O_WRONLY | os.O_RDWR
FAILED = 3


def main(fault: str, template: Path, directory: Path) -> None:
    """Run until nothing is left to fail; nothing is loaded anew between the runs."""
    for number in count(1):
        data_dir = directory / str(number)
        shutil.copytree(template, data_dir)
        child = os.fork()
        if child == 0:
            left = _fail_at(number, fault)
            with contextlib.suppress(OSError):
                compact(data_dir / "log", data_dir / "raw", min_files=2)
            os._exit(0 if left() > 0 else FAILED)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        if os.waitstatus_to_exitcode(status) not in (-signal.SIGKILL, FAILED):
            sys.exit(f"step {number} ended with {status}")


def _fail_at(number: int, fault: str) -> Callable[[], int]:
    """Arm the fault; what is returned tells how many changes are left before it."""
    left = number
    sync = os.fsync

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(int(fault), os.strerror(int(fault)))

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        is_change = event in CHANGES or (event == EXCHANGE and "renameat2" in arguments)
        if is_change or (event == "open" and int(arguments[2] or 0) & WRITING):
            step()

    def fsync(descriptor: int) -> None:
        step()
        sync(descriptor)

    sys.addaudithook(audited)
    mock.patch.object(os, "fsync", fsync).start()
    return lambda: left


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
