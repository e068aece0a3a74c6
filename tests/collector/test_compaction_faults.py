"""Compaction among faults, readers and others who write: nothing is lost or doubled."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector import compaction
from collector.compaction import GONE, WORK, compact
from collector.datasets import EVENTS
from collector.files import ExchangeUnsupported, exchange
from collector.landing import land
from collector.raw import reading, writing
from tests.collector.small_files import (
    ROOT,
    files,
    rows_by_partition,
    unfinished,
    write_events,
)
from tests.collector.test_landing import segment
from tests.faults import event_line


def test_damaged_files_are_left_and_named_and_their_neighbours_merged(
    tmp_path: Path,
) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    paths = [write_events(raw_dir, f"s{number}", 5) for number in range(10)]
    flipped = bytearray(paths[1].read_bytes())
    flipped[60] ^= 1
    paths[1].write_bytes(flipped)
    paths[2].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:-20])
    pq.write_table(pa.table({"message_id": ["m"]}), paths[4])
    left = {path: path.read_bytes() for path in paths[1:5]}
    report = compact(log_dir, raw_dir)
    assert set(report.damaged) == set(paths[1:5])
    assert (report.files_before, report.files_after, report.rows) == (6, 1, 30)
    assert {path: path.read_bytes() for path in paths[1:5]} == left
    assert len(files(raw_dir)) == 5


def test_a_segment_that_lands_again_doubles_nothing(tmp_path: Path) -> None:
    """A crash between landing a segment and deleting it leaves it in the log."""
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    contents = {}
    for number in range(12):
        path = segment(log_dir, f"s{number}", event_line(f"m{number}"))
        contents[path] = path.read_bytes()
    land(log_dir, raw_dir)
    for path in list(contents)[:3]:
        path.write_bytes(contents[path])
    before = rows_by_partition(raw_dir)
    assert compact(log_dir, raw_dir).files_before == 9
    assert land(log_dir, raw_dir).segments == 3
    assert rows_by_partition(raw_dir) == before


def test_what_a_killed_writer_left_does_not_come_along(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(8):
        path = write_events(raw_dir, f"s{number}", 1)
    path.with_name(f".s9.{os.getpid()}.tmp").write_bytes(b"half")
    path.with_name("notes.txt").write_text("somebody's")
    compact(log_dir, raw_dir)
    assert sorted(path.suffix for path in path.parent.iterdir()) == [".parquet", ".txt"]


@pytest.mark.parametrize(
    "fault",
    ["kill", str(errno.ENOSPC), pytest.param(str(errno.EIO), marks=pytest.mark.slow)],
)
def test_at_every_step_a_fault_leaves_the_same_rows(tmp_path: Path, fault: str) -> None:
    template = tmp_path / "template"
    for number in range(4):
        write_events(template / "raw", f"s{number}", 2)
    segment(template / "log", "s3", event_line("m"))
    before = rows_by_partition(template / "raw")
    subprocess.run(
        [sys.executable, "-m", "tests.steps", fault, template, tmp_path / "steps"],
        cwd=ROOT,
        check=True,
        timeout=120,
    )
    steps = sorted((tmp_path / "steps").iterdir(), key=lambda path: int(path.name))
    counts = [len(files(step / "raw" / "events")) for step in steps]
    assert len(counts) > 25
    assert set(counts) == {4, 2}
    if fault == "kill":  # an error may be one that it can do without
        assert counts == sorted(counts, reverse=True)
    for step in steps:
        assert rows_by_partition(step / "raw") == before, step
        compact(step / "log", step / "raw", min_files=2)
        assert rows_by_partition(step / "raw") == before, step
        assert len(files(step / "raw")) == 2, step
        assert not unfinished(step / "raw"), step


def test_nothing_is_deleted_before_what_replaces_it_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(3):
        path = write_events(raw_dir, f"s{number}", 1)
    (log_dir / "0").mkdir(parents=True)
    steps: list[str] = []
    sync, swap, delete = os.fsync, exchange, shutil.rmtree

    def name(target: str | Path) -> str:
        return str(Path(target).relative_to(tmp_path))

    def fsync(descriptor: int) -> None:
        steps.append(f"fsync {name(Path(f'/proc/self/fd/{descriptor}').readlink())}")
        sync(descriptor)

    def exchanged(one: Path, other: Path) -> None:
        steps.append(f"exchange {name(other)}")
        swap(one, other)

    def rmtree(directory: Path) -> None:
        steps.append(f"delete {name(directory)}")
        delete(directory)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(shutil, "rmtree", rmtree)
    monkeypatch.setattr(compaction, "exchange", exchanged)
    compact(log_dir, raw_dir, min_files=2, grace_seconds=0)
    (merged,) = path.parent.iterdir()
    day, beside = "raw/events/dt=2026-11-01", f"raw/{WORK}/events"
    at = steps.index(f"exchange {day}")
    written = f"fsync {beside}/dt=2026-11-01"
    assert {f"{written}/{merged.name}", written, "fsync log/0"} <= set(steps[:at])
    assert steps.index(f"{written}/{merged.name}") < steps.index(written)
    (deleted,) = (n for n, step in enumerate(steps) if step.startswith("delete "))
    assert steps[deleted].startswith(f"delete raw/{WORK}/{GONE}/events@")
    assert {"fsync raw/events", f"fsync {beside}"} <= set(steps[at:deleted])


READER = """
import os, sys, duckdb
events, expected = sys.argv[1], int(sys.argv[2])
while True:
    for _ in range(300):
        for day in sorted(os.listdir(events)):
            names = os.listdir(f"{events}/{day}")
            merged = sum("~" in name for name in names)
            assert (len(names), merged) in ((5, 0), (1, 1)), names
    with duckdb.connect(config={"threads": 1}) as connection:
        try:
            (count, messages), = connection.execute(
                "select count(*), count(distinct message_id)"
                " from read_parquet(?, union_by_name = true)",
                [f"{events}/**/*.parquet"],
            ).fetchall()
        except duckdb.IOException as error:
            assert "No such file" in str(error) or "No files" in str(error), error
            continue
    assert (count, messages) == (expected, expected), (count, messages)
    print("read", flush=True)
