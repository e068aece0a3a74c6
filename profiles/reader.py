"""Follows the published database: every reading sees one build from start to end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from profiles import published


@dataclass(frozen=True)
class Snapshot:
    """One published build, open for reading."""

    connection: duckdb.DuckDBPyConnection
    published_at: datetime


class _Build:
    """An open build and how many readings are using it."""

    def __init__(self, published_dir: Path) -> None:
        self.path, self.connection = published.open_current(published_dir)
        self.published_at = published.published_at(self.path)
        self.readings = 0


class PublishedReader:
    """Gives each reading the build that is current when it starts.

    A build is opened once, shared by all threads, and closed when a newer one has
    replaced it and its last reading is over.
    """

    def __init__(self, published_dir: Path) -> None:
        self._published_dir = published_dir
        self._lock = threading.Lock()
        self._build: _Build | None = None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The current build, for the length of a `with` block.

        Raises `PublishedDatabaseMissing` while nothing is published.
        """
        with self._lock:
            build = self._current()
            build.readings += 1
        try:
            with build.connection.cursor() as cursor:
                yield Snapshot(cursor, build.published_at)
        finally:
            with self._lock:
                build.readings -= 1
                if build is not self._build and build.readings == 0:
                    build.connection.close()

    def close(self) -> None:
        """Close the current build as soon as nobody reads it."""
        with self._lock:
            build, self._build = self._build, None
            if build is not None and build.readings == 0:
                build.connection.close()

    def _current(self) -> _Build:
        """The open current build; opens it when the link has moved. Needs the lock."""
        path = published.current_build(self._published_dir)
        before = self._build
        if before is not None and before.path == path:
            return before
        self._build = _Build(self._published_dir)
        if before is not None and before.readings == 0:
            before.connection.close()
        return self._build
