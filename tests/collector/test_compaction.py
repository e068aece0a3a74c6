"""Compaction: fewer files, the same rows, whatever happens and whoever reads."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import compaction
from collector.compaction import GONE, WORK, CompactionReport, compact
from collector.datasets import DATASETS, EVENTS, SYNC_LOG, Dataset
from collector.files import ExchangeUnsupported, exchange
from collector.landing import land
from collector.raw import ensure_datasets, reading, write_file, writing
from tests.collector.test_landing import segment
from tests.faults import event_line

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def write_events(
    raw_dir: Path, name: str, count: int, *, day: int = 0, text: str = ""
) -> Path:
    """A file of `raw/events` as landing makes one of the segment `name`."""
    at = NOON + timedelta(days=day)
    rows = [
        dict.fromkeys(EVENTS.schema.names)
        | {
            "message_id": f"{name}-{position}",
            "type": "track",
            "timestamp": at,
            "received_at": at + timedelta(microseconds=position),
            "source_id": "shop",
            "properties": text or None,
            "flags": ["bot"] * (position % 3),
            "segment": name,
            "position": position,
        }
        for position in range(count)
    ]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    partition = {"dt": f"{at:%F}"}
    write_file(raw_dir, EVENTS, table, partition=partition, name=name)
    return raw_dir / "events" / f"dt={at:%F}" / f"{name}.parquet"


def rows_by_partition(raw_dir: Path) -> dict[str, Counter[str]]:
    """Every row of every dataset, read past the checksums; which partition has it."""
    rows: dict[str, Counter[str]] = {}
    for path in raw_dir.glob("[a-z]*/**/*.parquet"):
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        found = rows.setdefault(str(path.parent.relative_to(raw_dir)), Counter())
        found.update(map(repr, table.to_pylist()))
    return rows


def files(raw_dir: Path) -> dict[Path, tuple[int, int]]:
    """What stands in the datasets, and which file it is."""
    return {
        path: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in raw_dir.rglob("*.parquet")
        if GONE not in path.parts
    }


def duckdb_messages(raw_dir: Path) -> list[str]:
    """What the warehouse would read."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "select message_id from read_parquet(?, hive_partitioning = true)",
            [f"{raw_dir}/events/**/*.parquet"],
        ).fetchall()
    return sorted(message for (message,) in found)


def unfinished(raw_dir: Path) -> list[Path]:
    """What compaction left half done beside the datasets."""
    return [path for path in (raw_dir / WORK).iterdir() if path.name != GONE]


