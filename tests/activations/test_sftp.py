"""The SFTP connector, against a real server."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from activations.checks import check_account
from activations.connectors import Batch, Row
from activations.connectors.sftp import check, deliver
from activations.errors import (
    AuthenticationError,
    ConfigError,
    DestinationRefused,
    DestinationUnavailable,
    EgressDenied,
)
from activations.retries import Retry
from tests.activations.bench import Bench, bench, email
from tests.activations.processes import (
    Start,
    build,
    finish,
    logged,
    prepare,
    wait_until,
)
from tests.activations.sftp_server import PASSWORD, SftpServer, run_sftp

ONCE = Retry(attempts=1, seconds=5)
OPTIONS = {
    "format": "csv",
    "name": None,
    "delimiter": "comma",
    "escape_formulas": True,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    with run_sftp(tmp_path / "there") as running:
        yield running


def people(tmp_path: Path, server: SftpServer, **more: Any) -> Bench:
    """A sync of people to a file on the server."""
    settings = server.settings | {"password": "{{ env_var('SFTP_PASSWORD') }}"}
    environ = {"SFTP_PASSWORD": PASSWORD}
    more = {"action": "file", "environ": environ} | more
    return bench(tmp_path, "sftp", settings, **more)


def given(server: SftpServer, **changes: Any) -> dict[str, Any]:
    """The settings of an account, with its password."""
    unset = {"password": None, "private_key": None, "passphrase": None}
    return unset | server.settings | {"password": PASSWORD} | changes


def held(server: SftpServer) -> dict[str, str]:
    """The plan of everybody in the sync's file."""
    file = server.root / "lists" / "acct__people.csv"
    with file.open(encoding="utf-8", newline="") as text:
        return {line["email"]: line["plan"] for line in csv.DictReader(text)}


def files(server: SftpServer) -> list[str]:
    return sorted(path.name for path in (server.root / "lists").iterdir())


def test_the_file_follows_the_payload(tmp_path: Path, server: SftpServer) -> None:
    work = people(tmp_path, server)
    work.people(range(4))
    assert work.run().succeeded.insert == 4, work.log()
    work.people([1, 3, 5], plan="pro")
    run = work.run()
    assert (run.succeeded.update, run.succeeded.insert) == (2, 1)
    assert run.succeeded.delete == 2
    assert held(server) == {email(1): "pro", email(3): "pro", email(5): "pro"}
    assert files(server) == ["acct__people.csv"]
    assert work.run().planned.total == 0


def test_changes_are_added(tmp_path: Path, server: SftpServer) -> None:
    server.replaces = False
    work = people(tmp_path, server, action="changes", options={"format": "jsonl"})
    work.people([1])
    assert work.run().succeeded.insert == 1
    work.people([2])
    assert work.run().succeeded.total == 2
    assert len(files(server)) == 2
    assert all(name.endswith(".jsonl") for name in files(server))


def test_a_key_logs_in_too(server: SftpServer) -> None:
    key = server.user_key
    locked = key.export_private_key("pkcs8-pem", passphrase="opens it").decode()  # noqa: S106 - of a key made here
    plain = {"password": None, "private_key": key.export_private_key().decode()}
    check(given(server, **plain), True, retry=ONCE)
    opened = {"private_key": locked, "passphrase": "opens it"}
    check(given(server, password=None, **opened), True, retry=ONCE)
    for wrong in (
        {"private_key": locked, "passphrase": "opens it not"},
        {"private_key": "no key"},
        {
            "private_key": asyncssh.generate_private_key("ssh-ed25519")
            .export_private_key()
            .decode()
        },
        {"password": "wrong"},
        {},
    ):
        settings = given(server, password=None) | wrong
        with pytest.raises(AuthenticationError):
            check(settings, True, retry=ONCE)


def test_a_server_with_another_host_key_is_told_nothing(
    tmp_path: Path, server: SftpServer
) -> None:
    others = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(DestinationRefused, match="another host key"):
        check(given(server, host_key=others), True, retry=ONCE)
    both = others + server.settings["host_key"]
    check(given(server, host_key=both), True, retry=ONCE)
    with pytest.raises(ConfigError, match="ssh-keyscan"):
        check(given(server, host_key="SHA256:abc"), True, retry=ONCE)


def test_only_addresses_that_the_account_may_use_are_connected_to(
    server: SftpServer,
) -> None:
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        with pytest.raises(EgressDenied, match="egress_denied"):
            check(given(server, host=host), False, retry=ONCE)


def test_what_is_missing_or_away_is_told(tmp_path: Path, server: SftpServer) -> None:
    with pytest.raises(DestinationRefused, match="has no directory 'elsewhere'"):
        check(given(server, directory="elsewhere"), True, retry=ONCE)
    with pytest.raises(DestinationUnavailable, match="attempts: 1"):
        check(given(server, port=1), True, retry=ONCE)
    assert check_account(people(tmp_path, server).sync.account)


def test_a_server_that_cannot_replace_a_file_keeps_the_old_one(
    tmp_path: Path, server: SftpServer
) -> None:
    server.replaces = False
    work = people(tmp_path, server)
    work.people([1])
    assert work.run().succeeded.insert == 1  # there is nothing to replace
    work.people([1, 2])
    run = work.run()
    assert run.stopped is not None
    assert "Use the action 'changes'" in run.stopped
    assert held(server) == {email(1): "free"}
    assert files(server) == ["acct__people.csv"]
    assert work.plan().planned == 1


def test_a_connection_that_breaks_is_made_again(server: SftpServer) -> None:
    rows = (Row("insert", "a", "f", {"k": "a"}),)
    batch = Batch(
        "s", "k", ("k",), rows, action="file", options=OPTIONS, private_network=True
    )
    twice = Retry(attempts=2, first_wait=0.01, longest_wait=0.01, seconds=9)
    server.cuts = 2
    with pytest.raises(DestinationUnavailable, match="attempts: 2"):
        list(deliver(batch, given(server), retry=twice))
    server.cuts = 1
    (outcome,) = deliver(batch, given(server), retry=twice)
    assert outcome.outcome == "succeeded"
    assert (server.root / "lists" / "s.csv").read_text("utf-8") == "k\na\n"
    assert files(server) == ["s.csv"]


def test_a_killed_run_leaves_the_old_file_whole(
    tmp_path: Path, server: SftpServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", PASSWORD)
    settings = server.settings | {"password": "{{ env_var('SFTP_PASSWORD') }}"}
    account = {"manifest": "sftp", "private_network": True, "settings": settings}
    options = {"name": "acct__people"}
    data_dir = prepare(tmp_path, account, action="file", options=options)
    first = build(data_dir, range(50))
    assert finish(start(data_dir))[0] == 0
    keys = build(data_dir, range(10, 3_000))
    writes = server.writes
    server.hold.clear()
    process = start(data_dir)
    wait_until(lambda: server.writes > writes, "the upload")
    process.kill()
    process.communicate()
    assert held(server).keys() == first == logged(data_dir)
    server.hold.set()
    assert finish(start(data_dir))[0] == 0
    assert held(server).keys() == keys
    assert files(server) == ["acct__people.csv"]
