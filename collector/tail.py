"""Follows the durable log as it is written: every event, none sampled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from collector.frames import read_frames
from collector.segments import OPEN, SEALED


@dataclass
class _Segment:
    file: IO[bytes]
    offset: int


class Tail:
    """Reads what all workers append to their streams, from now on.

    A segment that is landed, and so deleted, while it is read is read to its end.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._segments: dict[str, _Segment] = {}
        for name, segment in self._new_segments():
            segment.offset = segment.file.seek(0, 2)
            self._segments[name] = segment

    def read(self) -> Iterator[dict[str, Any]]:
        """The rows appended since the last call, in the order of their segments."""
        self._segments |= dict(self._new_segments())
        for segment in self._segments.values():
            segment.file.seek(segment.offset)
            for size, lines in read_frames(segment.file.read()):
                segment.offset += size
                for line in lines.splitlines():
                    yield orjson.loads(line)
        self._close_landed()

    def close(self) -> None:
        """Stop following."""
        for segment in self._segments.values():
            segment.file.close()
        self._segments.clear()

    def _new_segments(self) -> Iterator[tuple[str, _Segment]]:
        for path in sorted(self._log_dir.glob("*/*")):
            name = path.name.removesuffix(OPEN).removesuffix(SEALED)
            if name == path.name or name in self._segments:
                continue
            try:
                yield name, _Segment(path.open("rb"), 0)
            except FileNotFoundError:
                # Sealed or landed since it was listed; sealed, it is found next time.
                continue

    def _close_landed(self) -> None:
        for name in list(self._segments):
            if not any(self._log_dir.glob(f"*/{name}*")):
                self._segments.pop(name).file.close()
