"""A published database of views over Parquet that an engine wrote."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from profiles.published import (
    CURRENT,
    EngineTable,
    PublishError,
    connect,
    copy_build,
    current_build,
    publish_files,
)
from tests.profiles.conftest import ADA

AT = datetime(2026, 1, 3, 9, 30, tzinfo=UTC)


def write(engine: Path, build: int) -> None:
    """What an engine leaves of its tables: data, and files that are none."""
    # Older writers do not say that their times are UTC, and have no type for JSON.
    times = pa.array([AT.replace(tzinfo=None)], pa.timestamp("ns"))
    table = pa.table({"profile_id": [ADA], "seen_at": times, "tags": ['["a", "b"]']})
    directory = engine / "profiles.db" / "profiles"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    numbered = table.append_column("build", pa.array([build]))
    pq.write_table(
        numbered, directory / "part-0.parquet", use_deprecated_int96_timestamps=True
    )
    pq.write_table(numbered.slice(0, 0), directory / "part-1.parquet")
    (directory / "_SUCCESS").touch()
    (directory / ".part-0.parquet.crc").write_text("no Parquet")


def engine_table(engine: Path) -> EngineTable:
    return EngineTable(
        schema="profiles",
        name="profiles",
        directory=engine / "profiles.db" / "profiles",
        types={"tags": "json"},
        comment="Everything known. One row per profile.",
        column_comments={"tags": "What it's called.", "gone": "No such column."},
    )


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A directory, its name in need of quoting, with the tables of a first build."""
    place = tmp_path / "it's here"
    write(place, 0)
    return place


@pytest.fixture
def published_dir(engine: Path) -> Iterator[Path]:
    """What was published of it."""
    directory = engine / "published"
    publish_files([engine_table(engine)], directory)
    yield directory
    for folder, _, _ in os.walk(directory):
        Path(folder).chmod(0o755)  # pytest cannot remove what is write-protected


def test_the_views_have_types_and_comments(published_dir: Path) -> None:
    with connect(published_dir) as connection:
        row = connection.execute("from profiles.profiles").fetchone()
        described = connection.execute("describe profiles.profiles").fetchall()
        comments = connection.execute(
            "select comment from duckdb_views() where not internal union all "
            "select comment from duckdb_columns() where comment is not null order by 1"
        ).fetchall()
    assert row == (ADA, AT, '["a", "b"]', 0)
    assert [column[1] for column in described] == [
        *("VARCHAR", "TIMESTAMP WITH TIME ZONE", "JSON", "BIGINT")
    ]
    assert comments == [
        ("Everything known. One row per profile.",),
        ("What it's called.",),
    ]


def test_a_reader_keeps_its_build_whatever_the_engine_does(
    engine: Path, published_dir: Path
) -> None:
    count = "select max(build), count(*) from profiles.profiles"
    with connect(published_dir) as before:
        write(engine, 1)
        assert before.execute(count).fetchall() == [(0, 1)]
        publish_files([engine_table(engine)], published_dir)
        assert before.execute(count).fetchall() == [(0, 1)]
        with connect(published_dir) as now:
            assert now.execute(count).fetchall() == [(1, 1)]


def test_builds_go_when_nobody_reads_them(engine: Path, published_dir: Path) -> None:
    """A process that opened a build finds its files after any number of publishes."""
    script = (
        "import sys; from pathlib import Path; from profiles.published import connect\n"
        "with connect(Path(sys.argv[1])) as connection:\n"
        "    print(flush=True); input()\n"
        "    print(*connection.execute('from profiles.profiles').fetchone())"
    )
    command = [sys.executable, "-c", script, str(published_dir)]
    first = current_build(published_dir)
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        for _ in range(3):
            publish_files([engine_table(engine)], published_dir)
        answer, _ = reader.communicate("\n", timeout=30)
    assert answer.startswith(ADA)
    third = current_build(published_dir)
    publish_files([engine_table(engine)], published_dir)
    last = current_build(published_dir)
    assert first not in (third, last)
    assert {entry.name for entry in published_dir.iterdir()} == {
        *(CURRENT, ".lock", third.name, third.stem, last.name, last.stem)
    }


def test_the_files_are_links_and_cannot_be_changed(
    engine: Path, published_dir: Path
) -> None:
    build = current_build(published_dir)
    place = build.with_suffix("") / "profiles" / "profiles"
    own = engine_table(engine).directory
    assert sorted(file.name for file in place.iterdir()) == [
        "part-0.parquet",
        "part-1.parquet",
    ]
    for file in place.iterdir():
        assert file.samefile(own / file.name)
    for path in (place, *place.iterdir()):
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('/etc/hostname')",
        "from read_parquet('{engine}/profiles.db/profiles/part-0.parquet')",
        "copy (select 1) to 'stolen.csv'",
        "attach '{engine}/other.duckdb' as other",
        "set allowed_directories = ['/']",
        "set enable_external_access = true",
    ],
)
def test_a_connection_reaches_its_own_files_only(
    engine: Path, published_dir: Path, statement: str
) -> None:
    place = str(engine).replace("'", "''")
    with connect(published_dir) as connection:
        assert connection.execute("from profiles.profiles").fetchone()
        with pytest.raises(duckdb.Error, match=r"Permission|configuration|Cannot"):
            connection.execute(statement.replace("{engine}", place))


def test_tables_that_cannot_be_read_stop_the_publish(
    engine: Path, published_dir: Path
) -> None:
    before = current_build(published_dir)
    gone = EngineTable(schema="traits", name="gone", directory=engine / "gone")
    broken = EngineTable(schema="traits", name="broken", directory=engine / "broken")
    broken.directory.mkdir()
    (broken.directory / "part-0.parquet").write_text("half a file")
    with pytest.raises(PublishError, match=r"(?s)- traits\.gone: .*- traits\.broken: "):
        publish_files([gone, broken, engine_table(engine)], published_dir)
    assert current_build(published_dir) == before
    assert {entry.name for entry in published_dir.iterdir()} == {
        *(CURRENT, ".lock", before.name, before.stem)
    }


def test_a_copy_has_tables_to_build_on(published_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    copy_build(current_build(published_dir), file)
    with duckdb.connect(str(file)) as connection:
        connection.execute("insert into profiles.profiles (profile_id) values ('new')")
        connection.execute("set TimeZone = 'UTC'")
        rows = connection.execute("select profile_id, seen_at from profiles.profiles")
        assert rows.fetchall() == [(ADA, AT), ("new", None)]
