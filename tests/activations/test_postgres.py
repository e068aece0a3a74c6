"""The Postgres connector, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activations.checks import check_account
from activations.connectors import Batch, Outcome, Row
from activations.connectors.postgres import deliver
from activations.errors import (
    AuthenticationError,
    DestinationRefused,
    DestinationUnavailable,
    EgressDenied,
)
from activations.postgres.session import not_connected
from activations.retries import Retry, TryAgain
from tests.activations.bench import Bench, bench, email
from tests.activations.postgres_server import (
    PASSWORD,
    PostgresServer,
    run_postgres,
)
from tests.activations.processes import (
    Start,
    build,
    finish,
    logged,
    prepare,
    wait_until,
)

ONCE = Retry(attempts=1, seconds=5)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresServer]:
    with run_postgres() as server:
        yield server


@pytest.fixture
def server(cluster: PostgresServer) -> PostgresServer:
    """The server with an empty schema."""
    cluster.run("drop schema public cascade; create schema public")
    return cluster


def people(tmp_path: Path, server: PostgresServer, **more: Any) -> Bench:
    """A sync of people to the table `people`."""
    settings = server.settings | {"password": "{{ env_var('PG_PASSWORD') }}"}
    more = {"environ": {"PG_PASSWORD": PASSWORD}} | more
    options = {"table": "people"}
    return bench(
        tmp_path, "postgres", settings, action="table", options=options, **more
    )


def send(
    server: PostgresServer,
    rows: list[Row],
    *,
    columns: tuple[str, ...] = ("id", "value"),
    **more: Any,
) -> dict[str, Outcome]:
    """Deliver rows to the table `things`; the outcome of each key."""
    settings = server.settings | {"password": PASSWORD} | more.pop("settings", {})
    batch = Batch(
        sync="s",
        key="id",
        columns=columns,
        rows=tuple(rows),
        options={"schema": "public", "table": "things"},
        private_network=more.pop("private_network", True),
        **more,
    )
    outcomes = list(deliver(batch, settings, retry=ONCE))
    assert sorted(o.row.key for o in outcomes) == sorted(row.key for row in rows)
    return {outcome.row.key: outcome for outcome in outcomes}


def thing(key: str, value: Any, operation: Any = "insert") -> Row:
    return Row(operation, key, "f", {"id": key, "value": value})


def gone(key: str) -> Row:
    return Row("delete", key, "f", None)


def told(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {key: one.code or one.outcome for key, one in outcomes.items()}


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


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ("", "There is no table public.things"),
        ("create table things (id text primary key)", "has no column 'value'"),
        ("create table things (id text, value text)", "create unique index on"),
        (
            "create table things (id text, value text); "
            "create unique index on things (id) where value is null",
            "is not unique",
        ),
        (
            "create table things (id text primary key, "
            "value text generated always as ('x') stored)",
            "refuses",
        ),
    ],
)
def test_a_table_that_cannot_be_kept_stops_the_run(
    server: PostgresServer, made: str, expected: str
) -> None:
    server.run(made)
    with pytest.raises(DestinationRefused, match=expected):
        send(server, [thing("a", "b")])


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


def test_a_wrong_password_or_database_stops_the_run(
    tmp_path: Path, server: PostgresServer
) -> None:
    with pytest.raises(AuthenticationError, match="password authentication failed"):
        send(server, [thing("a", "b")], settings={"password": "wrong"})
    with pytest.raises(AuthenticationError):
        send(server, [thing("a", "b")], settings={"password": None})
    assert check_account(people(tmp_path, server).sync.account)
    work = people(tmp_path, server, environ={"PG_PASSWORD": "wrong"})
    with pytest.raises(AuthenticationError):
        check_account(work.sync.account)
    work.people([1])
    run = work.run()
    assert run.stopped is not None
    assert (work.log(), work.plan().planned) == ([], 1)
    with pytest.raises(DestinationRefused, match='database "none" does not exist'):
        send(server, [thing("a", "b")], settings={"database": "none"})


def test_a_server_that_cannot_prove_its_name_is_not_told_the_password(
    server: PostgresServer, tmp_path: Path
) -> None:
    with pytest.raises(DestinationRefused, match="certificate"):
        send(server, [thing("a", "b")], settings={"ca_file": None})
    settings = {"sslmode": "require", "host": "db.example.com"}
    with pytest.raises(EgressDenied, match="private_network"):
        send(server, [thing("a", "b")], settings=settings, private_network=False)
    server.run("create table things (id text primary key, value text)")
    for sslmode in ("require", "disable"):
        send(server, [thing("a", "b")], settings={"sslmode": sslmode, "ca_file": None})


def test_only_addresses_that_the_account_may_use_are_connected_to(
    server: PostgresServer,
) -> None:
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "/var/run/postgresql"):
        with pytest.raises(EgressDenied, match="egress_denied"):
            send(
                server,
                [thing("a", "b")],
                settings={"host": host},
                private_network=False,
            )


def test_a_killed_run_leaves_all_of_its_batch_or_nothing(
    tmp_path: Path,
    server: PostgresServer,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.run("create table people (email text primary key, plan text)")
    monkeypatch.setenv("PG_PASSWORD", PASSWORD)
    settings = server.settings | {"password": "{{ env_var('PG_PASSWORD') }}"}
    account = {"manifest": "postgres", "private_network": True, "settings": settings}
    data_dir = prepare(tmp_path, account, action="table", options={"table": "people"})
    keys = build(data_dir, range(300))
    with server.connect() as other, other.transaction():
        other.execute("insert into people values ('p299@example.com', 'in the way')")
        process = start(data_dir)
        # In sessions of their own: one transaction sees one state of the server.
        waits = "wait_event_type = 'Lock'"
        wait_until(
            lambda: bool(server.rows("pg_stat_activity", "pid", where=waits)),
            "the merge",
        )
        process.kill()
        process.communicate()
    ours = "application_name = 'kith'"
    wait_until(
        lambda: not server.rows("pg_stat_activity", "pid", where=ours),
        "the server to notice",
    )
    assert server.rows("people") == [("p299@example.com", "in the way")]
    assert logged(data_dir) == set()
    assert finish(start(data_dir))[0] == 0
    assert {key for key, _ in server.rows("people")} == keys == logged(data_dir)


def test_a_server_that_is_away_leaves_the_rows_planned(
    tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DestinationUnavailable, match="attempts: 1"):
        send(server, [thing("a", "b")], settings={"port": 1})
    # Variables of the environment lead nowhere else.
    for name, value in {
        "PGHOSTADDR": "127.0.0.9",
        "PGPORT": "1",
        "PGUSER": "x",
    }.items():
        monkeypatch.setenv(name, value)
    server.run("create table people (email text primary key, plan text)")
    work = people(tmp_path, server)
    work.people([1])
    assert work.run().succeeded.insert == 1


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('FATAL:  password authentication failed for user "kith"', AuthenticationError),
        ('FATAL:  role "kith" does not exist', AuthenticationError),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', AuthenticationError),
        ('FATAL:  database "shop" does not exist', DestinationRefused),
        ("server does not support SSL, but SSL was required", DestinationRefused),
        ("FATAL:  the database system is starting up", TryAgain),
        ("FATAL:  sorry, too many clients already", TryAgain),
        ('FATAL:  too many connections for role "kith"', TryAgain),
        ("connection timeout expired", TryAgain),
    ],
)
def test_what_may_pass_is_told_from_what_must_be_mended(
    said: str, kind: type[Exception]
) -> None:
    """No SQLSTATE tells of a connection that was not made, only the server's words."""
    assert type(not_connected(psycopg.OperationalError(said))) is kind
