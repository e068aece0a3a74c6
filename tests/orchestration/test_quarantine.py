"""`kith quarantine` lists what is held back, and writes the fact that releases it.

What the fact does in the warehouse is shown in tests/dbt/test_enforcement.py.
"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from profiles.published import publish
from tests.kith import Kith

ROWS = """
    ('shop:m1', 'plan', 'shop', 'm1', 'track', 'Paid', ['enum', 'range'],
     'enum of method, range of total', now() - interval 3 day, true, true,
     'mend the plan, or release it', null, null, null, null),
    ('shop:m2', 'plan', 'shop', 'm2', 'page', 'page', ['pattern'], 'pattern of [path]',
     now(), true, true, 'mend the plan, or release it', null, null, null, null),
    ('s1:4', 'collector', 'app', 'm3', null, null, ['bad_type'], 'no type', now(), true,
     false, 'mend its source and send it again: no type', null, null, null, null),
    ('s1:5', 'collector', 'app', 'm4', 'page', 'page', ['too_many_events'], 'a batch',
     now(), false, true, 'release it', 'r1', now(), 'ann', 'all is well')
"""


@pytest.fixture(scope="module")
def kith(tmp_path_factory: pytest.TempPathFactory) -> Kith:
    data_dir = tmp_path_factory.mktemp("quarantine")
    with duckdb.connect(data_dir / "warehouse.duckdb") as connection:
        connection.execute("create schema staging")
        connection.execute(
            f"""
            create table staging.quarantined_events as select * from (values {ROWS})
            as held (
                quarantine_id, held_by, source_id, message_id, type, event, codes,
                reason, received_at, is_held, is_releasable, how_to_release,
                release_id, released_at, released_by, release_reason
            )
            """  # noqa: S608 -- the rows above
        )
    publish(data_dir / "warehouse.duckdb", data_dir / "published")
    return Kith(data_dir, in_process=True)


def facts(data_dir: Path) -> list[dict[str, Any]]:
    files = (data_dir / "raw" / "quarantine_releases").rglob("*.parquet")
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_list_shows_what_is_held_and_why(kith: Kith) -> None:
    listed = kith.run("quarantine", "list")
    assert "shop:m1" in listed.stdout
    assert "pattern of [path]" in listed.stdout
    assert "3 held back" in listed.stdout
    assert "s1:5" not in listed.stdout
    one = kith.json("quarantine", "list", "--code", "range", "--event", "Paid")
    assert [row["quarantine_id"] for row in one["quarantined"]] == ["shop:m1"]
    assert kith.json("quarantine", "list", "--since", "1d", "--limit", "1") == {
        "count": 2,
        "quarantined": [_first(kith, "--since", "1d")],
    }
    assert "by ann: all is well" in kith.run("quarantine", "list", "--released").stdout


def test_release_writes_one_fact(kith: Kith) -> None:
    reason = ("--reason", "cards are fine")
    dry = kith.json("quarantine", "release", "m1", "s1:4", *reason, "--dry-run")
    assert dry == {"release_id": None, "released": 1, "not_releasable": 1}
    assert facts(kith.data_dir) == []

    result = kith.run("quarantine", "release", "m1", "s1:4", *reason, "--code", "enum")
    assert result.returncode == 0
    assert "released 1" in result.stdout
    assert "./kith build" in result.stdout
    [fact] = facts(kith.data_dir)
    assert fact["released_at"] is not None
    assert {name: fact[name] for name in ("released_by", "reason", "code", "ids")} == {
        "released_by": getpass.getuser(),
        "reason": "cards are fine",
        "code": "enum",
        "ids": ["m1", "s1:4"],
    }

    result = kith.run("quarantine", "release", "s1:4", *reason)
    assert "send it again" in result.stderr
    assert "nothing" in result.stdout
    assert len(facts(kith.data_dir)) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "say what to release"),
        (("m1", "--all"), "leave it out"),
        (("m1", "--since", "soon"), "'soon' is neither a length of time"),
    ],
)
def test_what_is_not_said_clearly_is_refused(
    kith: Kith, arguments: tuple[str, ...], problem: str
) -> None:
    before = facts(kith.data_dir)
    result = kith.run("quarantine", "release", *arguments, "--reason", "x")
    assert result.returncode == 2
    assert problem in result.stderr
    assert "Traceback" not in result.stderr
    assert facts(kith.data_dir) == before


def _first(kith: Kith, *arguments: str) -> dict[str, Any]:
    listed = kith.json("quarantine", "list", *arguments)
    first: dict[str, Any] = listed["quarantined"][0]
    return first
