"""Segments: the files of one stream of the log, how they are written and recovered.

    log/0/20261122T081502-3f9c2a17-000001.open        being written
    log/0/20261122T081502-3f9c2a17-000000.ndjson.zst  sealed: complete, may be landed

A segment's name is unique for ever (start of the process, random part, counter),
because the names of Parquet files derive from it. Order within a stream is the counter,
never the clock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import zstandard

from collector.errors import LogBroken, LogFull
from collector.files import fsync_directory
from collector.frames import scan

OPEN = ".open"
SEALED = ".ndjson.zst"
TORN = ".torn"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
_COMPRESSION = zstandard.ZstdCompressionParameters.from_level(
    1, window_log=18, write_checksum=True
)
"""What it looks back on fits a core's cache, which takes a sixth off its time."""


class Segments:
    """Writes one stream's segments; used by one thread only.

    Every error of the disk becomes `LogFull` (nothing is lost, try again) or, for good,
    `LogBroken`: after a failed fsync the page cache can no longer be trusted (a second
    one would succeed without having written), so only a restart, which reads the disk
    anew, may go on.
    """

    def __init__(self, stream: Path) -> None:
        started = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self._stream = stream
        # Held open, so that running out of descriptors cannot stop a sync of names.
        self._directory = os.open(stream, os.O_RDONLY | os.O_DIRECTORY)
        self._prefix = f"{started}-{secrets.token_hex(4)}"
        self._counter = 0
        self._file: IO[bytes] | None = None
        self._path = stream
        self._size = 0
        self._opened_at = 0.0
        self._broken: LogBroken | None = None
        self._compressor = zstandard.ZstdCompressor(compression_params=_COMPRESSION)

    def write(self, lines: bytes) -> None:
        """Append one frame and sync it; on a full disk leave the segment as it was."""
        if self._broken:
            raise self._broken
        frame = self._compressor.compress(lines)
        file = self._file or self._open()
        try:
            view = memoryview(frame)
            while view:
                view = view[os.write(file.fileno(), view) :]
        except OSError as error:
            if error.errno in NO_ROOM and self._cut_back(file):
                raise disk_full() from error
            raise self._break(error) from error
        try:
            os.fdatasync(file.fileno())
        except OSError as error:
            raise self._break(error) from error
        self._size += len(frame)

    def seconds_left(self, seconds: float) -> float | None:
        """How long until the open segment is that old; None when there is none."""
        if self._file is None:
            return None
        return max(0.0, self._opened_at + seconds - time.monotonic())

    def is_due(self, seconds: float, size: int) -> bool:
        """Whether the open segment has reached this age or size."""
        return self._file is not None and (
            self._size >= size or time.monotonic() >= self._opened_at + seconds
        )

    def seal(self) -> None:
        """Give the open segment its final name; it is complete and synced already.

        A broken one keeps its name: only `recover` may say how much of it is whole.
        One that cannot be renamed now stays open, to be written on and sealed later.
        """
        if self._file is None or self._broken:
            return
        try:
            if self._size:
                self._path.rename(self._path.with_suffix(SEALED))
            else:
                self._path.unlink()
        except OSError as error:
            if error.errno in NO_ROOM:
                raise disk_full() from error
            raise self._break(error) from error
        self._file.close()
        self._file = None
        try:
            os.fsync(self._directory)
        except OSError as error:
            raise self._break(error) from error

    def close(self) -> None:
        """Seal what is open, and let the files go."""
        try:
            self.seal()
        finally:
            if self._file is not None:
                self._file.close()
            os.close(self._directory)

    def break_off(self, reason: str) -> LogBroken:
        """Take nothing any more; returns why."""
        self._broken = LogBroken(f"the log cannot be written: {reason}")
        return self._broken

    def _open(self) -> IO[bytes]:
        path = self._stream / f"{self._prefix}-{self._counter:06d}{OPEN}"
        try:
            file = path.open("xb", buffering=0)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise disk_full() from error
            if error.errno in NO_DESCRIPTOR:
                raise LogFull("too many files are open", code="overloaded") from error
            raise self._break(error) from error
        self._counter += 1
        try:
            # The name must be durable before an acknowledgement relies on it.
            os.fsync(self._directory)
        except OSError as error:
            file.close()
            raise self._break(error) from error
        self._path, self._file, self._size = path, file, 0
        self._opened_at = time.monotonic()
        return file

    def _break(self, error: OSError) -> LogBroken:
        return self.break_off(error.strerror or "unknown error")

    def _cut_back(self, file: IO[bytes]) -> bool:
        """Take a half-written frame off again; whether that worked."""
        try:
            os.ftruncate(file.fileno(), self._size)
            os.lseek(file.fileno(), self._size, os.SEEK_SET)
        except OSError:
            return False
        return True


def disk_full() -> LogFull:
    """The refusal while the disk has no room at all."""
    return LogFull("the disk is full", code="disk_full", retry_after=60)


def recover(stream: Path) -> int:
    """Seal the segments that a crash left open; the caller holds the stream's lock.

    What follows the last whole frame was never acknowledged. It is kept beside the
    segment as `*.torn` for a look, and cut off. Returns how many bytes that were.
    Damage before a whole frame stays where it is, for landing to report.
    """
    torn = 0
    for path in sorted(stream.glob(f"*{OPEN}")):
        data = path.read_bytes()
        whole = max((frame.end for frame in scan(data)), default=0)
        if whole < len(data):
            torn += len(data) - whole
            # Without room for the copy the tail goes all the same: nobody relies on it.
            with contextlib.suppress(OSError):
                path.with_suffix(TORN).write_bytes(data[whole:])
        if whole:
            with path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
            path.rename(path.with_suffix(SEALED))
        else:
            path.unlink()
        fsync_directory(stream)
    return torn