"""


def test_a_reader_never_sees_half_of_it(tmp_path: Path) -> None:
    """Days are compacted, and put back as they were, over and over."""
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for day in range(6):
        for number in range(5):
            write_events(raw_dir, f"d{day}s{number}", 3, day=day)
    shutil.copytree(raw_dir, tmp_path / "as-they-were")
    reads = tmp_path / "reads"
    with (
        reads.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", READER, raw_dir / "events", "90"], stdout=output
        ) as reader,
    ):
        deadline = time.monotonic() + 120
        rounds = 0
        try:
            while rounds < 4 or reads.stat().st_size < 8 * len("read\n"):
                assert time.monotonic() < deadline
                assert compact(log_dir, raw_dir, min_files=2).partitions == 6
                spare = tmp_path / "spare"
                shutil.copytree(tmp_path / "as-they-were" / "events", spare)
                for partition in spare.iterdir():
                    exchange(partition, raw_dir / "events" / partition.name)
                # The reader may be listing it: what is gone must keep its files.
                spare.rename(tmp_path / f"gone{rounds}")
                rounds += 1
                assert reader.poll() is None
        finally:
            reader.kill()


def test_who_holds_a_dataset_still_is_waited_for(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for hold in (reading, writing):
        for number in range(3):
            write_events(raw_dir, f"{hold.__name__}{number}", 1)
        before = files(raw_dir)
        waiting = threading.Thread(
            target=compact, args=(log_dir, raw_dir), kwargs={"min_files": 2}
        )
        with hold(raw_dir, EVENTS):
            waiting.start()
            waiting.join(1)
            assert waiting.is_alive()
            assert files(raw_dir) == before
        waiting.join(60)
        assert len(files(raw_dir)) < len(before)


def test_a_file_system_that_cannot_exchange_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(one: Path, other: Path) -> None:
        raise ExchangeUnsupported(errno.EINVAL, "cannot", str(other))

    monkeypatch.setattr(compaction, "exchange", refuse)
    for number in range(3):
        write_events(tmp_path / "raw", f"s{number}", 1)
    before = files(tmp_path / "raw")
    with pytest.raises(ExchangeUnsupported):
        compact(tmp_path / "log", tmp_path / "raw", min_files=2)
    assert files(tmp_path / "raw") == before
    assert not unfinished(tmp_path / "raw")
