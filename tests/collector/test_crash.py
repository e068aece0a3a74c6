"""SIGKILL at random moments under load: every acknowledged event lands exactly once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

from collector.landing import land
from tests.raw import read_raw
from tests.servers import CollectorProcess, free_port, start_collector

ROUNDS = 4
SENDERS = 4


def test_no_acknowledged_event_is_lost_when_the_collector_is_killed(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "data"
    moments = random.Random(7)  # noqa: S311 - moments of a test
    acknowledged: list[str] = []
    port = free_port()
    for number in range(ROUNDS):
        collector = start_collector(data_dir, port=port)
        stop = threading.Event()
        senders = [
            threading.Thread(
                target=_send_until,
                args=(stop, collector, f"{number}-{sender}", acknowledged),
            )
            for sender in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        time.sleep(0.3 + moments.random())
        collector.kill()
        stop.set()
        for sender in senders:
            sender.join()
    land(data_dir / "log", data_dir / "raw")
    stored = Counter(row["message_id"] for row in read_raw(data_dir / "raw", "events"))
    assert len(acknowledged) > ROUNDS * SENDERS
    assert [message for message in acknowledged if stored[message] != 1] == []
    assert not list((data_dir / "log").rglob("*.open"))


def _send_until(
    stop: threading.Event,
    collector: CollectorProcess,
    name: str,
    acknowledged: list[str],
) -> None:
    number = 0
    while not stop.is_set():
        messages = [f"{name}-{number}-{index}" for index in range(3)]
        batch = [
            {"type": "track", "userId": "u", "event": "E", "messageId": message}
            for message in messages
        ]
        number += 1
        try:
            if collector.post("/v1/batch", {"batch": batch}).status == 200:
                acknowledged += messages
        except OSError:
            return