def test_many_small_files_become_one_with_the_same_rows(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(9):
        segment(log_dir, f"s{number}", event_line(f"m{number}") * 2)
    land(log_dir, raw_dir)
    before, messages = rows_by_partition(raw_dir), duckdb_messages(raw_dir)
    report = compact(log_dir, raw_dir)
    assert (report.partitions, report.files_before, report.files_after) == (1, 9, 1)
    assert (report.rows, report.damaged) == (18, {})
    assert report.bytes_after < report.bytes_before
    assert rows_by_partition(raw_dir) == before
    assert duckdb_messages(raw_dir) == messages
    after = files(raw_dir)
    assert compact(log_dir, raw_dir) == CompactionReport()
    assert files(raw_dir) == after
    assert not unfinished(raw_dir)


def test_what_was_replaced_stays_for_those_who_are_listing_it(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(3):
        path = write_events(raw_dir, f"s{number}", 1)
    listing = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    compact(log_dir, raw_dir, min_files=2)
    with os.scandir(listing) as entries:
        assert len(list(entries)) == 3
    compact(log_dir, raw_dir, min_files=2, grace_seconds=0)
    with os.scandir(listing) as entries:
        assert not list(entries)
    os.close(listing)
    assert len(files(raw_dir)) == 1


@pytest.mark.parametrize("dataset", DATASETS, ids=lambda dataset: dataset.name)
def test_every_dataset_is_compacted_in_the_order_of_its_facts(
    tmp_path: Path, dataset: Dataset
) -> None:
    raw_dir = tmp_path / "raw"
    partition = {"dt": "2026-11-01", "sync": "crm"}
    for number in range(9):
        row = {
            field.name: value_of(field.type, 8 - number)
            for field in dataset.schema
            if not field.nullable
        }
        table = pa.Table.from_pylist([row], schema=dataset.schema)
        write_file(raw_dir, dataset, table, partition=partition, name=f"f{number}")
    before = rows_by_partition(raw_dir)
    report = compact(tmp_path / "log", raw_dir)
    assert (report.partitions, report.files_before, report.files_after) == (1, 9, 1)
    assert rows_by_partition(raw_dir) == before
    [file] = files(raw_dir)
    times = pq.ParquetFile(file).read().column(dataset.written_at).to_pylist()
    assert times == [NOON + timedelta(hours=number) for number in range(9)]


def value_of(type: pa.DataType, number: int) -> Any:
    """Some value of an Arrow type; a greater one for a greater number."""
    if pa.types.is_timestamp(type):
        return NOON + timedelta(hours=number)
    if pa.types.is_list(type):
        return []
    if pa.types.is_boolean(type):
        return True
    return str(number) if pa.types.is_string(type) else number


def test_few_files_and_large_files_are_left(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(7):
        write_events(raw_dir, f"s{number}", 1)
    text = os.urandom(20_000).hex()
    large = [write_events(raw_dir, f"l{number}", 1, text=text) for number in range(3)]
    before = files(raw_dir)
    assert compact(log_dir, raw_dir, target_bytes=50_000) == CompactionReport()
    assert files(raw_dir) == before
    write_events(raw_dir, "s7", 1)
    assert compact(log_dir, raw_dir, target_bytes=50_000).files_before == 8
    after = files(raw_dir)
    assert len(after) == 4
    assert all(after[path][0] == before[path][0] for path in large)


def test_a_large_file_is_not_written_again_for_little_more(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    written = Counter[int]()
    for number in range(48):
        text = os.urandom(2_000).hex()
        write_events(raw_dir, f"s{number:02d}", 1, text=text)
        report = compact(log_dir, raw_dir, min_files=2)
        written[0] += report.rows
    assert sum(map(Counter.total, rows_by_partition(raw_dir).values())) == 48
    assert len(files(raw_dir)) < 10
    assert written[0] < 48 * 8


def test_rows_are_in_the_order_of_their_arrival(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    names = [f"s{number}" for number in (3, 1, 2, 0)]
    for name in names:
        write_events(raw_dir, name, 2)
    compact(log_dir, raw_dir, min_files=2)
    (path,) = files(raw_dir)
    assert pq.read_table(path, partitioning=None)["segment"].to_pylist() == [
        name for name in sorted(names) for _ in range(2)
    ]


def test_no_merged_file_grows_far_beyond_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    monkeypatch.setattr("collector.merging.GROUP_BYTES", 10_000)
    for number in range(40):
        write_events(raw_dir, f"s{number:02d}", 1, text=os.urandom(3_000).hex())
    before = rows_by_partition(raw_dir)
    report = compact(log_dir, raw_dir, target_bytes=60_000)
    assert 2 <= report.files_after <= 4
    assert rows_by_partition(raw_dir) == before
    sizes = sorted(path.stat().st_size for path in files(raw_dir))
    assert sizes[-1] < 90_000
    assert sizes[1] >= 60_000
    assert compact(log_dir, raw_dir, target_bytes=60_000) == CompactionReport()


LAYOUTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(0, 400)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=8, deadline=None)
@given(
    layouts=st.lists(LAYOUTS, min_size=1, max_size=2),
    target=st.integers(4_000, 60_000),
    min_files=st.integers(2, 6),
    standing=st.integers(1, 9),
)
def test_any_layout_keeps_its_rows(
    layouts: list[list[tuple[int, int, int]]],
    target: int,
    min_files: int,
    standing: int,
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log_dir, raw_dir = Path(directory, "log"), Path(directory, "raw")
        ensure_datasets(raw_dir)
        kept: list[Path] = []
        for turn, layout in enumerate(layouts):
            for number, (day, count, size) in enumerate(layout):
                name = f"{turn}-{number:02d}"
                text = os.urandom(size).hex()
                path = write_events(raw_dir, name, count, day=day, text=text)
                if number % standing == standing - 1:
                    segment(log_dir, name, b"{}\n")
                    kept.append(path)
            before = rows_by_partition(raw_dir)
            compact(log_dir, raw_dir, target_bytes=target, min_files=min_files)
            assert {k: v for k, v in rows_by_partition(raw_dir).items() if v} == {
                k: v for k, v in before.items() if v
            }
            after = files(raw_dir)
            assert all(path in after for path in kept)
            again = compact(log_dir, raw_dir, target_bytes=target, min_files=min_files)
            assert again == CompactionReport()
            assert files(raw_dir) == after


def test_the_sync_log_is_compacted_by_sync_and_day(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    values: dict[str, Any] = {"request_ms": float("nan"), "attempts": 1}
    for number in range(20):
        sync = f"s{number % 2}"
        row = dict.fromkeys(SYNC_LOG.schema.names, "x") | {
            "sync": sync,
            "at": NOON,
            "key": str(number),
        }
        write_file(
            raw_dir,
            SYNC_LOG,
            pa.Table.from_pylist([row | values], schema=SYNC_LOG.schema),
            partition={"sync": sync, "dt": "2026-11-01"},
            name=f"r-{number:06d}",
        )
    before = rows_by_partition(raw_dir)
    report = compact(log_dir, raw_dir)
    assert (report.partitions, report.files_before, report.files_after) == (2, 20, 2)
    assert rows_by_partition(raw_dir) == before


def test_files_without_a_newer_column_get_it_empty(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(3):
        path = write_events(raw_dir, f"s{number}", 2)
    older = pq.ParquetFile(path).read().drop_columns(["user_agent"])
    pq.write_table(older, path, write_page_checksum=True)
    assert compact(log_dir, raw_dir, min_files=2).rows == 6
    (path,) = files(raw_dir)
    assert pq.ParquetFile(path).schema_arrow.equals(EVENTS.schema)


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
