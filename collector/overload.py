"""Bounded memory: requests are counted before their bodies are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from granian.rsgi import Scope

from collector.errors import Refused

RETRY_SECONDS = 2


class Budget:
    """The bytes that all requests being worked on may hold together."""

    def __init__(self, limit: int, *, largest: int) -> None:
        self._left = limit
        self._largest = largest

    @contextmanager
    def hold(self, scope: Scope) -> Iterator[None]:
        """Count a request until it is answered; refuse it when there is no room."""
        cost = self._cost(scope) if scope.method == "POST" else 0
        if cost > self._left:
            raise Refused(
                429,
                "overloaded",
                "Try again: too many requests are being worked on.",
                retry_after=RETRY_SECONDS,
            )
        self._left -= cost
        try:
            yield
        finally:
            self._left += cost

    def _cost(self, scope: Scope) -> int:
        """What the body can become: a length that is not declared counts as largest."""
        declared = scope.headers.get("content-length")
        if declared is None or not declared.isdecimal():
            return self._largest
        if scope.headers.get("content-encoding"):
            return self._largest
        return min(int(declared), self._largest)
