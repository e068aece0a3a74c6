"""More than the collector can take: it stays small, says so, and keeps its word.

Nothing here depends on how fast the machine is: bursts are larger than the memory that
requests may take, whatever the machine does with them. `./kith bench overload` measures
speed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.errors import Refused
from collector.overload import LEAST_CHARGE, Budget, Turns
from tests.benchmarks.open_loop import OpenLoop, Outcomes
from tests.benchmarks.overload import lost, requests, resident_mb, workers
from tests.faults import stored_messages, tracks
from tests.servers import CollectorProcess, basic, running_collector

CLIENTS = 200
BURSTS = 3
RSS_MB = 250
LARGE = tracks(["large"], text="x" * 970_000)
"""Larger than the room of `small` while anything of size is held."""
HEAD = (
    "POST /v1/batch HTTP/1.1\r\nhost: collector\r\n"
    f"authorization: {basic('test-write-key')}\r\n"
).encode()


def test_a_burst_beyond_memory_is_refused_and_what_is_accepted_is_kept(
    tmp_path: Path,
) -> None:
    """Each burst is 18 MB at once, of which two megabytes may be in memory."""
    batch = requests("batch")
    data_dir = tmp_path / "data"
    environ = {"KITH_INFLIGHT_BYTES": "2000000"}
    runs: list[Outcomes] = []
    with running_collector(data_dir, environ=environ) as collector:
        (worker,) = workers(collector)
        before = resident_mb(worker)
        loop = OpenLoop(("127.0.0.1", collector.port), batch, most=CLIENTS)
        for _ in range(BURSTS):
            runs.append(loop.run(rate=1e6, seconds=CLIENTS / 1e6, patience=20))
        loop.close()
        after = resident_mb(worker)
        assert collector.post("/v1/batch", tracks(["later"])).status == 200
    answers = [answer for run in runs for answer in run.answers]
    assert len(answers) == CLIENTS * BURSTS
    assert {answer.status for answer in answers} == {200, 429}
    waits = {answer.retry_after for answer in answers if answer.status == 429}
    assert waits <= {b"2", b"3", b"4", b"5", b"6"}
    assert len(waits) > 1
    assert after - before < RSS_MB
    assert lost(data_dir, runs, each=batch.events) == 0
    accepted = sum(run.count(200) for run in runs)
    assert len(stored_messages(data_dir)) == accepted * batch.events + 1


def test_what_waits_longer_than_it_may_is_refused(tmp_path: Path) -> None:
    """All of a burst is read; what does not get its turn in time is not worked on."""
    environ = {"KITH_QUEUE_SECONDS": "0.0001"}
    with running_collector(tmp_path / "data", environ=environ) as collector:
        loop = OpenLoop(("127.0.0.1", collector.port), requests("batch"), most=CLIENTS)
        run = loop.run(rate=1e6, seconds=CLIENTS / 1e6, patience=20)
        loop.close()
    assert len(run.answers) == CLIENTS
    assert run.count(200) + run.count(429) == CLIENTS
    assert run.count(429) > 0


def test_bytes_are_counted_as_they_come_and_given_back() -> None:
    budget = Budget(3 * LEAST_CHARGE)
    with budget.charge() as first, budget.charge() as second:
        first.cover(10)
        assert budget.left == LEAST_CHARGE
        second.cover(2 * LEAST_CHARGE)
        assert budget.left == 0
        with pytest.raises(Refused) as refused:
            first.cover(LEAST_CHARGE + 1)
        assert (refused.value.status, refused.value.code) == (429, "overloaded")
        with pytest.raises(Refused):
            budget.charge()
    assert budget.left == 3 * LEAST_CHARGE
    with budget.charge() as alone:
        alone.cover(10 * LEAST_CHARGE)
        with pytest.raises(Refused):
            budget.charge()
    assert budget.left == 3 * LEAST_CHARGE


def test_turns_come_in_order_and_not_too_late() -> None:
    order: list[int] = []

    async def work(turns: Turns, number: int) -> None:
        try:
            await turns.take()
        except Refused:
            order.append(-number)
            return
        order.append(number)
        time.sleep(0.05)  # stands for work, which holds the loop up

    async def main() -> None:
        turns = Turns(patience=0.13)
        await asyncio.gather(*(work(turns, number) for number in range(1, 9)))
        assert not turns.is_late
        await turns.take()

    asyncio.run(main())
    accepted = [number for number in order if number > 0]
    assert accepted == list(range(1, len(accepted) + 1))
    assert 1 <= len(accepted) <= 4
    assert sorted(map(abs, order)) == list(range(1, 9))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that holds a megabyte of bodies, and waits for them."""
    data_dir = tmp_path_factory.mktemp("small") / "data"
    environ = {"KITH_INFLIGHT_BYTES": "1000000", "KITH_BODY_SECONDS": "20"}
    with running_collector(data_dir, environ=environ) as collector:
        yield collector


