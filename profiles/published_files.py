"""A published database of views over Parquet, for what an engine wrote as files.

`<build>.duckdb` holds the views. The files that they read are beside it, in
`<build>/<schema>/<table>/`: hard links to those of the engine, or copies where a link
is impossible, so that no later build of the engine touches them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from profiles.errors import PublishError
from profiles.sql_names import literal, quoted

_FILES = "*.parquet"
# Linux's struct flock: type, whence, start, length, process.
_FLOCK = "hhqqi"


@dataclass(frozen=True, kw_only=True)
class EngineTable:
    """A table or view of an engine, and the directory that holds its Parquet files.

    `types` gives columns another type of DuckDB than the files do; `comment` and
    `column_comments` say what the table and its columns are.
    """

    schema: str
    name: str
    directory: Path
    types: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    column_comments: Mapping[str, str] = field(default_factory=dict)


def files_of(build: Path) -> Path:
    """The directory with the files of a build that consists of views."""
    return build.with_suffix("")


def write_views(build: Path, tables: Sequence[EngineTable]) -> None:
    """Make the file `build`, and the files that its views read, durably.

    Raises `PublishError` that names every table which cannot be read.
    """
    directory = files_of(build)
    directory.mkdir()
    broken = []
    with duckdb.connect(str(build)) as connection:
        for table in tables:
            place = directory / table.schema / table.name
            _link_files(table.directory, place)
            try:
                _create_view(connection, table, place)
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                broken.append(f"- {table.schema}.{table.name}: {reason}")
    if broken:
        raise PublishError(
            "The files of these tables cannot be read. Run `./kith build`.\n"
            + "\n".join(broken)
        )
    _protect(directory)


def remove_files(build: Path) -> bool:
    """Remove the files of a build, unless a process has it open; whether they are gone.

    DuckDB opens a Parquet file only when a query reads it, so a reader that is at work
    for hours needs all of them until it closes the build.
    """
    directory = files_of(build)
    if not directory.is_dir():
        return True
    if _is_open(build):
        return False
    remove_directory(directory)
    return True


def remove_directory(directory: Path) -> None:
    """Remove a directory of files, write-protected or not."""
    for folder, _, _ in os.walk(directory):
        Path(folder).chmod(0o755)
    shutil.rmtree(directory, ignore_errors=True)


def _link_files(source: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for file in sorted(source.glob(_FILES)):
        target = place / file.name
        try:
            target.hardlink_to(file)
        except OSError:  # another file system, or files of another user
            shutil.copyfile(file, target)


def _create_view(
    connection: duckdb.DuckDBPyConnection, table: EngineTable, place: Path
) -> None:
    pattern = f"{place.resolve()}/{_FILES}"
    files = f"read_parquet({literal(pattern)}, hive_partitioning = false)"
    name = f"{quoted(table.schema)}.{quoted(table.name)}"
    described = connection.execute(f"describe from {files}").fetchall()
    columns = {str(column[0]): str(column[1]) for column in described}
    chosen = ", ".join(
        f"{_value(column, type_, table.types.get(column))} as {quoted(column)}"
        for column, type_ in columns.items()
    )
    connection.execute(f"create schema if not exists {quoted(table.schema)}")
    # Names and paths of the project, quoted; nothing here comes from a request.
    connection.execute(f"create view {name} as select {chosen} from {files}")  # noqa: S608
    if table.comment:
        connection.execute(f"comment on view {name} is {literal(table.comment)}")
    for column in columns.keys() & table.column_comments.keys():
        text = literal(table.column_comments[column])
        connection.execute(f"comment on column {name}.{quoted(column)} is {text}")


def _value(column: str, found: str, wanted: str | None) -> str:
    """The column as an expression of the type that readers expect."""
    if wanted is not None:
        return f"cast({quoted(column)} as {wanted})"
    if found == "TIMESTAMP":
        # An engine may leave out that its times are UTC: Spark's INT96 has no word.
        return f"timezone('UTC', {quoted(column)})"
    return quoted(column)


def _protect(directory: Path) -> None:
    """Write-protect and make durable, from the files up to the directory itself."""
    for folder, _, names in os.walk(directory, topdown=False):
        for path in (*(Path(folder) / name for name in names), Path(folder)):
            with contextlib.suppress(PermissionError):  # a link to another user's file
                path.chmod(0o555 if path.is_dir() else 0o444)
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _is_open(build: Path) -> bool:
    """Whether a process reads the database file: DuckDB then holds a lock on it.

    To look releases the lock that this process itself may hold, which is why processes
    that publish do not serve readers.
    """
    try:
        with build.open("rb") as file:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
    except FileNotFoundError:
        return False
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)
