"""Scrub: reads everything that is stored, and tells what is not what was written.

Disks and object stores lose bits in silence, and DuckDB does not look at the checksums
of Parquet. A scrub reads every file of the raw datasets with them and holds its footer
against its data, reads it with DuckDB as well, finds rows that stand in two files, and
checks every frame of the log's sealed segments. It changes nothing.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from pathlib import Path, PurePosixPath

import duckdb

from collector.datasets import DATASETS, Dataset
from collector.errors import ObjectStorageError
from collector.frames import damaged_spans, scan
from collector.inspection import Unsound, inspect
from collector.mending import FOREIGN, SEGMENT, Finding, doubled, mend_file
from collector.merging import SUFFIX
from collector.object_storage import RawPlace
from collector.raw import TEMPORARY
from collector.segments import SEALED

Spans = dict[str, list[tuple[int, int, str]]]
"""By segment: the first and the last position of its rows in a file, and the file."""


@dataclass
class ScrubReport:
    """What was read, and what was found."""

    files: int = 0
    segments: int = 0
    bytes: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class _Stored:
    """A file of a raw dataset: its name from the dataset on, and where it is."""

    dataset: Dataset
    name: PurePosixPath
    path: str
    size: int


def scrub(
    log_dir: Path,
    raw: RawPlace,
    *,
    on_file: Callable[[int, int], None] | None = None,
) -> ScrubReport:
    """Read all raw datasets and the sealed segments of the log.

    `on_file` is told after each file how many are done, and of how many. What comes
    meanwhile is left to the next scrub; what compaction deletes meanwhile it has read.
    """
    report = ScrubReport()
    files = [file for dataset in DATASETS for file in _list(raw, dataset)]
    segments = sorted(log_dir.glob(f"*/*{SEALED}"))
    done, total = 0, len(files) + len(segments)

    def tell() -> None:
        nonlocal done
        done += 1
        if on_file:
            on_file(done, total)

    for _, partition in groupby(files, key=lambda file: file.name.parent):
        spans: Spans = {}
        for file in partition:
            with contextlib.suppress(FileNotFoundError):
                _scrub_file(file, log_dir, raw, report, spans)
            tell()
        report.findings += _doubled(spans)
    for path in segments:
        with contextlib.suppress(FileNotFoundError):
            _scrub_segment(path, log_dir, report)
        tell()
    return report


def _list(raw: RawPlace, dataset: Dataset) -> Iterator[_Stored]:
    """Everything below a dataset but what is just being written."""
    if isinstance(raw, Path):
        paths = sorted((raw / dataset.name).rglob("*"))
        found = [
            (path.as_posix(), path.stat().st_size) for path in paths if path.is_file()
        ]
        root = raw.as_posix()
    else:
        found = [(one.path, one.size) for one in raw.list(dataset.name)]
        root = raw.path
    for path, size in found:
        name = PurePosixPath(path).relative_to(root)
        if not (name.name.startswith(".") and name.suffix == TEMPORARY):
            yield _Stored(dataset, name, path, size)


def _scrub_file(
    file: _Stored, log_dir: Path, raw: RawPlace, report: ScrubReport, spans: Spans
) -> None:
    mend = FOREIGN
    try:
        _require_place(file)
        mend = mend_file(file.name, file.dataset, log_dir)
        with _on_disk(file, raw) as path:
            rows = inspect(path, file.dataset)
            for segment, first, last in _read_with_duckdb(path, file.dataset):
                spans.setdefault(segment, []).append((first, last, str(file.name)))
    except Unsound as problem:
        report.findings.append(Finding(str(file.name), str(problem), mend))
        rows = 0
    report.files += 1
    report.bytes += file.size
    report.rows += rows


def _require_place(file: _Stored) -> None:
    """Readers take every Parquet file below a dataset for its own."""
    if file.name.suffix != SUFFIX:
        raise Unsound("it is no Parquet file")
    columns = dict.fromkeys(file.dataset.partitions, "")
    folders = file.name.parts[1:-1]
    values = dict(folder.partition("=")[::2] for folder in folders)
    try:
        date.fromisoformat(values.get("dt", ""))
    except ValueError:
        values = {}
    if values.keys() != columns.keys() or len(folders) != len(columns):
        shape = "/".join(f"{column}=..." for column in columns)
        raise Unsound(f"it is not in a partition {shape} of {file.dataset.name}")


@contextlib.contextmanager
def _on_disk(file: _Stored, raw: RawPlace) -> Iterator[Path]:
    """The file where both readers find it; an object is fetched first."""
    if isinstance(raw, Path):
        yield Path(file.path)
        return
    with tempfile.NamedTemporaryFile(suffix=SUFFIX) as copy:
        try:
            with raw.filesystem.open_input_stream(file.path) as stream:
                shutil.copyfileobj(stream, copy)
        except FileNotFoundError:
            raise
        except OSError as error:
            problem = f"{raw.url}: cannot read {file.name}: {error}"
            raise ObjectStorageError(problem) from error
        copy.flush()
        yield Path(copy.name)


def _read_with_duckdb(path: Path, dataset: Dataset) -> list[tuple[str, int, int]]:
    """Read every column as the warehouse does; what the file holds of which segment."""
    source = "from read_parquet(?, hive_partitioning = false)"
    # An instance of its own: a damaged file may leave it unusable.
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            connection.register("expected", dataset.schema.empty_table())
            expected = connection.execute("describe expected").fetchall()
            columns = {name: data_type for name, data_type, *_ in expected}
            describe = f"describe select * {source}"
            for name, found, *_ in connection.execute(describe, [str(path)]).fetchall():
                if columns[name] != found:
                    raise Unsound(f"to DuckDB the column {name} is {found}")
            # A count or a maximum could come from the footer; a hash needs the data.
            read_all = f"select bit_xor(hash(columns(*))) {source}"
            connection.execute(read_all, [str(path)])
            if "segment" not in dataset.schema.names:
                return []
            return connection.execute(
                f"select segment, min(position), max(position) {source} group by all",
                [str(path)],
            ).fetchall()
        except duckdb.Error as error:
            problem = str(error).splitlines()[0]
            raise Unsound(f"DuckDB cannot read it: {problem}") from error


def _doubled(spans: Spans) -> Iterator[Finding]:
    """One finding for each two files that hold rows of the same segment twice."""
    told: set[tuple[str, str]] = set()
    for segment, found in spans.items():
        found.sort()
        _, reached, one = found[0]
        for first, last, other in found[1:]:
            if first <= reached and (one, other) not in told:
                told.add((one, other))
                yield doubled(segment, one, other)
            if last > reached:
                reached, one = last, other


def _scrub_segment(path: Path, log_dir: Path, report: ScrubReport) -> None:
    data = path.read_bytes()
    # Only where they lie: the lines of all frames together are many times the segment.
    frames = [replace(frame, lines=b"") for frame in scan(data)]
    if spans := damaged_spans(frames, len(data)):
        lost = ", ".join(f"{start} to {end}" for start, end in spans)
        name = str(path.relative_to(log_dir.parent))
        report.findings.append(Finding(name, f"damaged: bytes {lost}", SEGMENT))
    report.segments += 1
    report.bytes += len(data)
