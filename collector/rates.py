"""How many requests a second a source may send: one token bucket a source."""

from __future__ import annotations

import math
import time

from collector.errors import Refused
from collector.sources import Source


class Rates:
    """The buckets of one worker, which has its share of what a source may send."""

    def __init__(self, *, workers: int) -> None:
        self._workers = workers
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, source: Source) -> None:
        """Count one request; raises `Refused` when the source sends too many.

        A second's worth may come at once.
        """
        allowed = source.limits.requests_per_second
        if allowed is None:
            return
        rate = allowed / self._workers
        capacity = max(1.0, rate)
        now = time.monotonic()
        level, since = self._buckets.get(source.name, (capacity, now))
        level = min(capacity, level + (now - since) * rate)
        if level >= 1:
            self._buckets[source.name] = (level - 1, now)
            return
        self._buckets[source.name] = (level, now)
        wait = math.ceil((1 - level) / rate)
        raise Refused(
            429,
            "rate_limited",
            f"This source may send {allowed:g} requests a second.",
            retry_after=wait,
            headers=[("x-ratelimit-reset", str(math.ceil(time.time()) + wait))],
        )
