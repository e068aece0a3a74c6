"""Sources that follow their files: a change takes effect without a restart.

A file that cannot be used changes nothing: the last good sources stay, the mistake is
logged and stands in `/ready` until it is mended. A worker that starts meanwhile has the
last good ones from the server, which it is a fork of.
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
_handed_down: list[LiveSources] = []


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

    @staticmethod
    def of_worker(path: Path, *, environ: Mapping[str, str]) -> LiveSources:
        """What the server handed down, brought up to date; else what is in the file."""
        if not _handed_down:
            return LiveSources(path, environ=environ)
        sources = _handed_down[-1]
        sources.refresh()
        return sources

    def hand_down(self) -> None:
        """Let processes forked from this one begin with these sources."""
        _handed_down.append(self)

    async def follow(self) -> None:
        """Look at the files every second, for ever, and say what was found."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self.refresh():
                continue
            if self.problem is None:
                logger.info("loaded the changed sources")
            else:
                logger.error("kept the last good sources", problem=self.problem)

    def refresh(self) -> bool:
        """Load the sources anew when a file of them has changed; whether one had."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.current = load_sources(self._path, environ=self._environ)
        except SourcesError as error:
            self.problem = str(error)
        else:
            self.problem = None
        return True

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
