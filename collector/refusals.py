"""What is refused, in the log: a line a minute for each code, however much is sent."""

from __future__ import annotations

import time

import structlog

from collector.errors import Refused

PERIOD_SECONDS = 60.0

logger = structlog.get_logger("collector.refusals")


class Refusals:
    """Counts refusals by code, and logs each code's first one and then their number.

    A line says nothing about who sent what: only what the collector itself calls it.
    """

    def __init__(self) -> None:
        self._counted: dict[str, int] = {}
        self._logged_at: dict[str, float] = {}

    def note(self, refused: Refused, *, route: str, request_id: str) -> None:
        """Count a refusal; log it unless its code was logged within the last minute."""
        number = self._counted.get(refused.code, 0) + 1
        now = time.monotonic()
        logged_at = self._logged_at.get(refused.code)
        if logged_at is not None and now - logged_at < PERIOD_SECONDS:
            self._counted[refused.code] = number
            return
        self._logged_at[refused.code] = now
        self._counted[refused.code] = 0
        logger.warning(
            "refused",
            code=refused.code,
            status=refused.status,
            requests=number,
            last_route=route,
            last_request_id=request_id,
        )
