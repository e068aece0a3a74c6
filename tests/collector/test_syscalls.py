"""The log and landing, killed or failed at every n-th call to the system.

A first run of the program shows which calls it makes on its data. Then each of them, in
a run of its own, ends the program with SIGKILL or fails. After each, and once landing
has run again, what was acknowledged is in Parquet, and nothing is there twice. The
ordinary run takes a sample of them all, `--slow` every one.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from collector.errors import Unacceptable
from collector.ingest import quarantined
from collector.landing import ensure_datasets, land
from collector.segments import OPEN, SEALED
from collector.validate import Reception
from tests import strace
from tests.collector.acceptance import accepts
from tests.faults import (
    Sender,
    check_conservation,
    event_line,
    eventually,
    stored_messages,
    tracks,
    workers,
)
from tests.raw import read_raw
from tests.servers import CollectorProcess, request, running_collector

MESSAGES = ["m0", "m1", "m2"]
APPEND = f"""
import sys
from tests.faults import append_events
append_events(sys.argv[1], {MESSAGES!r}, segment_bytes=150)
"""
LAND = """
import sys
from pathlib import Path
from collector.landing import ensure_datasets, land
land(Path(sys.argv[1]) / "log", Path(sys.argv[1]) / "raw")
"""
SAMPLE = 5
"""How many faults the ordinary run takes of a program's."""
sampled = pytest.mark.parametrize(
    "most", [SAMPLE, pytest.param(10**6, marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module", autouse=True)
def _strace() -> None:
    strace.require()


def faults(surveyed: strace.Run, directory: Path, most: int) -> list[str]:
    """Faults at the calls that touch the directory: all, or so many spread evenly."""
    found = [
        f"{call}:{fault}:when={number}"
        for call, number in surveyed.calls_in(directory)
        for fault in ("signal=KILL", "error=EIO", "error=ENOSPC")
        if call not in ("sendto", "flock")
    ]
    step = max(1, len(found) // most)
    # Not a multiple of the number of faults, or all were of one kind.
    return found[:: step + (step % 3 == 0)]


@accepts("F1", "F7", "F19")
@sampled
def test_appending_never_acknowledges_what_is_then_lost(
    tmp_path: Path, most: int
) -> None:
    surveyed = strace.run(APPEND, tmp_path / "whole")
    assert surveyed.output == MESSAGES
    chosen = faults(surveyed, tmp_path / "whole", most)
    hits = 0
    for number, fault in enumerate(chosen):
        directory = tmp_path / f"run{number:03}"
        run = strace.run(APPEND, directory, fault=fault)
        hits += run.is_hit
        land(directory / "log", directory / "raw")
        stored = stored_messages(directory)
        assert set(run.output) <= set(stored) <= set(MESSAGES), fault
        assert len(stored) == len(set(stored)), fault
        assert not remains(directory), fault
    # Two runs do not open quite the same files, so the last fault may find no call.
    assert hits > 0.95 * len(chosen) - 1
    assert len(chosen) >= SAMPLE


@sampled
def test_landing_neither_loses_nor_doubles_a_row(tmp_path: Path, most: int) -> None:
    template = log_of_a_crash(tmp_path / "template")
    surveyed = strace.run(LAND, shutil.copytree(template, tmp_path / "whole"))
    chosen = faults(surveyed, tmp_path / "whole", most)
    hits = 0
    for number, fault in enumerate(chosen):
        directory = shutil.copytree(template, tmp_path / f"run{number:03}")
        hits += strace.run(LAND, directory, fault=fault).is_hit
        land(directory / "log", directory / "raw")
        assert stored_messages(directory) == MESSAGES, fault
        rows = read_raw(directory / "raw", "quarantine")
        assert [row["code"] for row in rows] == ["missing_event_name"], fault
        assert not remains(directory), fault
    # Two runs do not open quite the same files, so the last fault may find no call.
    assert hits > 0.95 * len(chosen) - 1
    assert len(chosen) >= SAMPLE


def log_of_a_crash(directory: Path) -> Path:
    """A sealed segment of events and quarantine, and one that a crash left torn."""
    stream = directory / "log" / "0"
    stream.mkdir(parents=True)
    ensure_datasets(directory / "raw")
    wrong = quarantined({}, Unacceptable("missing_event_name", "x"), reception())
    lines = event_line("m0") + msgspec.json.encode(wrong) + b"\n" + event_line("m1")
    (stream / f"a{SEALED}").write_bytes(zstandard.compress(lines))
    torn = zstandard.compress(event_line("m2")) + b"torn"
    (stream / f"b{OPEN}").write_bytes(torn)
    return directory


def reception() -> Reception:
    return Reception(
        source_id="shop",
        request_id="r",
        received_at=1_795_000_000_000_000,
        sent=(None, None),
        route_type=None,
        max_event_bytes=1000,
    )


def remains(directory: Path) -> list[Path]:
    """What landing should have done away with."""
    ends = (OPEN, SEALED, ".tried", ".tmp")
    return [path for path in directory.rglob("*") if path.name.endswith(ends)]


# A running worker. Its faults are those of the one thread that writes the log.

DEATHS = [
    f"{call}:signal=KILL:when={number}"
    for number in (1, 2, 3)
    for call in ("fdatasync", "write", "openat", "fsync", "rename")
]
"""Every other `write` wakes the event loop: the events are on disk, not answered."""
BREAKS = [
    f"{call}:error={error}:when={number}"
    for error in ("EIO", "EROFS")
    for number in (1, 2)
    for call in ("fdatasync", "fsync", "openat", "rename")
]
REFUSALS = [f"{call}:error=ENOSPC:when=1" for call in ("openat", "rename")]


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    environ = {"KITH_SEGMENT_SECONDS": "0.2", "KITH_ACK_SECONDS": "0.5"}
    with running_collector(tmp_path / "data", environ=environ) as running:
        yield running


@accepts("F2")
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(DEATHS[:2], id="sample"),
        pytest.param(DEATHS, id="every", marks=pytest.mark.slow),
    ],
)
def test_a_worker_killed_at_any_call_loses_nothing(
    collector: CollectorProcess, tmp_path: Path, chosen: list[str]
) -> None:
    with Sender(collector, retry=True) as sender:
        for fault in chosen:
            with strike(collector, fault, tmp_path) as injection:
                until_seen("killed by SIGKILL", injection)
            until_answered(sender)
    collector.stop()
    figures = check_conservation(collector.data_dir, [sender])
    assert figures.acknowledged == figures.landed


@accepts("F6", "F11")
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param([BREAKS[0], "openat:error=EROFS:when=1"], id="sample"),
        pytest.param(BREAKS, id="every", marks=pytest.mark.slow),
    ],
)
def test_a_worker_whose_log_breaks_answers_503_and_leaves_with_70(
    collector: CollectorProcess, tmp_path: Path, chosen: list[str]
) -> None:
    with Sender(collector, retry=True) as sender:
        for fault in chosen:
            before = sender.statuses[503]
            with strike(collector, fault, tmp_path) as injection:
                until_seen("exited with 70", injection)
            if not fault.startswith("rename"):  # a segment is sealed for nobody
                assert sender.statuses[503] > before, fault
            until_answered(sender)
    collector.stop()
    check_conservation(collector.data_dir, [sender])


