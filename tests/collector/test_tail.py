"""`kith tail` sees every event once, whatever happens to its segment meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from collector.landing import land
from collector.log import Log
from collector.tail import Tail
from orchestration.cli.tail import describe, matches
from tests.servers import CollectorProcess, running_collector

ROW = {
    "dataset": "events",
    "received_at": 1_795_335_300_000_000,
    "source_id": "shop",
    "type": "track",
    "event": "Order Completed",
    "user_id": "u1",
    "properties": '{"total":5}',
}
QUARANTINED = {
    "dataset": "quarantine",
    "received_at": 1_795_335_300_000_000,
    "source_id": "shop",
    "code": "bad_type",
    "detail": "type must be one of …",
    "payload": '{"type":"[bold]"}',
}


def test_rows_are_seen_once_across_seals_and_landings(tmp_path: Path) -> None:
    stream = tmp_path / "log" / "0"
    stream.mkdir(parents=True)
    seen: list[int] = []

    async def write() -> None:
        log = Log(stream, segment_bytes=200, segment_seconds=600, pending_bytes=10**6)
        await log.append(b'{"n":-1}\n')
        tail = Tail(tmp_path / "log")
        for number in range(100):
            await log.append(b'{"n":%d}\n' % number)
            if number % 7 == 0:
                seen.extend(row["n"] for row in tail.read())
            if number % 20 == 0:
                for path in stream.glob("*.zst"):
                    path.unlink()
        log.close()
        seen.extend(row["n"] for row in tail.read())
        tail.close()

    asyncio.run(write())
    # What was deleted between two looks, before the tail saw it, cannot be seen.
    assert seen == sorted(set(seen))
    assert -1 not in seen
    assert len(seen) > 60


def test_a_segment_that_is_landed_while_it_is_followed_is_read_to_its_end(
    tmp_path: Path,
) -> None:
    with running_collector(tmp_path / "data") as collector:
        tail = Tail(collector.data_dir / "log")
        seen: list[str] = []
        for number in range(10):
            collector.post(
                "/v1/track", {"userId": "u", "event": "E", "messageId": f"m{number}"}
            )
            seen += [row["message_id"] for row in tail.read()]
            time.sleep(0.1)
        land(collector.data_dir / "log", collector.data_dir / "raw")
        seen += [row["message_id"] for row in tail.read()]
        tail.close()
    assert seen == [f"m{number}" for number in range(10)]


def test_filters_by_source_event_and_user() -> None:
    assert matches(ROW, source=None, event=None, user=None)
    assert matches(ROW, source="shop", event="track", user="u1")
    assert matches(ROW, source=None, event="Order Completed", user=None)
    assert not matches(ROW, source="web", event=None, user=None)
    assert not matches(ROW, source=None, event="Signed Up", user=None)
    assert not matches(ROW, source=None, event=None, user="u2")
    assert not matches(QUARANTINED, source=None, event="track", user=None)


def test_a_row_is_described_in_a_line_without_markup_from_data() -> None:
    assert describe(ROW).endswith('shop track Order Completed u1 {"total":5}')
    assert "bad_type" in describe(QUARANTINED)
    assert "\\[bold]" in describe(QUARANTINED)


def test_the_command_prints_what_arrives(tmp_path: Path) -> None:
    with running_collector(tmp_path / "data") as collector:
        process = _start_tail(collector)
        collector.post("/v1/track", {"userId": "u2", "event": "Other"})
        collector.post("/v1/track", {"userId": "u1", "event": "Seen"})
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        process.communicate()
    assert json.loads(line)["event"] == "Seen"


def _start_tail(collector: CollectorProcess) -> subprocess.Popen[str]:
    """`kith tail`, running and past the moment from which it sees events."""
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "kith"), "tail", "--user", "u1", "--json"],
        env={**os.environ, "KITH_DATA_DIR": str(collector.data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert "waiting for events" in process.stderr.readline()
    return process
