"""The durable log: what is acknowledged is on disk first.

Each worker owns one stream, a directory that it holds locked. A stream is a row of
segments; a segment is a row of frames; a frame is one group commit: the NDJSON lines of
every request that was waiting, written and fdatasync'ed together. So a segment is
compact, checks itself, and is readable by DuckDB as it is.

The log says no early (`LogFull`) rather than late: before the disk is full, before
memory is, and while a sync hangs. It goes on by itself when the reason is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from collector.errors import LogBroken, LogFull, LogUnavailable
from collector.files import make_directories, try_lock
from collector.segments import Segments, disk_full, recover
from collector.settings import CollectorSettings

DRAIN_SIGNAL = signal.SIGUSR1
"""Tells a worker that it is about to be stopped, and to take nothing new."""
EXIT_BROKEN = 70
"""How a worker ends whose log is broken; the supervisor starts a new one."""
ANSWER_SECONDS = 0.5
CHECK_SECONDS = 1.0

logger = structlog.get_logger("collector.log")


class Log:
    """One stream, open for appending. Made and closed in a running event loop.

    `min_free_bytes` must stay free on the file system; a commit may take `ack_seconds`
    before new lines are refused; `on_broken` runs in the event loop once, when the log
    can only be mended by a restart; `on_commit` is told there how many seconds the
    oldest lines of a commit waited. `lock` is released when the log is closed.
    """

    def __init__(
        self,
        stream: Path,
        *,
        segment_bytes: int,
        segment_seconds: float,
        pending_bytes: int,
        min_free_bytes: int = 0,
        ack_seconds: float = 10.0,
        on_broken: Callable[[], None] | None = None,
        on_commit: Callable[[float], None] | None = None,
        lock: IO[str] | None = None,
    ) -> None:
        self._stream = stream
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._pending_limit = pending_bytes
        self._min_free_bytes = min_free_bytes
        self._ack_seconds = ack_seconds
        self._on_broken = on_broken
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Condition()
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._pending_since = 0.0
        self._closing = False
        self._draining = False
        self._refusal: LogUnavailable | None = None
        self._full_until = 0.0
        self._commit_began: float | None = None
        self._segments = Segments(stream)
        self._committer = threading.Thread(target=self._commit_loop, name="committer")
        self._committer.start()
        self._watch = self._loop.call_later(CHECK_SECONDS, self._withdraw_if_stalled)

    @property
    def failure(self) -> LogUnavailable | None:
        """Why the log takes nothing now, or None while it does."""
        if self._refusal:
            return self._refusal
        if self._draining or self._closing:
            return LogFull("the collector is shutting down", code="draining")
        return self._stall()

    def append(self, lines: bytes) -> asyncio.Future[None]:
        """Queue whole NDJSON lines; the future is done once they are on disk.

        Raises what `failure` says, and `LogFull` when too much is waiting already. The
        future fails with `LogFull` or `LogBroken` when the disk refuses; then nothing
        was acknowledged.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            if failure := self.failure:
                raise failure
            if self._pending_bytes + len(lines) > self._pending_limit:
                raise LogFull("too many events wait for the disk")
            if not self._pending:
                self._pending_since = time.monotonic()
            self._pending.append((lines, future))
            self._pending_bytes += len(lines)
            self._wake.notify()
        return future

    def drain(self) -> None:
        """Take nothing new; what was appended is still committed."""
        self._draining = True

    def close(self) -> None:
        """Commit what waits, seal the segment, and stop. Blocks until that is done."""
        self._watch.cancel()
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._committer.join()
        if self._lock:
            self._lock.close()

    def _commit_loop(self) -> None:
        while True:
            with self._wake:
                if not self._pending and not self._closing:
                    left = self._segments.seconds_left(self._segment_seconds)
                    self._wake.wait(
                        timeout=CHECK_SECONDS
                        if left is None or self._refusal
                        else min(left, CHECK_SECONDS)
                    )
                group, self._pending = self._pending, []
                self._pending_bytes = 0
                since = self._pending_since
                self._commit_began = time.monotonic() if group else None
                closing = self._closing
            self._guard(self._check_room)
            if group:
                self._commit(group, since)
            elif closing:
                self._guard(self._segments.close)
                return
            if self._segments.is_due(self._segment_seconds, self._segment_bytes):
                self._guard(self._segments.seal)

    def _commit(
        self, group: list[tuple[bytes, asyncio.Future[None]]], since: float
    ) -> None:
        lines = b"".join(lines for lines, _ in group)
        failure = self._refusal or self._guard(lambda: self._segments.write(lines))
        self._commit_began = None
        futures = [future for _, future in group]
        self._loop.call_soon_threadsafe(_settle, futures, failure)
        if self._on_commit and failure is None:
            waited = time.monotonic() - since
            self._loop.call_soon_threadsafe(self._on_commit, waited)

    def _guard(self, step: Callable[[], None]) -> LogUnavailable | None:
        """Run a step of the committer, which must outlive any error; why it failed."""
        try:
            step()
        except LogFull as full:
            self._refusal = full
            self._full_until = time.monotonic() + CHECK_SECONDS
        except LogBroken as broken:
            self._be_broken(broken)
        except Exception as error:  # noqa: BLE001 - a dead committer would hang clients
            self._be_broken(self._segments.break_off(repr(error)))
        else:
            return None
        return self._refusal

    def _be_broken(self, broken: LogBroken) -> None:
        is_new = not isinstance(self._refusal, LogBroken)
        self._refusal = broken
        if is_new and self._on_broken:
            self._loop.call_soon_threadsafe(self._on_broken)

    def _check_room(self) -> None:
        """Refuse below the low-water mark; forget a full disk that has room again."""
        if isinstance(self._refusal, LogBroken):
            return
        free = _free_bytes(self._stream)
        if free < self._min_free_bytes:
            raise LogFull("the disk is almost full", code="low_disk", retry_after=60)
        if self._refusal and time.monotonic() >= self._full_until:
            if free == 0:
                raise disk_full()
            self._refusal = None

    def _stall(self) -> LogFull | None:
        began = self._commit_began
        if began is None or time.monotonic() - began < self._ack_seconds:
            return None
        return LogFull("the disk is too slow", code="slow_disk", retry_after=10)

    def _withdraw_if_stalled(self) -> None:
        """Refuse what still waits behind a sync that hangs; it is not on disk yet."""
        if stall := self._stall():
            with self._wake:
                group, self._pending = self._pending, []
                self._pending_bytes = 0
            _settle([future for _, future in group], stall)
        self._watch = self._loop.call_later(CHECK_SECONDS, self._withdraw_if_stalled)


