"""The log against a plain list, under any sequence of appends, crashes and landings.

Hypothesis invents the sequence: appends by one or several clients at once, a crash that
leaves any part of the unsynced bytes, cut or flipped, a restart, segments sealed by
size or age, a full disk, draining, landing at any moment, failing halfway. The
model knows what was sent and what was acknowledged; after each landing it must agree.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collector import log as log_module
from collector.errors import LogFull, LogUnavailable
from collector.landing import land
from collector.log import Log, claim_stream
from collector.segments import OPEN, recover
from tests.collector.acceptance import accepts
from tests.faults import event_line
from tests.raw import read_raw

SEGMENT_BYTES = 600
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - no secret
"""Where syncs cost nothing: what a crash leaves is made by the test, not the disk."""


class LogMachine(RuleBasedStateMachine):
    """One stream, the disk under it, and the list of what it promised."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="kith-log-", dir=MEMORY))
        self.loop = asyncio.new_event_loop()
        self.numbers = count()
        self.sent: set[str] = set()
        self.lives: list[list[str]] = []
        """What was acknowledged, in order, by each process in turn."""
        self.log: Log | None = None
        self.is_full = False
        self.is_draining = False
        self.disk = contextlib.ExitStack()
        self.patches = contextlib.ExitStack()
        self.patches.enter_context(patch.object(log_module, "CHECK_SECONDS", 0.01))

    @initialize()
    def first_start(self) -> None:
        self.start()

    @precondition(lambda self: self.log is None)
    @rule(segment_seconds=st.sampled_from([0.05, 600.0]))
    def start(self, segment_seconds: float = 600.0) -> None:
        async def open_log() -> Log:
            stream, lock = claim_stream(self.directory / "log")
            recover(stream)
            return Log(
                stream,
                segment_bytes=SEGMENT_BYTES,
                segment_seconds=segment_seconds,
                pending_bytes=10**6,
                lock=lock,
            )

        self.log = self.loop.run_until_complete(open_log())
        self.lives.append([])
        self.is_draining = False

    @precondition(lambda self: self.log is not None)
    @rule(requests=st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def append_in_turn(self, requests: list[int]) -> None:
        for clients in requests:
            self.append(clients)

    def append(self, clients: int) -> None:
        """So many clients append at once; refused are all or none of them."""
        messages = [self.message() for _ in range(clients)]
        outcomes = self.loop.run_until_complete(self.append_all(messages))
        refused = [message for message in messages if outcomes[message] is not None]
        if self.is_draining or self.is_full:
            assert all(isinstance(outcomes[each], LogFull) for each in messages)
        else:
            assert refused == []
        self.lives[-1] += [each for each in messages if each not in refused]

    @precondition(lambda self: self.log is not None and not self.is_full)
    @rule(room=st.integers(0, 60))
    def fill_the_disk(self, room: int) -> None:
        """From now on what fits is written, and then nothing."""
        real_write = os.write

        def short_write(descriptor: int, data: bytes) -> int:
            nonlocal room
            if room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = real_write(descriptor, bytes(data)[:room])
            room -= written
            return written

        self.disk.enter_context(patch.object(os, "write", short_write))
        self.is_full = True

    @precondition(lambda self: self.log is not None and self.is_full)
    @rule()
    def free_the_disk(self) -> None:
        self.disk.close()
        self.is_full = False
        self.loop.run_until_complete(self.until_it_takes_events())

    async def until_it_takes_events(self) -> None:
        assert self.log is not None
        for _ in range(1000):
            if self.log.failure is None:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the log did not notice that there is room")

    @precondition(lambda self: self.log is not None)
    @rule()
    def let_the_segment_age(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0.08))

    @precondition(lambda self: self.log is not None)
    @rule()
    def stop(self) -> None:
        """Take nothing new, and seal what is there."""
        assert self.log is not None
        self.log.drain()
        self.is_draining = True
        self.append(1)
        self.log.close()
        assert not self.open_segments()
        self.forget_the_log()

    @precondition(lambda self: self.log is not None)
    @rule(cut=st.integers(0, 200), flip=st.integers(0, 200), garbage=st.binary())
    def crash(self, cut: int, flip: int, garbage: bytes) -> None:
        """End without a word while events are written, and lose any unsynced bytes."""
        assert self.log is not None
        synced = {}
        for path in self.open_segments():
            with contextlib.suppress(FileNotFoundError):  # sealed by age meanwhile
                synced[path] = path.stat().st_size
        messages = [self.message() for _ in range(2)]
        failing = patch.object(os, "fdatasync", side_effect=OSError(errno.EIO, "EIO"))
        with failing:
            outcomes = self.loop.run_until_complete(self.append_all(messages))
        assert None not in outcomes.values()
        self.log.close()
        self.forget_the_log()
        for path in self.open_segments():
            safe = synced.get(path, 0)
            tail = bytearray(path.read_bytes()[safe:])
            del tail[max(0, len(tail) - cut) :]
            if flip < len(tail):
                tail[flip] ^= 0x40
            path.write_bytes(path.read_bytes()[:safe] + tail + garbage)

    @rule(times=st.integers(1, 2))
    def land(self, times: int) -> None:
        for _ in range(times):
            land(self.directory / "log", self.directory / "raw")

    @precondition(lambda self: self.log is not None)
    @rule()
    def land_the_same_again(self) -> None:
        """As a crash between writing Parquet and deleting the segment makes it."""
        self.append(2)
        self.stop()
        with patch.object(Path, "unlink", autospec=True) as unlink:
            unlink.side_effect = OSError(errno.EIO, "EIO")
            with contextlib.suppress(OSError):
                land(self.directory / "log", self.directory / "raw")
        land(self.directory / "log", self.directory / "raw")

    @invariant()
    def nothing_is_invented_and_nothing_doubled(self) -> None:
        stored = Counter(self.stored())
        assert set(stored) <= self.sent
        assert not stored or max(stored.values()) == 1

    def teardown(self) -> None:
        try:
            if self.log is not None:
                self.stop()
            land(self.directory / "log", self.directory / "raw")
            stored = self.stored()
            self.nothing_is_invented_and_nothing_doubled()
            for life in self.lives:
                promised = set(life)
                assert [each for each in stored if each in promised] == life
            assert not self.open_segments()
        finally:
            self.disk.close()
            self.patches.close()
            self.loop.close()
            shutil.rmtree(self.directory)

    def message(self) -> str:
        message = f"m{next(self.numbers)}"
        self.sent.add(message)
        return message

    async def append_all(self, messages: list[str]) -> dict[str, Any]:
        """Append them at once; for each None, or why it was refused."""
        assert self.log is not None
        futures: list[Any] = []
        for message in messages:
            try:
                futures.append(self.log.append(event_line(message)))
            except LogUnavailable as refusal:
                futures.append(asyncio.sleep(0, refusal))
        results = await asyncio.gather(*futures, return_exceptions=True)
        return dict(zip(messages, results, strict=True))

    def forget_the_log(self) -> None:
        self.log, self.is_full = None, False
        self.disk.close()

    def open_segments(self) -> list[Path]:
        return sorted(self.directory.rglob(f"*{OPEN}"))

    def stored(self) -> list[str]:
        rows = read_raw(self.directory / "raw", "events")
        return [row["message_id"] for row in rows]


@accepts("F3")
@pytest.mark.parametrize(
    ("examples", "steps"),
    [
        pytest.param(15, 20, id="sample"),
        pytest.param(250, 40, id="10,000 steps", marks=pytest.mark.slow),
    ],
)
def test_the_log_keeps_exactly_what_it_promised(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        LogMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