def opened(
    stack: contextlib.ExitStack, collector: CollectorProcess, sent: bytes
) -> socket.socket:
    address = ("127.0.0.1", collector.port)
    connection = stack.enter_context(socket.create_connection(address, timeout=20))
    connection.sendall(sent)
    return connection


def status(connection: socket.socket) -> int:
    answer = b""
    while b"\r\n\r\n" not in answer:
        chunk = connection.recv(65_536)
        assert chunk, answer
        answer += chunk
    return int(answer[9:12])


def wait_for_room(collector: CollectorProcess) -> None:
    """Wait until what others held is given back; fail when it is not."""
    end = time.monotonic() + 15
    while collector.post("/v1/batch", LARGE).status != 200:
        assert time.monotonic() < end, "the room did not come back"
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["gzip", "chunked", "plain"])
def test_small_bodies_are_not_counted_as_large_ones(
    small: CollectorProcess, kind: str
) -> None:
    """Fifty requests are half sent; there is room for two of the largest size."""
    body = b'{"batch":[{"type":"track","userId":"u","event":"E"}]}'
    head = HEAD
    if kind == "gzip":
        body = gzip.compress(body)
        head += b"content-encoding: gzip\r\n"
    if kind == "chunked":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        head += b"transfer-encoding: chunked\r\n\r\n"
    else:
        head += b"content-length: %d\r\n\r\n" % len(body)
    with contextlib.ExitStack() as stack:
        connections = [opened(stack, small, head + body[:20]) for _ in range(50)]
        time.sleep(0.3)
        assert small.post("/v1/batch", tracks(["meanwhile"])).status == 200
        for connection in connections:
            connection.sendall(body[20:])
        assert {status(connection) for connection in connections} == {200}


def test_a_body_that_grows_beyond_the_room_is_refused_and_gives_it_back(
    small: CollectorProcess,
) -> None:
    chunk = b"%x\r\n%s\r\n" % (400_000, b" " * 400_000)
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    wait_for_room(small)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            opened(stack, small, head + chunk)
        time.sleep(1)
        late = opened(stack, small, head + chunk + b"0\r\n\r\n")
        assert status(late) == 429
        assert small.post("/v1/batch", LARGE).status == 429
    wait_for_room(small)


@pytest.mark.parametrize("taken", [990_000, 950_000])
def test_a_client_that_is_refused_while_it_sends_can_read_why_and_go_on(
    small: CollectorProcess, taken: int
) -> None:
    """Its connection stays usable: it is not cut off in the middle of its body.

    With all room taken it is refused before its body is read, else afterwards.
    """
    wait_for_room(small)
    chunk = b"%x\r\n%s\r\n" % (taken, b" " * taken)
    with contextlib.ExitStack() as stack:
        opened(stack, small, HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunk)
        time.sleep(1)
        body = b" " * 90_000
        head = HEAD + b"content-length: %d\r\n\r\n" % len(body)
        refused = opened(stack, small, head + body[:40_000])
        time.sleep(0.3)
        refused.sendall(body[40_000:])
        assert status(refused) == 429
        refused.sendall(b"GET /health HTTP/1.1\r\nhost: collector\r\n\r\n")
        assert status(refused) == 200


def test_bodies_that_are_only_announced_take_no_room_from_others(
    tmp_path: Path,
) -> None:
    announced = HEAD + b"content-length: 100000\r\n\r\n{"
    with (
        running_collector(tmp_path / "data") as collector,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(500):
            opened(stack, collector, announced)
        assert collector.post("/v1/batch", tracks(["good"])).status == 200


def test_connections_that_say_nothing_are_closed_and_make_room(tmp_path: Path) -> None:
    environ = {"KITH_MAX_CONNECTIONS": "20", "KITH_HEADER_SECONDS": "1"}
    with (
        running_collector(tmp_path / "data", environ=environ) as collector,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(20):
            opened(stack, collector, b"")
        assert collector.post("/v1/batch", tracks(["good"])).status == 200


def test_zip_bombs_at_once_take_little_memory(tmp_path: Path) -> None:
    """Fifty bodies of 40 KB that would become 40 MB each."""
    bomb = gzip.compress(b" " * 40_000_000)
    head = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    with running_collector(tmp_path / "data") as collector:
        (worker,) = workers(collector)
        before = resident_mb(worker)
        with contextlib.ExitStack() as stack:
            connections = [opened(stack, collector, head + bomb) for _ in range(50)]
            assert {status(connection) for connection in connections} <= {413, 429}
        assert resident_mb(worker) - before < 50
