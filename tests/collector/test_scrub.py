"""The scrub: no bit that changes what is read stays unnoticed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.compaction import compact
from collector.datasets import DATASETS, EVENTS
from collector.frames import scan
from collector.inspection import Unsound, inspect
from collector.landing import land
from collector.mending import FOREIGN
from collector.raw import ensure_datasets
from collector.scrub import scrub
from collector.segments import SEALED
from tests.collector.small_files import write_events
from tests.collector.test_landing import segment
from tests.faults import event_line


def damage(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def test_what_is_sound_is_counted_and_nothing_is_found(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(9):
        segment(log_dir, f"s{number}", event_line(f"m{number}"))
    land(log_dir, raw_dir)
    compact(log_dir, raw_dir, grace_seconds=0)
    for number in range(4):
        write_events(raw_dir, f"t{number}", 5)
    segment(log_dir, "s9", event_line("m9"), event_line("m10"))
    told: list[tuple[int, int]] = []
    report = scrub(log_dir, raw_dir, on_file=lambda *done: told.append(done))
    assert report.findings == []
    files = len(DATASETS) + 5  # an empty one of each, what was merged, and the four
    assert (report.files, report.rows, report.segments) == (files, 29, 1)
    read = (*raw_dir.rglob("*.parquet"), log_dir / "0" / f"s9{SEALED}")
    assert report.bytes == sum(path.stat().st_size for path in read)
    assert told == [(number, files + 1) for number in range(1, files + 2)]


@pytest.mark.parametrize("flips", [100, pytest.param(1_500, marks=pytest.mark.slow)])
def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path: Path, flips: int) -> None:
    """All over a file; what is not found must be the same to Arrow and to DuckDB."""
    original = write_events(tmp_path / "original", "s1", 300, text='{"a":1}')
    expected = read_twice(original)
    path = write_events(tmp_path / "raw", "s1", 0)
    bits = original.stat().st_size * 8
    missed = 0
    for position in range(0, bits, bits // flips):
        shutil.copyfile(original, path)
        damage(path, position // 8, position % 8)
        if not scrub(tmp_path / "log", tmp_path / "raw").findings:
            missed += 1
            assert read_twice(path) == expected, position
    assert missed < flips / 3


def read_twice(path: Path) -> Any:
    """What Arrow and DuckDB read, the latter with and without the skipping of parts."""
    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    with duckdb.connect(config={"threads": 1}) as connection:
        rows = connection.read_parquet(str(path), hive_partitioning=False)
        return table.to_pylist(), *(
            rows.filter(chosen).order("position").fetchall()
            for chosen in ("true", "position < 20", "message_id > 's1-200'")
        )


def test_types_that_only_duckdb_sees_are_found(tmp_path: Path) -> None:
    """The footer names each type twice, and Arrow believes the other one."""
    path = write_events(tmp_path / "raw", "s1", 3)
    name = path.read_bytes().index(b"message_id%\x00")
    damage(path, name + len("message_id"))
    (finding,) = scrub(tmp_path / "log", tmp_path / "raw").findings
    assert finding.problem == "to DuckDB the column message_id is BLOB"


def test_statistics_that_lie_are_found(tmp_path: Path) -> None:
    """Checksums do not guard them, and readers skip rows by what they say."""
    path = write_events(tmp_path / "raw", "s1", 100)
    content = path.read_bytes()
    footer = content.rindex(b"s1-99")
    damage(path, footer + 3)
    with pytest.raises(Unsound, match="contradicts its data in message_id"):
        inspect(path, EVENTS)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda whole: b"", "empty"),
        (lambda whole: whole[:-30], "cannot be read"),
        (lambda whole: whole[: len(whole) // 2], "cannot be read"),
        (lambda whole: whole[:4] + bytes(len(whole) - 8) + whole[-4:], "cannot be"),
    ],
)
def test_what_is_not_whole_is_named(tmp_path: Path, content: Any, told: str) -> None:
    path = write_events(tmp_path / "raw", "s1", 3)
    path.write_bytes(content(path.read_bytes()))
    (finding,) = scrub(tmp_path / "log", tmp_path / "raw").findings
    assert finding.file == "events/dt=2026-11-01/s1.parquet"
    assert told in finding.problem
    assert "backup" in finding.mend


def test_foreign_files_are_named(tmp_path: Path) -> None:
    raw_dir = tmp_path / "raw"
    path = write_events(raw_dir, "s1", 3)
    table = pq.ParquetFile(path).read()
    other = {
        "notes.txt": "no Parquet file",
        "../copy.parquet": "not in a partition dt=...",
        "../dt=soon/s3.parquet": "not in a partition dt=...",
        "deeper/dt=2026-11-01/s4.parquet": "not in a partition dt=...",
        "columns.parquet": "columns that are not of events: ['x']",
        "without.parquet": "the column message_id is missing",
        "types.parquet": "the column position is",
    }
    tables = {
        "columns.parquet": table.append_column("x", table["type"]),
        "without.parquet": table.drop_columns(["message_id"]),
        "types.parquet": table.set_column(
            table.schema.get_field_index("position"),
            "position",
            table["position"].cast(pa.int32()),
        ),
    }
    for name in other:
        target = path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(tables.get(name, table), target)
    report = scrub(tmp_path / "log", raw_dir)
    found = {
        str((raw_dir / finding.file).resolve()): finding for finding in report.findings
    }
    assert len(found) == len(other)
    for name, told in other.items():
        finding = found[str((path.parent / name).resolve())]
        assert told in finding.problem
        assert (finding.mend == FOREIGN) == (name not in tables)


def test_a_finding_tells_where_the_rows_still_are(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    contents = {
        name: segment(log_dir, name, event_line(name), event_line("x")).read_bytes()
        for name in ("lost", "standing", "damaged", "sound")
    }
    land(log_dir, raw_dir)
    (log_dir / "0" / f"standing{SEALED}").write_bytes(contents["standing"])
    (log_dir / "0" / f"damaged{SEALED}.damaged").write_bytes(contents["damaged"])
    files = {path.stem: path for path in (raw_dir / "events").rglob("*.parquet")}
    for name in ("lost", "standing", "damaged"):
        damage(files[name], 50)
    mends = {
        Path(finding.file).stem: finding.mend
        for finding in scrub(log_dir, raw_dir).findings
    }
    assert set(mends) == {"lost", "standing", "damaged"}
    assert "backup" in mends["lost"]
    assert "Run `./kith build`" in mends["standing"]
    # What is told to be done mends it.
    kept = log_dir / "0" / f"damaged{SEALED}.damaged"
    assert str(kept) in mends["damaged"]
    compact(log_dir, raw_dir, min_files=2)
    kept.rename(kept.with_suffix(""))
    land(log_dir, raw_dir)
    files["lost"].unlink()
    report = scrub(log_dir, raw_dir)
    assert (report.findings, report.rows) == ([], 6)


def test_merged_files_and_the_sync_log_say_what_is_lost(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    for number in range(3):
        write_events(raw_dir, f"s{number}", 1)
    compact(log_dir, raw_dir, min_files=2)
    ensure_datasets(raw_dir)
    for path in (raw_dir / "events").rglob("*~*"):
        damage(path, 50)
    (path,) = (raw_dir / "sync_log").rglob("*.parquet")
    damage(path, path.stat().st_size - 3)
    shutil.copyfile(path, path.with_name("r1-000001.parquet"))
    merged, empty, sync_log = scrub(log_dir, raw_dir).findings
    assert "merged from" in merged.mend
    assert empty.file == "sync_log/sync=none/dt=1970-01-01/empty.parquet"
    assert empty.mend.startswith("Delete it")
    assert "will send again" in sync_log.mend


def test_rows_that_stand_in_two_files_are_found(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    paths = [write_events(raw_dir, f"s{number}", 4) for number in range(3)]
    kept = paths[1].read_bytes()
    compact(log_dir, raw_dir, min_files=2)
    assert scrub(log_dir, raw_dir).findings == []
    paths[1].write_bytes(kept)
    (finding,) = scrub(log_dir, raw_dir).findings
    assert "rows of the segment s1 stand in" in finding.problem
    assert "~" in finding.file + finding.problem


def test_damage_in_the_log_is_found_before_it_lands(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    path = segment(log_dir, "s1", event_line("m1"), event_line("m2"), event_line("m3"))
    _, middle, _ = scan(path.read_bytes())
    for at in range(middle.start, middle.end):
        whole = path.read_bytes()
        damage(path, at)
        (finding,) = scrub(log_dir, raw_dir).findings
        assert finding.file == f"log/0/s1{SEALED}"
        assert finding.problem == f"damaged: bytes {middle.start} to {middle.end}"
        path.write_bytes(whole)
    assert scrub(log_dir, raw_dir).findings == []


def test_what_goes_away_meanwhile_is_nothing_to_worry_about(tmp_path: Path) -> None:
    log_dir, raw_dir = tmp_path / "log", tmp_path / "raw"
    paths = [write_events(raw_dir, f"s{number}", 1) for number in range(3)]
    gone = segment(log_dir, "s4", event_line("m"))

    def landed_and_compacted(done: int, total: int) -> None:
        for path in (*paths, gone):
            path.unlink(missing_ok=True)

    report = scrub(log_dir, raw_dir, on_file=landed_and_compacted)
    assert (report.files, report.segments, report.findings) == (1, 0, [])
