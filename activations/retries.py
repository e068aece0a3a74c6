"""Retries: how long a request is tried, and how long is waited in between."""

from __future__ import annotations

import contextlib
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

    An answer of 429 uses up time, not attempts.
    """

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_retry_after: float = 3600.0
    seconds: float = 900.0


class TryAgain(Exception):
    """One attempt failed in a way that may pass."""

    def __init__(self, reason: str, *, code: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.wait = wait


class Patience:
    """Decides after a failed attempt whether, and after what wait, another follows."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._end = time.monotonic() + retry.seconds

    def __call__(self, error: Exception) -> bool | float:
        if not isinstance(error, TryAgain):
            return False
        if error.code != "429":
            self._failures += 1
            if self._failures >= self._retry.attempts:
                return False
        if error.wait is None:
            return True
        # A wait beyond the end would only be followed by giving up.
        return error.wait if time.monotonic() + error.wait <= self._end else False


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
