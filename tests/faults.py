"""What tests of faults share: load, and what is stored afterwards."""

from __future__ import annotations

import asyncio
import sys
import threading
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
    """Sends batches of three from a thread of its own, and notes what is promised."""

    def __init__(self, collector: CollectorProcess, *, name: str = "s") -> None:
        self.acknowledged: list[str] = []
        self.statuses: set[int] = set()
        self._collector = collector
        self._name = name
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
        number = 0
        while not self._stop.is_set():
            messages = [f"{self._name}-{number}-{index}" for index in range(3)]
            number += 1
            try:
                status = self._collector.post("/v1/batch", tracks(messages)).status
            except OSError:
                self._stop.wait(0.02)
                continue
            self.statuses.add(status)
            if status == 200:
                self.acknowledged += messages
