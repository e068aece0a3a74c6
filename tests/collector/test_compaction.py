"""Compaction: fewer files, the same rows, whatever happens and whoever reads."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.compaction import CompactionReport, compact
from collector.datasets import DATASETS, EVENTS, SYNC_LOG, Dataset
from collector.landing import land
from collector.raw import ensure_datasets, write_file
from tests.collector.small_files import (
    NOON,
    duckdb_messages,
    files,
    rows_by_partition,
    unfinished,
    write_events,
)
from tests.collector.test_landing import segment
from tests.faults import event_line


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
