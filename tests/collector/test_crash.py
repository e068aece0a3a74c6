"""SIGKILL at random moments under load: every acknowledged event lands exactly once.

Each round kills the whole collector, its main process alone, a worker, or landing. The
senders go on meanwhile, and send again what was not acknowledged, as SDKs do.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from collector.landing import land
from tests.faults import Sender, check_conservation, eventually, landings, workers
from tests.servers import CollectorProcess, free_port, start_collector

SENDERS = 3
VICTIMS = [
    *("worker", "landing", "worker", "everything"),
    *("landing", "worker", "landing", "server", "worker"),
]


@pytest.mark.parametrize("rounds", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_no_acknowledged_event_is_lost_when_processes_are_killed(
    tmp_path: Path, rounds: int
) -> None:
    moments = random.Random(rounds)  # noqa: S311 - moments of a test
    data_dir = tmp_path / "data"
    collector = start(data_dir, free_port())
    with ExitStack() as stack:
        stack.callback(lambda: collector.kill())
        senders = [
            stack.enter_context(Sender(collector, name=f"s{number}", retry=True))
            for number in range(SENDERS)
        ]
        for number in range(rounds):
            time.sleep(moments.random() * 0.4)
            collector = strike(collector, VICTIMS[number % len(VICTIMS)], moments)
            until_service_goes_on(senders)
    land(data_dir / "log", data_dir / "raw")
    figures = check_conservation(data_dir, senders)
    sys.stdout.write(f"{rounds} rounds: {figures}\n")
    assert figures.acknowledged > rounds * SENDERS


def start(data_dir: Path, port: int) -> CollectorProcess:
    environ = {"KITH_COLLECTOR_WORKERS": "2", "KITH_SEGMENT_SECONDS": "0.2"}
    return start_collector(data_dir, port=port, environ=environ)


def acknowledged(senders: list[Sender]) -> int:
    return sum(len(sender.acknowledged) for sender in senders)


def until_service_goes_on(senders: list[Sender]) -> None:
    before = acknowledged(senders)
    eventually(lambda: acknowledged(senders) > before)


def strike(
    collector: CollectorProcess, victim: str, moments: random.Random
) -> CollectorProcess:
    """Kill a part of the collector; the collector that runs afterwards."""
    if victim in ("worker", "landing"):
        find = workers if victim == "worker" else landings
        eventually(lambda: find(collector))
        with contextlib.suppress(ProcessLookupError):
            os.kill(moments.choice(find(collector)), signal.SIGKILL)
        return collector
    if victim == "server":
        collector.process.kill()
        collector.process.wait()
        collector.wait_until_gone()
    else:
        collector.kill()
    return start(collector.data_dir, collector.port)
