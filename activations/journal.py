"""Journals: what is about to be sent and what became of it, in the moment it is known.

One line for each request and each answer, so that a run which is killed has told of
everything that was answered, and of what was still under way. Lines carry a checksum:
what a power cut tears off ends the journal there. A journal lands in `raw/sync_log` as
one file of a name of its own, by its run or, when that was killed, by the next one;
landing it twice changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
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

Columns = Mapping[str, Sequence[Any]]
"""What a line tells of rows: by name, a list with a value for each of them.

Of outcomes these are the columns of the sync log, of what is expected `at`, `key`,
`operation` and `fingerprint`. `at` is in microseconds.
"""
_SUFFIX = ".outcomes"


class Unknown(NamedTuple):
    """What the log says of rows that were under way when their run ended."""

    code: str
    message: str


UNKNOWN = Unknown(
    "unknown", "The run ended before there was an answer; it may have arrived."
)


class Journal:
    """One journal that is being written. `rows` is how many it tells of."""

    def __init__(self, path: Path, *, name: str, shared: dict[str, str]) -> None:
        """`name` is its file's in the sync log; `shared` holds for all its rows."""
        make_directories(path.parent)
        self.path = path
        self.rows = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        self._write({"name": name, **shared})

    def append(self, outcomes: Columns) -> None:
        """Tell of outcomes; what is told outlives this process from here on."""
        self._write({"outcomes": _short(outcomes)})
        self.rows += len(outcomes["key"])

    def expect(self, rows: Columns) -> None:
        """Tell what is about to be sent: an outcome of each will follow."""
        self._write({"expected": _short(rows)})

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


class Told(NamedTuple):
    """What a journal tells: its rows, and the name of their file in the sync log."""

    name: str
    rows: pa.Table


def read_journals(log_dir: Path, sync: str) -> list[Told]:
    """What the journals tell that have not landed, oldest first."""
    told = []
    for path in journals_left(log_dir, sync):
        # One that is gone has landed since.
        with contextlib.suppress(FileNotFoundError):
            told.append(_read(path))
    return [journal for journal in told if journal is not None]


def land_journal(raw_dir: RawPlace, path: Path) -> None:
    """Make the journal's rows part of the sync log, durably, and remove it."""
    told = _read(path)
    if told is not None:
        for date, of_day in _days(told.rows):
            partition = {"sync": of_day["sync"][0].as_py(), "dt": date}
            write_file(raw_dir, SYNC_LOG, of_day, partition=partition, name=told.name)
    path.unlink()
    fsync_directory(path.parent)


def _read(path: Path) -> Told | None:
    """What one journal tells; nothing where not even its head is whole.

    What was still expected has failed: nobody knows whether it arrived.
    """
    lines = _whole_lines(path)
    shared = next(lines, None)
    if shared is None:
        return None
    name = shared.pop("name")
    return Told(name, _table(_outcomes(lines), shared))


def _outcomes(lines: Iterator[dict[str, Any]]) -> list[Columns]:
    """What each line of outcomes tells, and of rows of which nothing is known that."""
    told: list[Columns] = []
    under_way: dict[str, tuple[Columns, int]] = {}
    for line in lines:
        if "expected" in line:
            expected = for_each(line["expected"])
            places = enumerate(expected["key"])
            under_way |= {key: (expected, place) for place, key in places}
        elif "forgotten" in line:
            for key in line["forgotten"]:
                under_way.pop(key, None)
        else:
            told.append(for_each(line["outcomes"]))
            for key in told[-1]["key"]:
                under_way.pop(key, None)
    return told + [_unknown(expected, place) for expected, place in under_way.values()]


def _unknown(expected: Columns, place: int) -> Columns:
    """What is told of a row that was expected, and of which nothing else is known."""
    known = {name: values[place] for name, values in expected.items()}
    told = {"outcome": "failed", "code": UNKNOWN.code, "message": UNKNOWN.message}
    others = {"destination_ref": None, "attempts": 1, "request_ms": None}
    return {name: [value] for name, value in (known | told | others).items()}


def _short(columns: Columns) -> dict[str, Any]:
    """The columns as a line has them: the value alone where all rows have the same.

    Keys are never the same.
    """
    return {
        name: values
        if name == "key" or values.count(values[0]) < len(values)
        else values[0]
        for name, values in columns.items()
    }


def for_each(line: Mapping[str, Any]) -> Columns:
    """The columns of a line, each with a value for each row."""
    rows = len(line["key"])
    return {
        name: values if isinstance(values, list) else [values] * rows
        for name, values in line.items()
    }


def _table(told: Sequence[Columns], shared: Mapping[str, str]) -> pa.Table:
    """The rows of all lines as the sync log has them."""
    rows = sum(len(columns["key"]) for columns in told)
    arrays = []
    for field in SYNC_LOG.schema:
        if field.name in shared:
            array = pa.repeat(pa.scalar(shared[field.name], field.type), rows)
        else:
            values = list(chain.from_iterable(each[field.name] for each in told))
            array = _array(values, field.type)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=SYNC_LOG.schema)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if values and values.count(values[0]) == len(values):
        return pa.repeat(pa.scalar(values[0], kind), len(values))
    return pa.array(values, type=kind)


def _days(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each day, in UTC."""
    dates = table["at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False)
    days = dates.unique()
    for date in days:
        of_day = table if len(days) == 1 else table.filter(pc.equal(dates, date))
        yield str(date), of_day


def _whole_lines(path: Path) -> Iterator[Any]:
    """The lines of a journal, up to the first that is not whole."""
    with path.open("rb") as file:
        for line in file:
            checksum, _, text = line.removesuffix(b"\n").partition(b" ")
            if line[-1:] != b"\n" or checksum != b"%08x" % zlib.crc32(text):
                return
            yield orjson.loads(text)