@pytest.mark.slow
def test_a_worker_whose_disk_is_full_for_a_moment_goes_on(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    (worker,) = workers(collector)
    with Sender(collector, retry=True) as sender:
        for fault in REFUSALS:
            with strike(collector, fault, tmp_path) as injection:
                until_seen("INJECTED", injection)
            until_answered(sender)
    assert workers(collector) == [worker]
    assert 503 not in sender.statuses
    collector.stop()
    check_conservation(collector.data_dir, [sender])


@accepts("F12")
def test_a_sync_that_hangs_makes_new_events_wait_elsewhere(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    with Sender(collector, name="a", retry=True) as first:
        with strike(collector, "fdatasync:delay_enter=3000000:when=1", tmp_path):
            time.sleep(1.5)
            answer = collector.post("/v1/batch", tracks(["refused"]))
            assert (answer.status, answer.body["code"]) == (429, "slow_disk")
            assert int(answer.headers["retry-after"]) > 0
            assert request(f"{collector.url}/ready").status == 503
            eventually(lambda: request(f"{collector.url}/ready").status == 200)
        until_answered(first)
    collector.stop()
    assert set(first.statuses) <= {200, 429}
    assert "refused" not in stored_messages(collector.data_dir)
    check_conservation(collector.data_dir, [first])


@contextlib.contextmanager
def strike(
    collector: CollectorProcess, fault: str, tmp_path: Path
) -> Iterator[strace.Injection]:
    """Inject a fault into the thread of the worker that writes the log."""
    (worker,) = workers(collector)
    thread = strace.committer(worker, tmp_path / "survey")
    with strace.injected(thread, fault, tmp_path / "injected") as injection:
        yield injection


def until_answered(sender: Sender) -> None:
    before = len(sender.acknowledged)
    eventually(lambda: len(sender.acknowledged) > before)


def until_seen(sign: str, injection: strace.Injection) -> None:
    try:
        eventually(lambda: sign in injection.trace)
    except AssertionError:
        raise AssertionError(f"no {sign!r} in: {injection.trace[-500:]}") from None
