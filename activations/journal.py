"""Journals: what is about to be sent and what became of it, in the moment it is known.

One line for each request and each answer, so that a run which is killed has told of
everything that was answered, and of what was still under way. Lines carry a checksum:
what a power cut tears off ends the journal there. A journal lands in `raw/sync_log` as
one file of a name of its own, by its run or, when that was killed, by the next one;
landing it twice changes nothing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from collector.datasets import SYNC_LOG
from collector.files import fsync_directory, make_directories
from collector.landing import write_file
from collector.object_storage import RawPlace

COLUMNS = (
    *("at", "key", "operation", "outcome", "fingerprint"),
    *("code", "message", "destination_ref", "attempts", "request_ms"),
)
"""What a line of outcomes is made of: a list of each, with a value for each row.

`at` is in microseconds.
"""
_SUFFIX = ".outcomes"


class Unknown(NamedTuple):
    """What the log says of rows that were under way when their run ended."""

    code: str
    message: str


UNKNOWN = Unknown(
    "unknown", "The run ended before there was an answer; it may have arrived."
)


Expected = tuple[int, str, str, str]
"""A row that is about to be sent: time, key, operation and fingerprint."""


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
        """Tell of outcomes; what is told outlives this process from here on."""
        self._write({"outcomes": list(zip(*rows, strict=True))})
        self.rows += len(rows)

    def expect(self, rows: Sequence[Expected]) -> None:
        """Tell what is about to be sent: an outcome of each will follow."""
        self._write({"expected": list(zip(*rows, strict=True))})

    def forget(self, keys: Sequence[str]) -> None:
        """Tell of expected rows that no outcome will follow here."""
        self._write({"forgotten": keys})

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
    """Make the journal's rows part of the sync log, durably, and remove it.

    What was still expected has failed: nobody knows whether it arrived.
    """
    lines = _whole_lines(path)
    shared = next(lines, None)
    if shared is not None:
        name = shared.pop("name")
        table = _table(_outcomes(lines), shared)
        for date, of_day in _days(table):
            partition = {"sync": shared["sync"], "dt": date}
            write_file(raw_dir, SYNC_LOG, of_day, partition=partition, name=name)
    path.unlink()
    fsync_directory(path.parent)


def _outcomes(lines: Iterator[dict[str, Any]]) -> list[list[Sequence[Any]]]:
    """The columns of each line of outcomes, and of rows of which none is known."""
    told = []
    under_way: dict[str, Expected] = {}
    for line in lines:
        if "expected" in line:
            rows = zip(*line["expected"], strict=True)
            under_way |= dict(zip(line["expected"][1], rows, strict=True))
        elif "forgotten" in line:
            for key in line["forgotten"]:
                under_way.pop(key, None)
        else:
            told.append(line["outcomes"])
            for key in line["outcomes"][1]:
                under_way.pop(key, None)
    if under_way:
        told.append(_unknown(under_way))
    return told


def _unknown(under_way: dict[str, Expected]) -> list[Sequence[Any]]:
    rows = [
        (at, key, operation, "failed", fingerprint, *UNKNOWN, None, 1, None)
        for at, key, operation, fingerprint in under_way.values()
    ]
    return list(zip(*rows, strict=True))


def _table(lines: list[list[Sequence[Any]]], shared: dict[str, str]) -> pa.Table:
    """The rows of all lines as the sync log has them."""
    columns = {
        name: list(chain.from_iterable(line[number] for line in lines))
        for number, name in enumerate(COLUMNS)
    }
    rows = len(columns["at"])
    arrays = []
    for field in SYNC_LOG.schema:
        if field.name in shared:
            array = pa.repeat(pa.scalar(shared[field.name], field.type), rows)
        else:
            array = pa.array(columns[field.name], type=field.type)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=SYNC_LOG.schema)


def _days(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each day, in UTC."""
    dates = table["at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    for date in dates.unique():
        yield str(date), table.filter(pc.equal(dates, date))


def _whole_lines(path: Path) -> Iterator[Any]:
    """The lines of a journal, up to the first that is not whole."""
    with path.open("rb") as file:
        for line in file:
            checksum, _, text = line.removesuffix(b"\n").partition(b" ")
            if line[-1:] != b"\n" or checksum != b"%08x" % zlib.crc32(text):
                return
            yield orjson.loads(text)
