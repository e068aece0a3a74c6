"""Journals: what became of rows, appended in the moment it is known.

One line for each answer, so that a run which is killed has told of everything that was
answered. Lines carry a checksum: what a power cut tears off ends the journal there. A
journal lands in `raw/sync_log` as one file of a name of its own, by its run or, when
that was killed, by the next one; landing it twice changes nothing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from collector.datasets import SYNC_LOG
from collector.files import fsync_directory, make_directories
from collector.landing import write_file
from collector.object_storage import RawPlace

COLUMNS = (
    *("at", "key", "operation", "outcome", "fingerprint"),
    *("code", "message", "destination_ref", "attempts", "request_ms"),
)
"""What a line says of each row, in this order; `at` in microseconds."""
_SUFFIX = ".outcomes"
_DAY = 86_400_000_000


class Journal:
    """One journal that is being written. `rows` is how many it tells of."""

    def __init__(self, path: Path, *, name: str, shared: dict[str, str]) -> None:
        """`name` is its file's in the sync log; `shared` holds for all its rows."""
        make_directories(path.parent)
        self.path = path
        self.rows = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._write({"name": name, **shared})

    def append(self, rows: Sequence[Sequence[Any]]) -> None:
        """Tell of these rows; what is told outlives this process from here on."""
        self._write(rows)
        self.rows += len(rows)

    def sync(self) -> None:
        """Make everything appended outlive a power cut."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def _write(self, value: Any) -> None:
        text = orjson.dumps(value)
        line = b"%08x %s\n" % (zlib.crc32(text), text)
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{self.path}: only {written} of {len(line)} bytes fit")


def journal_path(log_dir: Path, sync: str, *, token: int, number: int) -> Path:
    """Where the journal of a lease and its number is; sorted by both."""
    return log_dir / f"sync-{sync}.{token:012d}-{number:06d}{_SUFFIX}"


def journals_left(log_dir: Path, sync: str) -> list[Path]:
    """The journals of a sync that have not landed, oldest first."""
    return sorted(log_dir.glob(f"sync-{sync}.*{_SUFFIX}"))


def land_journal(raw_dir: RawPlace, path: Path) -> None:
    """Make the journal's rows part of the sync log, durably, and remove it."""
    lines = _whole_lines(path)
    shared = next(lines, None)
    if shared is not None:
        name = shared.pop("name")
        rows = [row for line in lines for row in line]
        for day, of_day in groupby(rows, key=lambda row: row[0] // _DAY):
            date = datetime.fromtimestamp(day * _DAY // 1_000_000, UTC)
            write_file(
                raw_dir,
                SYNC_LOG,
                _table(list(of_day), shared),
                partition={"sync": shared["sync"], "dt": f"{date:%Y-%m-%d}"},
                name=name,
            )
    path.unlink()
    fsync_directory(path.parent)


def _table(rows: list[list[Any]], shared: dict[str, str]) -> pa.Table:
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    arrays = []
    for field in SYNC_LOG.schema:
        if field.name in shared:
            array = pa.repeat(pa.scalar(shared[field.name], field.type), len(rows))
        else:
            array = pa.array(columns[field.name], type=field.type)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=SYNC_LOG.schema)


def _whole_lines(path: Path) -> Iterator[Any]:
    """The lines of a journal, up to the first that is not whole."""
    with path.open("rb") as file:
        for line in file:
            checksum, _, text = line.removesuffix(b"\n").partition(b" ")
            if line[-1:] != b"\n" or checksum != b"%08x" % zlib.crc32(text):
                return
            yield orjson.loads(text)
