"""What a stretch of a program takes: time, processor time, and memory."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """`peak_mb` is the highest resident memory of the whole program until the end."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


class Stretch:
    """Begins when it is made; `end` may be asked more than once."""

    def __init__(self) -> None:
        self._cpu_seconds = _cpu_seconds()
        self._seconds = time.perf_counter()

    def end(self) -> Use:
        """What was used until now."""
        seconds = time.perf_counter() - self._seconds
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Use(seconds, _cpu_seconds() - self._cpu_seconds, usage.ru_maxrss / 1024)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
