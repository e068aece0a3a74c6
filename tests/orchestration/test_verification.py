"""What `kith verify` takes for a difference, and what it makes its engines build."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from collector.datasets import DATASETS
from orchestration.cli.verify import UNTIL
from orchestration.verification import facts
from orchestration.verification.comparison import TableComparison
from orchestration.verification.run import compare_directories
from profiles.published import publish
from tests.kith import Kith
from tests.raw import read_raw

TABLES = """
create schema profiles;
create schema audiences;
create table profiles.profiles (
    profile_id varchar, spent decimal(10, 2), score double, orders bigint,
    seen_at timestamptz, tags varchar[], document json
);
insert into profiles.profiles values
    ('a', 1.50, 0.1, 3, '2026-11-01 12:00:00Z', ['x', null], '{"a": 1}'),
    ('b', null, null, null, null, null, null),
    ('c', 2.00, 1e300, 0, '2026-11-01 12:00:00.000001Z', [], '[]');
create view profiles.spenders as select * from profiles.profiles where spent > 0;
create table audiences.vips (profile_id varchar, entered_at timestamptz);
insert into audiences.vips values ('a', '2026-11-01 13:00:00Z');
create table audiences.visits (page varchar);
insert into audiences.visits values ('home'), ('home'), ('shop'), (null);
"""


def manifest() -> str:
    """Of dbt's manifest what names the key of a table."""
    model = {"schema": "profiles", "alias": "profiles"}
    test = {
        "attached_node": "model.profiles",
        "test_metadata": {"name": "unique", "kwargs": {"column_name": "profile_id"}},
    }
    return json.dumps({"nodes": {"model.profiles": model, "test.unique": test}})


def built(directory: Path, changes: str = "") -> Path:
    """A data directory in which the tables, changed, were published."""
    directory.mkdir()
    with duckdb.connect(str(directory / "warehouse.duckdb")) as connection:
        connection.execute(TABLES + changes)
    publish(directory / "warehouse.duckdb", directory / "published")
    target = directory / "dbt" / "target"
    target.mkdir(parents=True)
    (target / "manifest.json").write_text(manifest())
    return directory


def compared(
    place: Path, changes: str, *, same_moment: bool = True
) -> dict[str, TableComparison]:
    """What differs when the second directory was changed, by table."""
    directories = {
        "duckdb": built(place / "one"),
        "spark": built(place / "other", changes),
    }
    found = list(compare_directories(directories, same_moment=same_moment))
    assert len(found) == len({(table.schema, table.table) for table in found})
    return {f"{one.schema}.{one.table}": one for one in found if not one.is_equal}


def test_the_same_rows_in_another_order_are_equal(tmp_path: Path) -> None:
    changes = """
    create or replace table audiences.visits as from audiences.visits order by page;
    drop view profiles.spenders;
    alter table profiles.profiles alter orders type hugeint;
    alter table profiles.profiles alter spent type decimal(38, 2);
    alter table profiles.profiles alter document type varchar;
    create view profiles.spenders as select * from profiles.profiles where spent > 0;
    """
    assert compared(tmp_path, changes) == {}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("spent = 1.51", "spent is '1.50' with duckdb, '1.51' with spark"),
        ("score = 0.1 + 2e-17", "score is '0.1' with duckdb, '0.10000000000000002' "),
        ("orders = null", "orders is '3' with duckdb, null with spark"),
        ("tags = ['x', '']", "tags is '[x, NULL]' with duckdb, '[x, '']' with spark"),
        ("document = '{\"a\":1}'", "document is '{\"a\": 1}' with duckdb"),
        (
            "seen_at = '2026-11-01 12:00:00.000001Z', orders = 4",
            "orders is '3' with duckdb, '4' with spark; seen_at is ",
        ),
    ],
)
def test_the_first_row_that_differs_is_told(
    tmp_path: Path, change: str, told: str
) -> None:
    found = compared(
        tmp_path,
        f"update profiles.profiles set {change} where profile_id = 'a';"  # noqa: S608 - of the test's own
        "update profiles.profiles set spent = 9 where profile_id = 'c';",
    )
    assert found.keys() == {"profiles.profiles", "profiles.spenders"}
    table = found["profiles.profiles"]
    assert table.rows == (3, 3)
    assert table.differing == (2, 2)
    assert table.first is not None
    assert table.first.replace("''", "'").startswith(f"profile_id 'a': {told}")
    assert table.hashes[0] != table.hashes[1]


