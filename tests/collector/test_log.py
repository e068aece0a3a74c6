"""The durable log: what it acknowledged survives any crash, whole and in order."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import LogBroken, LogFull
from collector.frames import read_frames, scan
from collector.log import Log, claim_stream
from collector.segments import OPEN, SEALED, recover
from tests.collector.acceptance import accepts


def open_log(stream: Path, **changes: float) -> Log:
    settings = {
        "segment_bytes": 10**9,
        "segment_seconds": 600.0,
        "pending_bytes": 10**6,
    }
    settings |= changes
    return Log(
        stream,
        segment_bytes=int(settings["segment_bytes"]),
        segment_seconds=settings["segment_seconds"],
        pending_bytes=int(settings["pending_bytes"]),
    )


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the log does by itself."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def lines_of(stream: Path) -> bytes:
    """All lines of a stream's segments, sealed and open, in order."""
    return b"".join(
        lines
        for path in sorted(stream.iterdir())
        if path.suffix == OPEN or path.name.endswith(SEALED)
        for _, lines in read_frames(path.read_bytes())
    )


def test_what_is_acknowledged_is_on_disk_in_order(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path)
        expected = b""
        for number in range(50):
            line = f'{{"n":{number}}}\n'.encode()
            await log.append(line)
            expected += line
            assert lines_of(tmp_path) == expected
        log.close()

    asyncio.run(write())
    assert [path.name.endswith(SEALED) for path in tmp_path.iterdir()] == [True]


def test_requests_that_wait_share_a_frame(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path)
        await asyncio.gather(*(log.append(b'{"n":%d}\n' % n) for n in range(500)))
        log.close()

    asyncio.run(write())
    (segment,) = tmp_path.iterdir()
    frames = list(read_frames(segment.read_bytes()))
    assert len(frames) < 100
    assert b"".join(lines for _, lines in frames).count(b"\n") == 500


def test_segments_are_sealed_by_size_and_by_age(tmp_path: Path) -> None:
    async def write() -> None:
        by_size = open_log(tmp_path, segment_bytes=1)
        await by_size.append(b'{"n":1}\n')
        await by_size.append(b'{"n":2}\n')
        by_size.close()
        by_age = open_log(tmp_path, segment_seconds=0.05)
        await by_age.append(b'{"n":3}\n')
        await asyncio.sleep(0.5)
        assert len(list(tmp_path.glob(f"*{SEALED}"))) == 3
        by_age.close()

    asyncio.run(write())
    assert not list(tmp_path.glob(f"*{OPEN}"))


@accepts("F4")
def test_a_torn_tail_at_any_byte_costs_only_the_last_frame(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path / "made")
        for number in range(3):
            await log.append(b'{"n":%d}\n' % number)
        log.close()

    (tmp_path / "made").mkdir()
    asyncio.run(write())
    (segment,) = (tmp_path / "made").iterdir()
    whole = segment.read_bytes()
    ends = [0]
    for size, _ in read_frames(whole):
        ends.append(ends[-1] + size)
    for cut in range(len(whole) + 1):
        stream = tmp_path / str(cut)
        stream.mkdir()
        (stream / f"s-000000{OPEN}").write_bytes(whole[:cut])
        torn = recover(stream)
        kept = max(end for end in ends if end <= cut)
        assert torn == cut - kept
        assert lines_of(stream) == b"".join(
            b'{"n":%d}\n' % number for number in range(ends.index(kept))
        )


def test_a_flipped_bit_never_yields_wrong_lines(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path)
        for number in range(3):
            await log.append(b'{"n":%d}\n' % number)
        log.close()

    asyncio.run(write())
    (segment,) = tmp_path.iterdir()
    whole = segment.read_bytes()
    all_lines = b"".join(lines for _, lines in read_frames(whole))
    unnoticed = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        kept = b"".join(lines for _, lines in read_frames(bytes(damaged)))
        assert all_lines.startswith(kept), position
        unnoticed += kept == all_lines
    # Only the one bit of a frame's header that the format leaves unused.
    assert unnoticed <= 3


@accepts("F5")
def test_damage_to_any_byte_costs_only_the_frame_it_is_in(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path)
        for number in range(3):
            await log.append(
                b'{"n":%d,"text":"not so short that it is all header"}\n' % number
            )
        log.close()

    asyncio.run(write())
    (segment,) = tmp_path.iterdir()
    whole = segment.read_bytes()
    frames = list(scan(whole))
    assert len(frames) == 3
    for position in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            found = list(scan(bytes(damaged)))
            spared = [each for each in frames if not each.start <= position < each.end]
            assert [each for each in found if each in spared] == spared, position
            assert {each.lines for each in found} <= {each.lines for each in frames}


def test_too_much_waiting_is_refused_at_once(tmp_path: Path) -> None:
    async def write() -> None:
        log = open_log(tmp_path, pending_bytes=10)
        with pytest.raises(LogFull):
            log.append(b"x" * 11)
        await log.append(b'{"n":1}\n')
        log.close()
        with pytest.raises(LogFull, match="shutting down"):
            log.append(b"{}\n")

    asyncio.run(write())


def test_a_full_disk_refuses_and_then_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = os.write
    room = 30

    def short_write(descriptor: int, data: bytes) -> int:
        """Writes what fits, as a file system does just before it is full."""
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real_write(descriptor, bytes(data)[:room])
        room -= written
        return written

    async def write() -> None:
        nonlocal room
        log = open_log(tmp_path)
        await log.append(b'{"n":1}\n')
        monkeypatch.setattr(os, "write", short_write)
        with pytest.raises(LogFull):
            await log.append(b'{"n":2,"x":"abcdefghijklmnopqrstuvwxyz0123456789"}\n')
        assert isinstance(log.failure, LogFull)
        assert log.failure.code == "disk_full"
        room = 10**6
        await until(lambda: log.failure is None)
        await log.append(b'{"n":3}\n')
        assert log.failure is None
        monkeypatch.undo()
        log.close()

    asyncio.run(write())
    assert lines_of(tmp_path) == b'{"n":1}\n{"n":3}\n'


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_after_a_disk_error_nothing_is_acknowledged_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    async def write() -> None:
        log = open_log(tmp_path)
        await log.append(b'{"n":1}\n')
        monkeypatch.setattr(os, call, fail)
        with pytest.raises(LogBroken):
            await log.append(b'{"n":2}\n')
        monkeypatch.undo()
        with pytest.raises(LogBroken):
            await log.append(b'{"n":3}\n')
        log.close()

    asyncio.run(write())
    recover(tmp_path)
    assert lines_of(tmp_path).startswith(b'{"n":1}\n')


def test_two_processes_never_share_a_stream(tmp_path: Path) -> None:
    first, first_lock = claim_stream(tmp_path)
    second, second_lock = claim_stream(tmp_path)
    assert first != second
    first_lock.close()
    third, third_lock = claim_stream(tmp_path)
    assert third == first
    second_lock.close()
    third_lock.close()
