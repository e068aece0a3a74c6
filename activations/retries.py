"""Retries: how long a request is tried, and how long is waited in between."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import stamina.instrumentation

# By default stamina reports a retry through structlog, which writes to standard
# output, where commands print their results.
stamina.instrumentation.set_on_retry_hooks([stamina.instrumentation.LoggingOnRetryHook])


@dataclass(frozen=True)
class Retry:
    """How long a request is tried: attempts, waits, and seconds in all.

    Waits are drawn between zero and a limit that doubles each time (full jitter), so
    that requests that failed together do not come back together. What the destination
    asks for, by `Retry-After` or 429, uses up time and no attempt; so does waiting for
    a circuit that is open.
    """

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 300.0
    longest_retry_after: float = 3600.0
    seconds: float = 4 * 3600.0


class TryAgain(Exception):
    """One attempt failed in a way that may pass; `wait` is what the answer asks for."""

    def __init__(self, reason: str, *, code: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.wait = wait


class Patience:
    """Decides after a failed attempt whether, and after what wait, another follows.

    `is_out_of_time` says whether it was time that ran out, not attempts.
    """

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._waits = 0
        self._end = time.monotonic() + retry.seconds
        self.is_out_of_time = False

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._end - time.monotonic()

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, TryAgain):
            return False
        if error.code != "429":
            self._failures += 1
            if self._failures >= self._retry.attempts:
                return False
        wait = self._jittered() if error.wait is None else error.wait
        # A wait beyond the end would only be followed by giving up.
        self.is_out_of_time = wait > self.left
        return False if self.is_out_of_time else wait

    def _jittered(self) -> float:
        limit = min(self._retry.longest_wait, self._retry.first_wait * 2**self._waits)
        self._waits += 1
        return random.uniform(0, limit)  # noqa: S311 - spreads requests, no secret


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for, given as number or date."""
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(int(value)))
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())
