"""The Postgres connector, against a real server."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activations.connectors import Row
from tests.activations.bench import email
from tests.activations.postgres_server import PostgresServer
from tests.activations.postgres_syncs import gone, people, send, thing, told


def test_the_table_follows_the_payload_and_keeps_what_is_not_the_syncs(
    tmp_path: Path, server: PostgresServer
) -> None:
    server.run("""
        create table people (email text primary key, plan text, note text default '-');
        insert into people values ('boss@example.com', 'own', 'by hand'),
        ('p001@example.com', 'old', 'kept')
    """)
    work = people(tmp_path, server)
    work.people(range(4))
    run = work.run()
    assert (run.succeeded.insert, run.stopped) == (4, None)
    work.people([1, 3, 5], plan="pro")
    run = work.run()
    assert (run.succeeded.update, run.succeeded.insert) == (2, 1)
    assert run.succeeded.delete == 2
    assert server.rows("people") == [
        ("boss@example.com", "own", "by hand"),
        (email(1), "pro", "kept"),
        (email(3), "pro", "-"),
        (email(5), "pro", "-"),
    ]
    assert work.run().planned.total == 0


def test_values_become_what_the_columns_are(
    tmp_path: Path, server: PostgresServer
) -> None:
    server.run("""
        create type "Mood" as enum ('fine', 'so so');
        create table people (
            email text primary key, "Is VIP" boolean, n integer, whole integer,
            big bigint, amount numeric(12, 2), ratio double precision, born date,
            seen timestamptz, local timestamp, tags text[], numbers integer[],
            doc jsonb, raw json, word jsonb, mood "Mood", id uuid, nothing text,
            as_text text, "select" varchar(5), fortune numeric, shares bigint
        )
    """)
    work = people(tmp_path, server)
    work.con = duckdb.connect()
    work.con.execute("""
        create schema syncs;
        create table syncs.acct__people as select
            'é''"\\\\\t\n@x' as email,
            true as "Is VIP", 7 as n, 8.0::double as whole, 9007199254740993 as big,
            1234567.89::decimal(12, 2) as amount, 0.1::double as ratio,
            date '1999-12-31' as born,
            timestamptz '2026-01-02 03:04:05.678901+02' as seen,
            timestamp '2026-01-02 03:04:05' as local,
            ['a', null, 'b,"c"'] as tags, [1, 2] as numbers,
            {'a': [{'b': null}, {'b': 1}]} as doc, '{"z": 1, "a": 2}'::json as raw,
            'a word' as word, 'so so' as mood,
            uuid '00000000-0000-0000-0000-000000000001' as id, null::varchar as nothing,
            {'a': 1} as as_text, 'five!' as "select",
            12345678901234567890.12::decimal(38, 2) as fortune,
            1234567890123456789.00::decimal(38, 2) as shares
    """)
    work.con.execute("set TimeZone = 'UTC'")
    assert work.run().succeeded.insert == 1, work.log()
    with server.connect() as connection:
        cursor = connection.execute("select * from people")
        names = [column.name for column in cursor.description or ()]
        row = dict(zip(names, cursor.fetchall()[0], strict=True))
    assert row.pop("email") == "é'\"\\\\\t\n@x"
    assert str(row.pop("id")) == "00000000-0000-0000-0000-000000000001"
    assert row == {
        "Is VIP": True,
        "n": 7,
        "whole": 8,
        "big": 9007199254740993,
        "amount": Decimal("1234567.89"),
        "ratio": 0.1,
        "born": date(1999, 12, 31),
        "seen": datetime(2026, 1, 2, 1, 4, 5, 678901, tzinfo=UTC),
        "local": datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - a column without zone
        "tags": ["a", None, 'b,"c"'],
        "numbers": [1, 2],
        "doc": {"a": [{"b": None}, {"b": 1}]},
        "raw": {"z": 1, "a": 2},
        "word": "a word",
        "mood": "so so",
        "nothing": None,
        "as_text": '{"a": 1}',
        "select": "five!",
        "fortune": Decimal("12345678901234567890.12"),
        "shares": 1234567890123456789,
    }


def test_a_value_that_does_not_fit_rejects_its_row_alone(
    server: PostgresServer,
) -> None:
    server.run("""
        create table parents (name text primary key);
        insert into parents values ('root');
        create table things (
            id varchar(4) primary key, value integer not null check (value < 100),
            parent text default 'root' references parents deferrable initially deferred
        )
    """)
    rows = [thing(f"{n:04}", n) for n in range(60)]
    rows[3] = thing("0003", "three")
    rows[17] = thing("0017", None)
    rows[18] = thing("0018", 1000)
    rows[40] = thing("too long", 1)
    rows[41] = Row("insert", "0041", "f", {"id": "0041", "value": "4\0"})
    outcomes = send(server, rows)
    bad = {key: one for key, one in told(outcomes).items() if one != "succeeded"}
    assert bad == {
        "0003": "22P02",
        "0017": "23502",
        "0018": "23514",
        "too long": "22001",
        "0041": "not_sendable",
    }
    assert outcomes["0003"].message == 'invalid input syntax for type integer: "three"'
    assert len(server.rows("things")) == 55
    # A constraint that waits for the commit does not take the whole batch with it.
    rows = [
        Row("insert", f"x{n}", "f", {"id": f"x{n}", "value": n, "parent": parent})
        for n, parent in enumerate(["root", "nobody", "root"])
    ]
    outcomes = send(server, rows, columns=("id", "value", "parent"))
    assert told(outcomes) == {"x0": "succeeded", "x1": "23503", "x2": "succeeded"}


def test_a_row_that_a_trigger_keeps_away_has_not_arrived(
    server: PostgresServer,
) -> None:
    server.run("""
        create table things (id text primary key, value text);
        create function keep_away() returns trigger language plpgsql as
        $$ begin return case when new.value <> 'no' then new end; end $$;
        create trigger keep_away before insert or update on things
        for each row execute function keep_away()
    """)
    rows = [thing("a", "yes"), thing("b", "no"), thing("c", "yes")]
    assert told(send(server, rows)) == {
        "a": "succeeded",
        "b": "not_written",
        "c": "succeeded",
    }
    assert server.rows("things") == [("a", "yes"), ("c", "yes")]


def test_modes_insert_and_update_touch_only_their_rows(server: PostgresServer) -> None:
    server.run("""
        create table things (id text primary key, value numeric(6, 2));
        insert into things values ('mine', 1.5), ('theirs', 2)
    """)
    rows = [thing("mine", 1.5), thing("theirs", 9), thing("fresh", 3.14159)]
    for _ in range(2):  # the second time as after a kill before the log
        outcomes = send(server, rows, mode="insert")
        assert told(outcomes) == {
            "mine": "succeeded",
            "theirs": "exists",
            "fresh": "succeeded",
        }
    rows = [thing("theirs", 7, "update"), thing("nobody", 1, "update")]
    outcomes = send(server, rows, mode="update")
    assert told(outcomes) == {"theirs": "succeeded", "nobody": "not_found"}
    assert dict(server.rows("things")) == {
        "fresh": Decimal("3.14"),
        "mine": Decimal("1.50"),
        "theirs": 7,
    }


def test_half_a_record_changes_only_its_fields(server: PostgresServer) -> None:
    """What a sync sets when a row leaves it."""
    server.run("""
        create table things (id integer primary key, value text, is_vip boolean);
        insert into things values (1, 'kept', true), (2, 'kept', true)
    """)
    leaving = [
        Row("update", key, "f", {"id": int(key), "is_vip": False}) for key in "19"
    ]
    full = Row("update", "2", "f", {"id": 2, "value": None, "is_vip": True})
    columns = ("id", "value", "is_vip")
    outcomes = send(server, [*leaving, full, gone("3")], columns=columns)
    assert told(outcomes) == {
        "1": "succeeded",
        "9": "not_found",
        "2": "succeeded",
        "3": "succeeded",
    }
    assert server.rows("things") == [(1, "kept", False), (2, None, True)]


def test_syncs_in_every_mode_do_what_they_say(
    tmp_path: Path, server: PostgresServer
) -> None:
    server.run("""
        create table people (email text primary key, plan text, vip boolean);
        insert into people values ('p001@example.com', 'theirs', null)
    """)
    rows = [{"email": email(n), "plan": "free", "vip": True} for n in range(3)]
    work = people(tmp_path, server, mode="update")
    work.payload(rows)
    run = work.run()
    assert (run.succeeded.total, run.rejected.total) == (1, 2)
    assert server.rows("people") == [(email(1), "free", True)]
    work = people(tmp_path, server, mode="insert")
    work.configure(name="acct__inserts")
    work.payload([row | {"plan": "pro"} for row in rows])
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (2, 1)
    # Who leaves keeps the row, with what the sync sets.
    work = people(tmp_path, server, mode="upsert")
    work.configure(name="acct__set", on_leave="set", leave_values={"vip": False})
    work.payload(rows)
    assert work.run().succeeded.total == 3
    work.payload(rows[1:])
    assert work.run().succeeded.total == 1
    assert server.rows("people") == [
        (email(0), "free", False),
        (email(1), "free", True),
        (email(2), "free", True),
    ]


VALUES = st.integers(0, 9) | st.sampled_from([None, "bad", 10**20, "a\0b"])
ROUNDS = st.lists(
    st.dictionaries(
        st.sampled_from([f"k{n}" for n in range(6)]),
        st.tuples(st.sampled_from(["whole", "half", "delete"]), VALUES, VALUES),
        max_size=6,
    ),
    max_size=4,
)


@given(rounds=ROUNDS, mode=st.sampled_from(["upsert", "insert", "update"]))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_is_sent_the_table_holds_what_the_outcomes_say(
    server: PostgresServer,
    rounds: list[dict[str, tuple[str, Any, Any]]],
    mode: str,
) -> None:
    server.run("drop table if exists things")
    server.run("create table things (id text primary key, value int not null, b int)")
    held: dict[str, tuple[int, int | None]] = {}
    for wanted in rounds:
        rows, expected = [], dict(held)
        for key, (kind, value, b) in wanted.items():
            record = {"whole": {"id": key, "value": value, "b": b}}
            record["half"] = {"id": key, "b": b}
            rows.append(Row("update", key, "f", record.get(kind)))
            before = held.get(key)
            if kind == "delete":
                expected.pop(key, None)
            elif not (b is None or b in range(10)):
                continue
            elif kind == "whole":
                is_possible = {"insert": before is None, "update": before is not None}
                is_taken = value in range(10) and is_possible.get(mode, True)
                expected |= {key: (value, b)} if is_taken else {}
            elif before is not None:
                expected[key] = (before[0], b)
        outcomes = send(server, rows, columns=("id", "value", "b"), mode=mode)
        held = {key: (value, b) for key, value, b in server.rows("things")}
        assert held == expected
        for row in rows:
            if outcomes[row.key].outcome == "succeeded":
                as_told = row.record or {}
                there = dict(zip(("value", "b"), held.get(row.key, ()), strict=False))
                assert as_told.items() <= ({"id": row.key} | there).items()
                assert (row.record is None) == (row.key not in held)


def test_deletes_that_others_depend_on_are_rejected(server: PostgresServer) -> None:
    server.run("""
        create table things (id bigint primary key, value text);
        create table orders (thing bigint references things);
        insert into things select n, 'x' from generate_series(1, 5) as n;
        insert into orders values (3)
    """)
    outcomes = send(server, [gone(str(n)) for n in range(1, 8)])
    assert [key for key, one in told(outcomes).items() if one == "23503"] == ["3"]
    assert server.rows("things", "id") == [(3,)]


def test_names_are_quoted(tmp_path: Path, server: PostgresServer) -> None:
    server.run("""
        create schema "a""b";
        create table "a""b"."People; drop table x" (email text primary key, "100%s" int)
    """)
    work = people(tmp_path, server)
    options = {"schema": 'a"b', "table": "People; drop table x"}
    work.configure(options=options)
    work.payload([{"email": email(1), "100%s": 5}])
    assert work.run().succeeded.insert == 1, work.log()
    with server.connect() as connection:
        found = connection.execute('select * from "a""b"."People; drop table x"')
        assert found.fetchall() == [(email(1), 5)]
