"""The tracking plan at the edge: events are flagged by the plan that dbt last read.

It follows the manifest. One that is missing or cannot be used changes nothing: the last
good plan stays, and what is wrong is logged and stands in `/ready`. Without any plan
events come in as they do when none is asked for; the warehouse checks them anyway.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from collector.plan import PlanError, load_plan
from collector.plan_check import PlanCheck

POLL_SECONDS = 1.0

logger = structlog.get_logger("collector")
_Stamp = tuple[int, int, int] | None
_NEVER = (0, 0, 0)


class LivePlan:
    """The plan of a manifest, as of now; None where it is not read yet."""

    def __init__(self, manifest: Path) -> None:
        self._manifest = manifest
        self._stamp: _Stamp = _NEVER
        self.current: PlanCheck | None = None
        self.problem: str | None = None

    async def follow(self) -> None:
        """Look at the manifest every second, for ever, and say what was found."""
        while True:
            # Not on the event loop: a manifest of many models takes a while to read.
            if await asyncio.to_thread(self.refresh):
                if self.problem is None:
                    logger.info(
                        "loaded the tracking plan", manifest=str(self._manifest)
                    )
                else:
                    logger.error("kept the last good plan", problem=self.problem)
            await asyncio.sleep(POLL_SECONDS)

    def refresh(self) -> bool:
        """Load the plan anew when its manifest has changed; whether it had."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.current = PlanCheck(load_plan(self._manifest))
        except PlanError as error:
            self.problem = str(error)
        else:
            self.problem = None
        return True

    def _look(self) -> _Stamp:
        """What changes whenever the manifest is written anew."""
        try:
            stat = self._manifest.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino
