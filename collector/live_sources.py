"""Sources that follow their files: a change takes effect without a restart.

A file that cannot be used changes nothing: the last good sources stay, the mistake is
logged and stands in `/ready` until it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from collector.errors import SourcesError
from collector.sources import Sources, load_sources

POLL_SECONDS = 1.0

logger = structlog.get_logger("collector")
_Stamp = tuple[tuple[str, int, int, int], ...]


class LiveSources:
    """The sources of `sources.yml` and of the webhook functions beside it, as of now.

    Raises `SourcesError` when there is no good file to begin with.
    """

    def __init__(self, path: Path, *, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self._stamp = self._look()
        self.current: Sources = load_sources(path, environ=environ)
        self.problem: str | None = None

    async def follow(self) -> None:
        """Look at the files every second, for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def refresh(self) -> None:
        """Load the sources anew when one of their files has changed."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.current = load_sources(self._path, environ=self._environ)
        except SourcesError as error:
            self.problem = str(error)
            logger.error("kept the last good sources", problem=self.problem)
        else:
            self.problem = None
            logger.info("loaded the changed sources")

    def _look(self) -> _Stamp:
        """What changes whenever a file is written, replaced, added or taken away."""
        stamps = []
        functions = sorted((self._path.parent / "webhooks").glob("*.py"))
        for file in (self._path, *functions):
            try:
                stat = file.stat()
            except OSError:
                continue
            stamps.append((file.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(stamps)
