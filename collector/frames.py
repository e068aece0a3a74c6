"""Frames: the unit in which the log is written, checked and, when damaged, salvaged.

A frame is one zstd frame with a content checksum. It begins with four bytes that JSON
text can never hold (0xFD occurs nowhere in UTF-8), so behind a damaged frame the next
whole one is found again by looking for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import zstandard

MAGIC = b"\x28\xb5\x2f\xfd"
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: where it lies in its segment, and its NDJSON lines."""

    start: int
    end: int
    lines: bytes


def read_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The whole frames at the start of `data`: their size on disk and their lines."""
    start = 0
    while frame := _frame_at(data, start):
        yield frame.end - frame.start, frame.lines
        start = frame.end


def scan(data: bytes) -> Iterator[Frame]:
    """Every whole frame of `data`, those behind a damaged one as well."""
    start = 0
    while start < len(data):
        if frame := _frame_at(data, start):
            yield frame
            start = frame.end
        else:
            start = data.find(MAGIC, start + 1)
            if start < 0:
                return


def damaged_spans(frames: list[Frame], size: int) -> list[tuple[int, int]]:
    """The stretches of a segment of `size` bytes that no whole frame covers."""
    edges = [0, *(edge for frame in frames for edge in (frame.start, frame.end)), size]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pairs if start < end]


def _frame_at(data: bytes, start: int) -> Frame | None:
    """The frame that starts there, or None unless it is whole and its sum holds."""
    if not data.startswith(MAGIC, start):
        return None
    view = memoryview(data)
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    lines = bytearray()
    position = start
    while not decompressor.eof and position < len(view):
        chunk = view[position : position + _CHUNK]
        try:
            lines += decompressor.decompress(chunk)
        except zstandard.ZstdError:
            return None
        position += len(chunk)
    if not decompressor.eof:
        return None
    return Frame(start, position - len(decompressor.unused_data), bytes(lines))
