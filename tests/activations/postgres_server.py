"""A real Postgres on loopback: a cluster of its own that lives as long as its tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.activations.certificates import make_certificate

PASSWORD = "a password of tests"  # noqa: S105 - of a server that lives for a test run
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "ssl": "on",
    "logging_collector": "off",
}


@dataclass(frozen=True)
class PostgresServer:
    """Where the server listens, and the authority of its certificate."""

    port: int
    ca_file: Path

    @property
    def settings(self) -> dict[str, Any]:
        """What an account sets, but for the password."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "database": "postgres",
            "user": "kith",
            "sslmode": "verify-full",
            "ca_file": str(self.ca_file),
        }

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session beside Kith's; commits each statement."""
        return psycopg.connect(
            hostaddr="127.0.0.1",
            port=self.port,
            dbname="postgres",
            user="kith",
            password=PASSWORD,
            autocommit=True,
        )

    def run(self, statements: str) -> None:
        with self.connect() as connection:
            connection.execute(statements)

    def rows(
        self, table: str, columns: str = "*", *, where: str = "true"
    ) -> list[tuple[Any, ...]]:
        """The table's rows, in order."""
        query = sql.SQL("select {} from {} where {} order by 1").format(
            sql.SQL(columns),
            sql.Identifier(table),
            sql.SQL(where),
        )
        with self.connect() as connection:
            return connection.execute(query).fetchall()


def postgres_or_skip() -> Path:
    """The directory of the server's programs; CI has no excuse for having none."""
    found = shutil.which("initdb")
    if found is None:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = str(versions[-1]) if versions else None
    if found is None:
        message = "there is no Postgres here: install Debian's `postgresql`"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return Path(found).resolve().parent


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """A cluster in a directory of its own, which its end removes."""
    programs = postgres_or_skip()
    # Below no directory of pytest's: Postgres refuses to run as root, and who runs it
    # instead could not reach it there.
    home = Path(tempfile.mkdtemp(prefix="kith-postgres-"))
    try:
        ca_file, key_file = make_certificate(home / "tls")
        password = home / "password"
        password.write_text(PASSWORD, "utf-8")
        who = _not_root(home)
        data = home / "data"
        subprocess.run(
            [
                *(programs / "initdb", "--no-sync", "--encoding=UTF8", "--locale=C"),
                *("--auth=scram-sha-256", "--username=kith"),
                *(f"--pwfile={password}", f"--pgdata={data}"),
            ],
            check=True,
            capture_output=True,
            cwd=home,
            **who,
        )
        port = _free_port()
        settings = _SETTINGS | {
            "port": str(port),
            "ssl_cert_file": str(ca_file),
            "ssl_key_file": str(key_file),
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        log = (home / "log").open("wb")
        with log:
            process = subprocess.Popen(
                [programs / "postgres", "-D", data, *options],
                stdout=log,
                stderr=log,
                cwd=home,
                **who,
            )
        server = PostgresServer(port=port, ca_file=ca_file)
        try:
            _wait_for(server, process, home / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # its fast shutdown
            process.wait(30)
    finally:
        shutil.rmtree(home)


def _not_root(home: Path) -> Mapping[str, Any]:
    """Whom to run the server as, who owns everything below `home`."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (home, *home.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_for(
    server: PostgresServer, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            told = log.read_text("utf-8", "replace")
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        else:
            return
