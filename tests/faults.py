"""What tests of faults share: load, and what is stored afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from collector.errors import LogUnavailable
from collector.log import Log, claim_stream
from collector.segments import recover
from collector.validate import Event
from tests.raw import read_raw
from tests.servers import CollectorProcess

WRONG = "wrong"
"""How the message ids of those events end that must be quarantined."""


def tracks(messages: list[str], *, text: str = "") -> dict[str, Any]:
    """A batch of one event for each of these message ids."""
    event = {"type": "track", "userId": "u", "event": "E", "properties": {"t": text}}
    return {"batch": [{**event, "messageId": message} for message in messages]}


def stored_messages(data_dir: Path) -> list[str]:
    """The message id of every row of `raw/events`, repeated ones included."""
    return sorted(row["message_id"] for row in read_raw(data_dir / "raw", "events"))


def append_events(
    directory: str | Path, messages: list[str], *, segment_bytes: int = 10**9
) -> None:
    """Write events to the log as a worker does, one commit each.

    What is acknowledged is printed, at once; what is refused is not.
    """

    async def write() -> None:
        stream, lock = claim_stream(Path(directory) / "log")
        recover(stream)
        log = Log(
            stream,
            segment_bytes=segment_bytes,
            segment_seconds=600,
            pending_bytes=10**6,
            lock=lock,
        )
        try:
            for message in messages:
                try:
                    await log.append(event_line(message))
                except LogUnavailable:
                    continue
                sys.stdout.write(f"{message}\n")
                sys.stdout.flush()
        finally:
            log.close()

    asyncio.run(write())


def event_line(message: str) -> bytes:
    """One event as a line of the log."""
    event = Event(
        dataset="events",
        message_id=message,
        type="track",
        timestamp=1_795_000_000_000_000,
        received_at=1_795_000_000_000_000,
        source_id="shop",
        flags=[],
    )
    return msgspec.json.encode(event) + b"\n"


class Sender:
    """Sends batches of three from a thread of its own, and notes what is promised.

    The third event of each is wrong, and so belongs into quarantine. With `retry` a
    batch is sent until it is acknowledged, as SDKs do.
    """

    def __init__(
        self, collector: CollectorProcess, *, name: str = "s", retry: bool = False
    ) -> None:
        self.acknowledged: list[str] = []
        self.attempts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self._collector = collector
        self._name = name
        self._retry = retry
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _send(self) -> None:
        for number in count():
            messages = [f"{self._name}-{number}-{kind}" for kind in ("a", "b", WRONG)]
            while not self._stop.is_set():
                status = self._post(messages)
                if status == 200:
                    self.acknowledged += messages
                else:
                    self._stop.wait(0.02)
                if status == 200 or not self._retry:
                    break
            if self._stop.is_set():
                return

    def _post(self, messages: list[str]) -> int:
        batch = tracks(messages)
        del batch["batch"][2]["event"]
        self.attempts.update(messages)
        try:
            status = self._collector.post("/v1/batch", batch).status
        except (OSError, http.client.HTTPException):
            status = 0
        self.statuses[status] += 1
        return status


@dataclass(frozen=True)
class Conservation:
    """How many events were sent, acknowledged, and landed at least once; and rows."""

    sent: int
    acknowledged: int
    landed: int
    rows: int


def check_conservation(data_dir: Path, senders: Iterable[Sender]) -> Conservation:
    """Assert that each promise was kept, after everything is landed.

    What was acknowledged is there, in events or in quarantine as it deserves; what is
    there was sent, and no oftener than it was sent: each copy was received by itself.
    """
    acknowledged = [message for each in senders for message in each.acknowledged]
    attempts: Counter[str] = sum((each.attempts for each in senders), Counter())
    copies = [
        (row["message_id"], row["received_at"], "events")
        for row in read_raw(data_dir / "raw", "events")
    ]
    copies += [
        (json.loads(row["payload"])["messageId"], row["received_at"], "quarantine")
        for row in read_raw(data_dir / "raw", "quarantine")
    ]
    assert [copy for copy, times in Counter(copies).items() if times > 1] == []
    landed = Counter(message for message, _, _ in copies)
    assert [message for message in acknowledged if not landed[message]] == []
    assert [message for message in landed if landed[message] > attempts[message]] == []
    misplaced = {
        message
        for message, _, dataset in copies
        if message.endswith(WRONG) != (dataset == "quarantine")
    }
    assert misplaced == set()
    assert not [*(data_dir / "log").rglob("*.open"), *data_dir.rglob("log/*/*.zst")]
    return Conservation(
        sent=len(attempts),
        acknowledged=len(acknowledged),
        landed=len(landed),
        rows=len(copies),
    )


def children(parent: int) -> dict[int, str]:
    """The live child processes of a process, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, ppid = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(ppid) == parent and state != "Z":
                command = (path / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(path.name)] = command.decode()
    return found


def workers(collector: CollectorProcess) -> list[int]:
    """Its HTTP workers."""
    return sorted(set(children(collector.process.pid)) - set(landings(collector)))


def landings(collector: CollectorProcess) -> list[int]:
    """Its landing process, if it runs now."""
    found = children(collector.process.pid).items()
    return [process for process, command in found if "collector.landing" in command]


def eventually(holds: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait for something that comes about by itself; fail if it does not."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
