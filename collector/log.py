"""The durable log: what is acknowledged is on disk first.

Each worker owns one stream, a directory that it holds locked. A stream is a row of
segments; a segment is a row of zstd frames with content checksums; a frame is one group
commit: the NDJSON lines of every request that was waiting, written and fdatasync'ed
together. So a segment is compact, checks itself, and is readable by DuckDB as it is.

    log/0/20261122T081502-3f9c2a17-000001.open      being written
    log/0/20261122T081502-3f9c2a17-000000.ndjson.zst  sealed: complete, may be landed

A segment's name is unique for ever (start of the process, random part, counter),
because the names of Parquet files derive from it. After a crash `recover` cuts a torn
tail off and seals what is whole.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import zstandard

from collector.errors import LogBroken, LogFull, LogUnavailable
from collector.files import fsync_directory, make_directories, try_lock

OPEN = ".open"
SEALED = ".ndjson.zst"
TORN = ".torn"
_CHUNK = 65_536


class Log:
    """One stream, open for appending. Made and closed in a running event loop."""

    def __init__(
        self,
        stream: Path,
        *,
        segment_bytes: int,
        segment_seconds: float,
        pending_bytes: int,
    ) -> None:
        self._stream = stream
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._pending_limit = pending_bytes
        self._loop = asyncio.get_running_loop()
        self._wake = threading.Condition()
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._closing = False
        self._failure: LogUnavailable | None = None
        self._segments = _Segments(stream)
        self._committer = threading.Thread(target=self._commit_loop, name="committer")
        self._committer.start()

    @property
    def failure(self) -> LogUnavailable | None:
        """Why the log takes nothing now, or None while it does."""
        return self._failure

    def append(self, lines: bytes) -> asyncio.Future[None]:
        """Queue whole NDJSON lines; the future is done once they are on disk.

        Raises `LogFull` when too much is waiting already. The future fails with
        `LogFull` or `LogBroken` when the disk refuses; then nothing was acknowledged.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            if isinstance(self._failure, LogBroken):
                raise self._failure
            if self._closing:
                raise LogFull("the collector is shutting down")
            if self._pending_bytes + len(lines) > self._pending_limit:
                raise LogFull("too many events wait for the disk")
            self._pending.append((lines, future))
            self._pending_bytes += len(lines)
            self._wake.notify()
        return future

    def close(self) -> None:
        """Commit what waits, seal the segment, and stop. Blocks until that is done."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._committer.join()

    def _commit_loop(self) -> None:
        while True:
            with self._wake:
                if not self._pending and not self._closing:
                    self._wake.wait(timeout=self._segments.seconds_left(self._limit()))
                group, self._pending = self._pending, []
                self._pending_bytes = 0
                closing = self._closing
            if group:
                self._commit(group)
            elif closing:
                self._segments.seal()
                return
            if self._segments.is_due(self._limit()):
                self._segments.seal()

    def _limit(self) -> tuple[float, int]:
        return self._segment_seconds, self._segment_bytes

    def _commit(self, group: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        failure: LogUnavailable | None = None
        try:
            self._segments.write(b"".join(lines for lines, _ in group))
        except LogUnavailable as error:
            failure = error
        self._failure = failure
        futures = [future for _, future in group]
        self._loop.call_soon_threadsafe(_settle, futures, failure)


def _settle(futures: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)


class _Segments:
    """The files of one stream; used by the committer thread only."""

    def __init__(self, stream: Path) -> None:
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self._stream = stream
        self._prefix = f"{started}-{secrets.token_hex(4)}"
        self._counter = 0
        self._file: IO[bytes] | None = None
        self._path = stream
        self._size = 0
        self._opened_at = 0.0
        self._broken: LogBroken | None = None
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)

    def write(self, lines: bytes) -> None:
        """Append one frame and sync it; on a full disk leave the segment as it was."""
        if self._broken:
            raise self._broken
        frame = self._compressor.compress(lines)
        try:
            file = self._file or self._open()
            view = memoryview(frame)
            while view:
                view = view[os.write(file.fileno(), view) :]
            os.fdatasync(file.fileno())
        except OSError as error:
            self._refuse(error)
        self._size += len(frame)

    def seconds_left(self, limit: tuple[float, int]) -> float | None:
        """How long the open segment may still wait; None when there is none."""
        if self._file is None:
            return None
        return max(0.0, self._opened_at + limit[0] - time.monotonic())

    def is_due(self, limit: tuple[float, int]) -> bool:
        """Whether the open segment has reached its age or size."""
        seconds, size = limit
        return self._file is not None and (
            self._size >= size or time.monotonic() >= self._opened_at + seconds
        )

    def seal(self) -> None:
        """Give the open segment its final name; it is complete and synced already.

        A broken one keeps its name: only `recover` may say how much of it is whole.
        """
        if self._file is None:
            return
        self._file.close()
        self._file = None
        if self._broken:
            return
        if self._size:
            self._path.rename(self._path.with_suffix(SEALED))
        else:
            self._path.unlink()
        fsync_directory(self._stream)

    def _open(self) -> IO[bytes]:
        self._path = self._stream / f"{self._prefix}-{self._counter:06d}{OPEN}"
        file = self._path.open("xb", buffering=0)
        self._counter += 1
        self._file, self._size = file, 0
        self._opened_at = time.monotonic()
        # The name must be durable before the first acknowledgement relies on it.
        fsync_directory(self._stream)
        return file

    def _refuse(self, error: OSError) -> None:
        """Turn a disk error into what the client is told.

        A full disk is mended by cutting the half-written frame off again. After any
        other error the page cache can no longer be trusted (a second fsync would
        succeed without having written), so the stream stays broken until a restart
        reads the disk anew.
        """
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and self._cut_back():
            raise LogFull("the disk is full") from error
        self._broken = LogBroken(f"the log cannot be written: {error.strerror}")
        raise self._broken from error

    def _cut_back(self) -> bool:
        if self._file is None:
            return True
        try:
            os.ftruncate(self._file.fileno(), self._size)
            os.lseek(self._file.fileno(), self._size, os.SEEK_SET)
        except OSError:
            return False
        return True


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


def recover(stream: Path) -> int:
    """Seal the segments that a crash left open; the caller holds the stream's lock.

    What follows the last whole frame was never acknowledged. It is kept beside the
    segment as `*.torn` for a look, and cut off. Returns how many bytes that were.
    """
    torn = 0
    for path in sorted(stream.glob(f"*{OPEN}")):
        data = path.read_bytes()
        whole = sum(size for size, _ in read_frames(data))
        if whole < len(data):
            path.with_suffix(TORN).write_bytes(data[whole:])
            torn += len(data) - whole
        if whole:
            with path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
            path.rename(path.with_suffix(SEALED))
        else:
            path.unlink()
        fsync_directory(stream)
    return torn


def read_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole frames at the start of `data`: their size on disk and their lines."""
    view = memoryview(data)
    decompressor = zstandard.ZstdDecompressor()
    start = 0
    while start < len(view):
        frame = decompressor.decompressobj()
        position = start
        lines = bytearray()
        while not frame.eof and position < len(view):
            chunk = view[position : position + _CHUNK]
            try:
                lines += frame.decompress(chunk)
            except zstandard.ZstdError:
                return
            position += len(chunk)
        if not frame.eof:
            return
        end = position - len(frame.unused_data)
        yield end - start, bytes(lines)
        start = end
