"""What this process and all below it take: memory now, and processor time.

Spark computes in a JVM that the program starts, so looking at oneself is not enough.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20
_TICKS = os.sysconf("SC_CLK_TCK")
_SECONDS = 0.05


class MemoryWatch:
    """Looks at the memory twenty times a second while the context lasts."""

    def __init__(self) -> None:
        self._peak = 0.0
        self.peak_of_all = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def peak_mb(self) -> float:
        """The most that was in use since the last time this was asked."""
        peak, self._peak = max(self._peak, memory_mb()), 0.0
        return peak

    def _look(self) -> None:
        while not self._is_over.wait(_SECONDS):
            now = memory_mb()
            self._peak = max(self._peak, now)
            self.peak_of_all = max(self.peak_of_all, now)


def memory_mb() -> float:
    """Resident memory of the processes together."""
    return sum(int(statm.split()[1]) for statm in _each("statm")) * _PAGE_MB


def cpu_seconds() -> float:
    """Processor time of the processes, and of those below them that have ended."""
    # The name, in parentheses, may hold blanks; the times are 11 places after it.
    times = [stat.rpartition(")")[2].split()[11:15] for stat in _each("stat")]
    return sum(int(ticks) for process in times for ticks in process) / _TICKS


def _each(name: str) -> Iterator[str]:
    """A file of /proc of every process; one that has just ended has none any more."""
    waiting = [str(os.getpid())]
    while waiting:
        place = Path("/proc") / waiting.pop()
        if text := _read(place / name):
            yield text
            for task in _tasks(place):
                waiting += _read(task / "children").split()


def _tasks(place: Path) -> list[Path]:
    """The threads of a process; none when it has ended meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return list((place / "task").iterdir())
    return []


def _read(file: Path) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return file.read_text()
    return ""
