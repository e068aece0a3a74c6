"""Finds the lines that end whoever lands them, and lets all others land.

Landing notes each try at a segment before it begins, so that a process that is ended by
one finds out: a segment that was tried in vain is tried by halves, each by a process of
its own, down to the line at fault. Should even that not help, the segment is put aside.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import zstandard

from collector.lines import read_lines, unreadable
from collector.segments import SEALED

TRIED = ".tried"
SUSPECT_TRIES = 2
"""A segment that was tried so often in vain is taken apart..."""
HOPELESS_TRIES = 4
"""... and put aside whole after so many."""
PROBE_SECONDS = 120.0
CANNOT_TELL = 75
"""How a probe ends that failed for a reason outside of its lines."""


def note_try(segment: Path) -> int:
    """Note that landing this segment begins; how many tries before came to nothing."""
    with contextlib.suppress(OSError), _notes(segment).open("ab") as file:
        file.write(b".")
        return file.tell() - 1
    return 0  # a full disk must not keep the log from being emptied


def forget_tries(segment: Path) -> None:
    """The segment has landed, or what kept it from landing was not in it."""
    with contextlib.suppress(OSError):
        _notes(segment).unlink(missing_ok=True)


def forget_what_landed(stream: Path) -> None:
    """Delete the notes whose segments are gone, which a crash left behind."""
    for notes in stream.glob(f"*{TRIED}"):
        if not notes.with_suffix("").exists():
            notes.unlink(missing_ok=True)


def read_apart(lines: list[bytes], at: int) -> Iterator[pa.Table]:
    """Tables of these lines; the ones that end a process stand in quarantine.

    Raises `OSError` when it cannot be told which those are.
    """
    if not lines:
        return
    if _survives(lines):
        yield from read_lines(lines, at)
    elif len(lines) == 1:
        yield unreadable(lines[0], "this line ended the landing process", at)
    else:
        half = len(lines) // 2
        yield from read_apart(lines[:half], at)
        yield from read_apart(lines[half:], at)


def _survives(lines: list[bytes]) -> bool:
    """Whether a process of its own can land these lines."""
    try:
        probe = subprocess.run(
            [sys.executable, "-m", "collector.isolation"],
            input=b"".join(lines),
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if probe.returncode == CANNOT_TELL:
        raise OSError("a segment cannot be taken apart now")
    return probe.returncode == 0


def _notes(segment: Path) -> Path:
    return segment.with_name(f"{segment.name}{TRIED}")


def main() -> int:
    """Land the lines that stand in standard input, in a directory of no account."""
    # Here and not above: landing uses this module.
    from collector.landing import land

    try:
        with tempfile.TemporaryDirectory() as directory:
            log_dir, raw_dir = Path(directory) / "log", Path(directory) / "raw"
            (log_dir / "0").mkdir(parents=True)
            content = zstandard.compress(sys.stdin.buffer.read())
            (log_dir / "0" / f"lines{SEALED}").write_bytes(content)
            land(log_dir, raw_dir)
    except OSError:
        return CANNOT_TELL
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
