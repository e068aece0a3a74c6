"""The published database: what people and services read, one build at a time.

After a green build the warehouse file is copied into the published directory, or a file
of views over an engine's Parquet is made there (`published_files.py`), and the symbolic
link `current.duckdb` is moved to it in one atomic step. A reader keeps the build it
opened for as long as it likes. The file behind the link has a new name every time,
because DuckDB gives one process the same open database for the same path, however often
the file at that path was replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from profiles.errors import CURRENT, PublishedDatabaseMissing, PublishError
from profiles.published_files import (
    EngineTable,
    files_of,
    remove_directory,
    remove_files,
    write_views,
)
from profiles.sql_names import literal, quoted

__all__ = [
    "CURRENT",
    "EngineTable",
    "PublishError",
    "PublishedDatabaseMissing",
    "connect",
    "copy_build",
    "current_build",
    "earlier_builds",
    "open_current",
    "publish",
    "publish_files",
    "published_at",
]

_ENDING = ".duckdb"
_LOCK = ".lock"
_NEXT_LINK = ".next"
_OPEN_ATTEMPTS = 10

# Settings belong to a database, and one process opens a build once however many
# connections it has; without this two first connections would both try to set them.
_opening = threading.Lock()


def publish(warehouse: Path, published_dir: Path) -> Path:
    """Make a copy of `warehouse` the current published database; return the link.

    A crash at any point leaves the old one in place, and the next call removes what
    the crash left behind.
    """
    return _publish(published_dir, lambda build: _copy(warehouse, build))


def publish_files(tables: Sequence[EngineTable], published_dir: Path) -> Path:
    """The same with views over the Parquet that an engine has written."""
    return _publish(published_dir, lambda build: write_views(build, tables))


def _publish(published_dir: Path, make: Callable[[Path], None]) -> Path:
    published_dir.mkdir(parents=True, exist_ok=True)
    current = published_dir / CURRENT
    with _publishing(published_dir):
        previous = current.resolve() if current.exists() else None
        _clean(published_dir, keep={previous})
        build = published_dir / _build_name()
        try:
            make(build)
            _make_durable(build)
        except BaseException:
            build.unlink(missing_ok=True)
            remove_files(build)
            raise
        _point(current, build)
        # The previous build stays until the next publish: a reader that has just
        # read the link must still find it.
        _clean(published_dir, keep={build, previous})
    return current


def current_build(published_dir: Path) -> Path:
    """The file that is published now."""
    try:
        return (published_dir / CURRENT).resolve(strict=True)
    except FileNotFoundError:
        raise PublishedDatabaseMissing(published_dir) from None


def earlier_builds(published_dir: Path) -> list[Path]:
    """The files of builds that were published before and are still there; latest first.

    Usually one. The next publish removes them, unless somebody reads them.
    """
    current = current_build(published_dir)
    builds = [path for path in published_dir.glob(f"*{_ENDING}") if path.is_file()]
    earlier = [path for path in builds if path.name not in (CURRENT, current.name)]
    return sorted(earlier, reverse=True)


def published_at(build: Path) -> datetime:
    """When this build was published."""
    return datetime.fromtimestamp(build.stat().st_mtime, UTC)


def copy_build(build: Path, file: Path) -> None:
    """Write the tables of a published build to `file`, to build on them."""
    if not files_of(build).is_dir():
        shutil.copyfile(build, file)
        return
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {literal(str(build))} as published (read_only)")
        views = connection.execute(
            "select schema_name, view_name from duckdb_views() "
            "where database_name = 'published' and not internal"
        ).fetchall()
        for schema, view in views:
            name = f"{quoted(schema)}.{quoted(view)}"
            connection.execute(f"create schema if not exists {quoted(schema)}")
            # Names from the catalog, quoted; nothing here comes from a request.
            connection.execute(
                f"create table {name} as select * from published.{name}"  # noqa: S608
            )


def connect(published_dir: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the database that is published now.

    It sees that build until it is closed, works in UTC, and can reach neither other
    files nor the network; its configuration is locked.
    """
    return open_current(published_dir)[1]