def open_log(
    settings: CollectorSettings, *, on_commit: Callable[[float], None] | None = None
) -> Log:
    """This process's stream of the log, recovered; ends the process once it is broken.

    Waiting requests get their answer first.
    """
    stream, lock = claim_stream(settings.log_dir)
    if torn := recover(stream):
        logger.warning("cut a torn tail off", stream=stream.name, bytes=torn)
    loop = asyncio.get_running_loop()

    def leave() -> None:
        logger.error("the log is broken; a new process must read the disk anew")
        loop.call_later(ANSWER_SECONDS, os._exit, EXIT_BROKEN)

    return Log(
        stream,
        segment_bytes=settings.segment_bytes,
        segment_seconds=settings.segment_seconds,
        pending_bytes=settings.pending_bytes,
        min_free_bytes=settings.low_water_bytes(),
        ack_seconds=settings.ack_seconds,
        on_broken=leave,
        on_commit=on_commit,
        lock=lock,
    )


def claim_stream(log_dir: Path) -> tuple[Path, IO[str]]:
    """Lock the first stream that no live process holds, making one if need be.

    Keep the returned file open for as long as the stream is used.
    """
    number = 0
    while True:
        stream = log_dir / str(number)
        make_directories(stream)
        if lock := try_lock(stream / "LOCK"):
            return stream, lock
        number += 1


def _settle(futures: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
