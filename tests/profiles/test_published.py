"""Publishing is atomic, and what is published can only be read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from profiles.published import (
    CURRENT,
    PublishedDatabaseMissing,
    PublishError,
    connect,
    current_build,
    publish,
)
from tests.profiles.conftest import ADA, rebuild

KILLS = 20


def build_number(published_dir: Path) -> int:
    with connect(published_dir) as connection:
        row = connection.execute("select max(build) from profiles.profiles").fetchone()
        assert row is not None
        return int(row[0])


def test_views_work_under_the_new_name(published: Path) -> None:
    with connect(published) as connection:
        members = connection.execute(
            "select audience, profile_id from audiences.audience_memberships"
        ).fetchall()
        comments = connection.execute(
            "select comment from duckdb_views() where view_name like 'audience%'"
        ).fetchall()
    assert members == [("vip_customers", ADA)]
    assert comments == [("Who is in. One row per member.",)]


def test_the_link_can_be_opened_by_any_tool(published: Path) -> None:
    with duckdb.connect(str(published / CURRENT), read_only=True) as connection:
        rows = connection.execute("select * from audiences.audience_memberships")
        assert len(rows.fetchall()) == 1


def test_a_reader_keeps_its_build_and_a_new_one_sees_the_new_build(
    warehouse: Path, published_dir: Path
) -> None:
    with connect(published_dir) as before:
        for number in (1, 2, 3):
            rebuild(warehouse, number)
            publish(warehouse, published_dir)
            assert build_number(published_dir) == number
        old = before.execute("select max(build) from profiles.profiles").fetchone()
    assert old == (0,)


@pytest.mark.parametrize(
    "statement",
    [
        "create table profiles.more (id integer)",
        "delete from profiles.profiles",
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to 'stolen.csv'",
        "attach 'other.duckdb' as other",
        "install httpfs",
        "set enable_external_access = true",
        "set threads = 1",
    ],
)
def test_a_connection_can_only_read(published: Path, statement: str) -> None:
    with connect(published) as connection, pytest.raises(duckdb.Error):
        connection.execute(statement)


def test_a_connection_works_in_utc(published: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from profiles.published import connect\n"
        "query = 'select min(first_seen_at), max(cast(first_seen_at as date))'\n"
        "rows = connect(Path(sys.argv[1])).execute(query + ' from profiles.profiles')\n"
        "print(*rows.fetchone())"
    )
    elsewhere = {**os.environ, "PYTHONPATH": ".", "TZ": "America/Los_Angeles"}
    command = [sys.executable, "-c", script, str(published)]
    answer = subprocess.check_output(command, env=elsewhere, text=True)
    assert answer == "2026-01-01 12:00:00+00:00 2026-01-02\n"


def test_nothing_published_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PublishedDatabaseMissing, match=r"\./kith build"):
        connect(tmp_path)


def test_a_missing_warehouse_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"\./kith build"):
        publish(tmp_path / "warehouse.duckdb", tmp_path / "published")
    assert not list((tmp_path / "published").glob("*.duckdb"))


def test_a_view_that_cannot_be_read_stops_the_publish(
    warehouse: Path, published_dir: Path
) -> None:
    before = current_build(published_dir)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table audiences.gone (profile_id varchar)")
        connection.execute("create view audiences.a as select * from audiences.gone")
        connection.execute("create view audiences.b as from read_text('/etc/hostname')")
        connection.execute("drop table audiences.gone")
    with pytest.raises(PublishError) as caught:
        publish(warehouse, published_dir)
    assert "- audiences.a: " in str(caught.value)
    assert "- audiences.b: " in str(caught.value)
    assert "materialized: table" in str(caught.value)
    assert current_build(published_dir) == before
    assert list(published_dir.glob("2*")) == [before]


def test_a_warehouse_in_use_is_not_copied(warehouse: Path, published_dir: Path) -> None:
    before = current_build(published_dir)
    hold = f"import duckdb; c = duckdb.connect({str(warehouse)!r}); print(flush=True)"
    command = [sys.executable, "-c", f"{hold}; import time; time.sleep(60)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            with pytest.raises(PublishError, match=str(writer.pid)):
                publish(warehouse, published_dir)
        finally:
            writer.kill()
    assert current_build(published_dir) == before


def test_only_the_current_and_the_previous_build_are_kept(
    warehouse: Path, published_dir: Path
) -> None:
    first = current_build(published_dir)
    publish(warehouse, published_dir)
    second = current_build(published_dir)
    (published_dir / "crashed.duckdb").write_text("half a file")
    (published_dir / "crashed.duckdb.tmp").mkdir()
    assert set(published_dir.glob("2*.duckdb")) == {first, second}
    publish(warehouse, published_dir)
    third = current_build(published_dir)
    assert set(published_dir.glob("*.duckdb*")) == {
        second,
        third,
        published_dir / CURRENT,
    }


def test_a_kill_at_any_moment_leaves_a_whole_build(
    warehouse: Path, published_dir: Path
) -> None:
    """Publishing processes die by SIGKILL while this one reads all the time."""
    with duckdb.connect(str(warehouse)) as connection:
        # Large enough for kills to fall into the copy too.
        connection.execute(
            "create table audiences.large as select md5(cast(i as varchar)) as text "
            "from range(500000) as r(i)"
        )
    loop = (
        "import sys; from pathlib import Path; from profiles.published import publish\n"
        "print(flush=True)\n"
        "while True: publish(Path(sys.argv[1]), Path(sys.argv[2])); print(flush=True)"
    )
    command = [sys.executable, "-c", loop, str(warehouse), str(published_dir)]
    seed = time.time_ns()
    chance = random.Random(seed)  # noqa: S311 (not for secrets)
    builds = set()
    length = 0.0
    for kill in range(KILLS):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
        ) as publisher:
            assert publisher.stdout is not None
            publisher.stdout.readline()
            if kill == 0:  # how long a publish takes, on this machine and now
                started = time.monotonic()
                publisher.stdout.readline()
                length = time.monotonic() - started
            deadline = time.monotonic() + chance.uniform(0, 2 * length)
            try:
                while time.monotonic() < deadline:
                    assert build_number(published_dir) == 0, seed
            finally:
                publisher.kill()
        builds.add(current_build(published_dir))
        assert build_number(published_dir) == 0, seed
    assert len(builds) > 1, "no publish came through between the kills"
    publish(warehouse, published_dir)
    names = {entry.name for entry in published_dir.iterdir()}
    assert len(names) == 4, f"seed {seed}: {names}"