def open_current(published_dir: Path) -> tuple[Path, duckdb.DuckDBPyConnection]:
    """The file that is published now, and a connection to it as `connect` gives."""
    for _ in range(_OPEN_ATTEMPTS):
        build = current_build(published_dir)
        try:
            return build, _open(build)
        except duckdb.IOException:
            if build.exists():
                raise
            # Two publishes came between reading the link and opening the file.
    raise PublishedDatabaseMissing(published_dir)


def _open(build: Path) -> duckdb.DuckDBPyConnection:
    with _opening:
        connection = duckdb.connect(str(build), read_only=True)
        locked = "select current_setting('lock_configuration')"
        if connection.execute(locked).fetchone() == (False,):
            connection.execute("set global TimeZone = 'UTC'")
            files = f"{files_of(build.resolve())}/"
            connection.execute(f"set global allowed_directories = [{literal(files)}]")
            connection.execute("set global enable_external_access = false")
            connection.execute("set global lock_configuration = true")
    return connection


@contextlib.contextmanager
def _publishing(published_dir: Path) -> Iterator[None]:
    """One publish at a time; the lock ends with the process that holds it."""
    with (published_dir / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_name() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}_{secrets.token_hex(4)}{_ENDING}"


def _copy(warehouse: Path, build: Path) -> None:
    """Copy the warehouse with everything committed so far in the file itself."""
    if not warehouse.exists():
        raise PublishError(
            f"{warehouse} does not exist: there is nothing to publish. "
            "Run `./kith build`."
        )
    try:
        # The open connection keeps every other process from writing meanwhile.
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("checkpoint")
            shutil.copyfile(warehouse, build)
    except duckdb.Error as error:
        raise PublishError(f"{warehouse} cannot be published: {error}") from error
    _check_views(build)


def _check_views(build: Path) -> None:
    """Raise `PublishError` that names every view which cannot be read here."""
    broken = []
    with _open(build) as connection:
        views = connection.execute(
            "select schema_name, view_name from duckdb_views() where not internal"
        ).fetchall()
        for schema, view in views:
            name = f"{quoted(schema)}.{quoted(view)}"
            try:
                # Names from the catalog, quoted; nothing here comes from a request.
                connection.execute(f"select * from {name} limit 0")  # noqa: S608
            except duckdb.Error as error:
                reason = str(error).splitlines()[0]
                broken.append(f"- {schema}.{view}: {reason}")
    if broken:
        raise PublishError(
            "These views cannot be read in the published database, which sees only "
            "its own tables. Give them `materialized: table`, or drop them from the "
            "warehouse if their models are gone.\n" + "\n".join(broken)
        )


def _make_durable(build: Path) -> None:
    # Write-protected, because one writer would lock every reader out.
    build.chmod(0o444)
    _fsync(build)
    _fsync(build.parent)


def _point(current: Path, build: Path) -> None:
    """Move the link to `build`, atomically and durably."""
    following = current.with_name(_NEXT_LINK)
    following.symlink_to(build.name)
    following.replace(current)
    _fsync(current.parent)


def _clean(published_dir: Path, *, keep: set[Path | None]) -> None:
    """Remove what neither the link nor a reader that is just opening it needs."""
    names = {CURRENT, _LOCK}
    for build in keep:
        if build is not None:
            # `.tmp` is where DuckDB spills for readers of the build.
            names |= {build.name, f"{build.name}.tmp", files_of(build).name}
    for build in published_dir.glob(f"*{_ENDING}"):
        if build.name not in names and not remove_files(build):
            names |= {build.name, f"{build.name}.tmp", files_of(build).name}
    for entry in published_dir.iterdir():
        if entry.name in names:
            continue
        if entry.is_dir() and not entry.is_symlink():
            remove_directory(entry)
        else:
            entry.unlink(missing_ok=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
