"""Syncs to Postgres that something stops: credentials, kills, outages."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from activations.checks import check_account
from activations.errors import (
    AuthenticationError,
    DestinationRefused,
    DestinationUnavailable,
    EgressDenied,
)
from activations.postgres.session import not_connected
from activations.retries import TryAgain
from tests.activations.postgres_server import PASSWORD, PostgresServer
from tests.activations.postgres_syncs import people, send, thing
from tests.activations.processes import (
    Start,
    build,
    finish,
    logged,
    prepare,
    wait_until,
)


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