def test_rows_that_only_one_has_are_told(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        "delete from profiles.profiles where profile_id = 'b';"
        "insert into audiences.visits values ('home');",
    )
    profiles, visits = found["profiles.profiles"], found["audiences.visits"]
    assert profiles.first == "profile_id 'b': only with duckdb"
    assert profiles.differing == (1, 0)
    # Without a key, a row that is there once more counts.
    assert visits.first == "page 'home': only with spark"
    assert visits.differing == (0, 1)
    assert visits.rows == (4, 5)


def test_columns_and_tables_that_differ_are_told(tmp_path: Path) -> None:
    found = compared(
        tmp_path,
        "drop view profiles.spenders;"
        "alter table profiles.profiles alter score type varchar;"
        "alter table profiles.profiles alter spent type decimal(10, 1);"
        "alter table audiences.visits add column note varchar;"
        "alter table audiences.vips rename to members;",
    )
    assert found["profiles.profiles"].columns == (
        "spent is DECIMAL(10,2) with duckdb, DECIMAL(10,1) with spark",
        "score is DOUBLE with duckdb, VARCHAR with spark",
    )
    assert found["audiences.visits"].columns == ("note is missing with duckdb",)
    assert found["audiences.visits"].first is None
    assert found["audiences.vips"].rows == (1, None)
    assert found["audiences.members"].rows == (None, 1)


def test_times_of_the_build_count_where_both_had_the_same(tmp_path: Path) -> None:
    later = "update audiences.vips set entered_at = '2026-11-02 13:00:00Z'"
    found = compared(tmp_path, later)
    assert found["audiences.vips"].first == (
        "profile_id 'a', entered_at '2026-11-01 13:00:00+00': only with duckdb"
    )
    again = tmp_path / "again"
    again.mkdir()
    assert compared(again, later, same_moment=False) == {}


def test_the_command_tells_and_fails(tmp_path: Path) -> None:
    one = built(tmp_path / "one")
    other = built(tmp_path / "other", "update profiles.profiles set orders = 1")
    kith = Kith(tmp_path / "data")
    result = kith.call("verify", str(one), str(other))
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert lines[0] == "equal    audiences.vips  1 rows, without entered_at"
    assert lines[-1] == "2 of 4 tables differ: profiles.profiles, profiles.spenders"
    document = json.loads(kith.call("verify", str(one), str(other), "--json").stdout)
    assert [table["table"] for table in document["differences"]] == [
        *("profiles.profiles", "profiles.spenders")
    ]
    assert document["left_out"] == {"audiences.vips": ["entered_at"]}
    same = kith.call("verify", str(one), str(built(tmp_path / "same")))
    assert same.returncode == 0
    assert same.stdout.endswith("all 4 tables are equal, row for row: 10 rows\n")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--engines", "duckdb"], "--engines takes two targets"),
        (["--engines", "duckdb,sparkle"], "no target 'sparkle'"),
        (["--data", "nowhere"], "nowhere holds no raw facts"),
        (["one"], "name two data directories"),
        (["one", "one"], "name two data directories"),
        (["one", "other"], "nothing was published yet"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    tmp_path: Path, arguments: list[str], problem: str
) -> None:
    data_dir = tmp_path / "data"
    result = Kith(data_dir).call("verify", *arguments)
    assert result.returncode == 2
    assert problem in result.stderr
    assert not list(data_dir.glob("verify/*"))


def test_made_up_facts_are_the_same_every_time(tmp_path: Path) -> None:
    places = [tmp_path / "first", tmp_path / "second"]
    for place in places:
        facts.write_generated(place, events=300, until=UNTIL)
    found = [
        sorted(
            (row["message_id"], row["properties"], row["traits"], row["user_id"])
            for row in read_raw(place / "raw", "events")
        )
        for place in places
    ]
    assert found[0] == found[1]
    assert len(found[0]) > 300
    shared = tmp_path / "shared"
    facts.share_facts(places[0], shared)
    for dataset in DATASETS:
        files = list((shared / "raw" / dataset.name).rglob("*.parquet"))
        assert files, dataset.name


def test_the_demo_is_told_whole(tmp_path: Path) -> None:
    facts.write_demo(tmp_path, until=UNTIL)
    events = read_raw(tmp_path / "raw", "events")
    assert {row["type"] for row in events} == {
        *("alias", "group", "identify", "page", "track")
    }
    assert {row["code"] for row in read_raw(tmp_path / "raw", "quarantine")} == {
        *("bad_user_id", "missing_event_name", "too_deep")
    }
