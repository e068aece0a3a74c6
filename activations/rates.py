"""Rates: what an account may send now, shared by every process that sends to it.

One small file per account, mapped into memory, tells all its syncs when its last
requests left, until when it asked for patience, and how many answers in a row were
missing. Requests that a tool counts by themselves have a file of their own. Whoever
wants to send asks first:

- Of `requests` in any `seconds` the oldest must be `seconds` ago, for each such window.
- While the account is paused (`Retry-After`) nobody sends.
- After 20 failures in a row the circuit is open: nobody sends for a minute, then one
  request tries, and its answer decides for all.
- Who waits lets a sync of higher priority go first.

Times are those of the machine's monotonic clock, which all its processes share and
nobody sets; a restart of the machine begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from activations.errors import DestinationUnavailable
from collector.files import make_directories

PRIORITIES = ("low", "normal", "high")
"""Of syncs, by their place here: who waits with a higher one sends first."""
STRAIGHT_FAILURES = 20
OPEN_SECONDS = 60.0
_LONGEST_HOLD = 5.0
"""A lock that is held longer belongs to a process that was stopped inside."""
# A waiting sync of higher priority is known to wait for so long after its last try.
_STILL_WAITS = 0.25
_LOOK_AGAIN = 0.25

# Where the numbers stand in the file; the times of requests come behind them.
_BOOT, _COUNT, _PAUSED_UNTIL, _FAILURES, _OPEN_UNTIL, _IS_TRYING = range(6)
_WANTED = 6
_TIMES = 16
_KEPT_TIMES = 8192
_BYTES = (_TIMES + _KEPT_TIMES) * 8


Rate = Sequence[tuple[int, float]]
"""At most so many requests in any so many seconds; more than one holds at once."""


@dataclass(frozen=True)
class Wait:
    """Nothing may be sent for so many seconds; `reason` and `code` say why."""

    seconds: float
    reason: str
    code: str


class Budget:
    """What one account may send. Without a file it is this process's own.

    Of the windows of `rate` each holds.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        rate: Rate = (),
        priority: int = 0,
        straight_failures: int = STRAIGHT_FAILURES,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = [_within_file(window) for window in rate]
        self._priority = priority
        self._straight_failures = straight_failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._descriptor: int | None = None
        if path is None:
            self._map = mmap.mmap(-1, _BYTES)
        else:
            make_directories(path.parent)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            with self._locked():
                # Longer by zeros, without space on the disk where nothing is written.
                os.ftruncate(self._descriptor, _BYTES)
            self._map = mmap.mmap(self._descriptor, _BYTES)
        self._cells = memoryview(self._map).cast("d")
        with self._locked():
            self._forget_another_boot()

    def close(self) -> None:
        """Let go of the file; what it says stays."""
        self._cells.release()
        self._map.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: the account's tool is taken to be away."""
        return self._cells[_FAILURES] >= self._straight_failures

    def take(self) -> Wait | None:
        """Take the right to send one request now; else how long to wait and ask."""
        if not self._rate and not self.is_open:
            # Nothing to write down: what is read here needs no lock.
            return self._paused(self._clock())
        with self._locked():
            now = self._clock()
            wait = self._paused(now) or self._full(now) or self._circuit(now)
            if wait is None and self._rate:
                count = int(self._cells[_COUNT])
                self._cells[_TIMES + count % _KEPT_TIMES] = now
                self._cells[_COUNT] = count + 1
            return wait

    def pause(self, seconds: float) -> None:
        """The account asks for patience: nobody sends for so long."""
        with self._locked():
            until = self._clock() + seconds
            self._cells[_PAUSED_UNTIL] = max(self._cells[_PAUSED_UNTIL], until)

    def failed(self) -> None:
        """A request had no usable answer."""
        with self._locked():
            self._cells[_FAILURES] += 1
            self._cells[_IS_TRYING] = 0
            if self.is_open:
                self._cells[_OPEN_UNTIL] = self._clock() + self._open_seconds

    def answered(self) -> None:
        """A request had an answer, whatever it says: the tool is there."""
        if self._cells[_FAILURES]:
            with self._locked():
                self._cells[_FAILURES] = 0
                self._cells[_OPEN_UNTIL] = 0
                self._cells[_IS_TRYING] = 0

    def _paused(self, now: float) -> Wait | None:
        seconds = self._cells[_PAUSED_UNTIL] - now
        if seconds <= 0:
            return None
        return Wait(seconds, "the destination asked for patience", "429")

    def _full(self, now: float) -> Wait | None:
        """Whether the rate is used up, or left to a sync of higher priority."""
        if not self._rate:
            return None
        count = int(self._cells[_COUNT])
        free_at = max(
            self._cells[_TIMES + (count - requests) % _KEPT_TIMES] + window
            if count >= requests
            else 0.0
            for requests, window in self._rate
        )
        mine = _WANTED + self._priority
        higher = self._cells[mine + 1 : _WANTED + len(PRIORITIES)]
        left_until = max(higher, default=0.0)
        if free_at > now:
            self._cells[mine] = free_at + _STILL_WAITS
        seconds = max(free_at, left_until) - now
        return Wait(seconds, "the rate is used up", "rate") if seconds > 0 else None

    def _circuit(self, now: float) -> Wait | None:
        """Open, or half open: then the one who asks tries, and the others wait on."""
        if not self.is_open:
            return None
        seconds = self._cells[_OPEN_UNTIL] - now
        if seconds > 0:
            if self._cells[_IS_TRYING]:
                # Its answer may come at any moment.
                seconds = min(seconds, _LOOK_AGAIN)
            failures = int(self._cells[_FAILURES])
            reason = f"{failures} requests in a row had no usable answer"
            return Wait(seconds, reason, "circuit_open")
        self._cells[_OPEN_UNTIL] = now + self._open_seconds
        self._cells[_IS_TRYING] = 1
        return None

    def _forget_another_boot(self) -> None:
        boot = _boot()
        if self._cells[_BOOT] != boot:
            for index in range(_TIMES):
                self._cells[index] = 0.0
            self._cells[_BOOT] = boot

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the file, for as long as a few numbers take."""
        if self._descriptor is None:
            yield
            return
        give_up = time.monotonic() + _LONGEST_HOLD
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise DestinationUnavailable(
                        "a process that stands still holds the rates of the account"
                    ) from None
                time.sleep(0.0005)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def account_budget(
    log_dir: Path,
    account: str,
    *,
    rate: Rate = (),
    priority: int = 0,
    name: str | None = None,
) -> Budget:
    """The budget that all syncs of an account share; to be closed.

    With a `name` it is that of the requests which count by the rate of this name.
    """
    of = account if name is None else f"{account}.{name}"
    return Budget(log_dir / f"account-{of}.rates", rate=rate, priority=priority)


def _within_file(rate: tuple[int, float]) -> tuple[int, float]:
    """A window, shorter where the file could not hold all its times."""
    requests, seconds = rate
    if requests <= _KEPT_TIMES:
        return rate
    return _KEPT_TIMES, seconds * _KEPT_TIMES / requests


def _boot() -> float:
    """A number that another boot of the machine would not have; 1 if it tells none."""
    with contextlib.suppress(OSError):
        return 2.0 + zlib.crc32(Path("/proc/sys/kernel/random/boot_id").read_bytes())
    return 1.0
