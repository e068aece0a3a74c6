"""The SMTP connector, against a real mail server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activations.checks import check_account
from activations.connectors import Batch, Outcome, Row
from activations.connectors.smtp import deliver
from activations.errors import (
    AuthenticationError,
    ConfigError,
    DestinationRefused,
    DestinationUnavailable,
    EgressDenied,
)
from activations.messages import send_message
from activations.retries import Retry
from tests.activations.bench import Bench, bench, email
from tests.activations.mail_server import PASSWORD, MailServer, run_mail
from tests.activations.processes import (
    Start,
    build,
    finish,
    logged,
    prepare,
    wait_until,
)

TWICE = Retry(attempts=2, first_wait=0.01, longest_wait=0.01, seconds=9)
WELCOME = {
    "subject.txt": "Welcome,\n{{ record.name or 'friend' }}",
    "body.txt": "Hello {{ record.name or 'friend' }} <{{ key }}>\n",
    "body.html": (
        "<p>Hello {{ record.name }}</p>"
        "{% for order in record.orders %}<i>{{ order.id }}</i>{% endfor %}"
    ),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    write(tmp_path, "plain", {"subject.txt": "Hi", "body.txt": "{{ record.plan }}"})
    write(tmp_path, "welcome", WELCOME)
    with run_mail(tmp_path / "tls") as running:
        yield running


def write(tmp_path: Path, template: str, files: dict[str, str]) -> None:
    folder = tmp_path / "emails" / template
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def people(tmp_path: Path, server: MailServer, **more: Any) -> Bench:
    """A sync that writes to people."""
    settings = server.settings(tmp_path) | {"password": "{{ env_var('MAIL') }}"}
    settings |= more.pop("settings", {})
    defaults = {
        "action": "template",
        "mode": "upsert",
        "options": {"template": "plain"},
        "environ": {"MAIL": PASSWORD},
    }
    return bench(tmp_path, "smtp", settings, **defaults | more)


def send(
    tmp_path: Path,
    server: MailServer,
    *records: dict[str, Any],
    private_network: bool = True,
    template: str = "plain",
    **changes: Any,
) -> dict[str, Outcome]:
    """Write to these records; the outcome of each key."""
    unset = {"reply_to": None, "password": PASSWORD}
    more = changes.pop("settings", {})
    settings = unset | server.settings(tmp_path) | changes | more
    rows = tuple(
        Row("insert", r["email"], "f", r, idempotency_key=f"key{n}")
        for n, r in enumerate(records)
    )
    batch = Batch(
        sync="s",
        key="email",
        columns=tuple(dict.fromkeys(name for record in records for name in record)),
        rows=rows,
        action="template",
        mode="upsert",
        options={"template": template, "to": "email", "unsubscribe": None},
        private_network=private_network,
    )
    return {one.row.key: one for one in deliver(batch, settings, retry=TWICE)}


def told(outcomes: dict[str, Outcome]) -> dict[str, tuple[str, str | None]]:
    return {key: (one.outcome, one.code) for key, one in outcomes.items()}


def some(*names: str) -> list[dict[str, Any]]:
    return [{"email": f"{name}@x.example", "plan": "free"} for name in names]


def test_each_row_is_written_to_once(tmp_path: Path, server: MailServer) -> None:
    work = people(tmp_path, server)
    work.people(range(3))
    assert work.run().succeeded.insert == 3, work.log()
    assert server.told == [email(n) for n in range(3)]
    assert work.run().planned.total == 0
    assert len({mail["Message-ID"] for mail in server.mails}) == 3
    refs = {row["key"]: row["destination_ref"] for row in work.log()}
    assert refs == {str(mail["To"]): mail["Message-ID"] for mail in server.mails}
    # Who changes is written to again, who leaves is not.
    work.people([0, 1], plan="pro")
    run = work.run()
    assert (run.succeeded.update, run.planned.delete) == (2, 0)
    assert len(server.mails) == 5
    assert server.mails[-1].get_content() == "pro\n"


def test_a_mail_says_what_its_template_says(tmp_path: Path, server: MailServer) -> None:
    work = people(
        tmp_path,
        server,
        options={"template": "welcome", "unsubscribe": "stop"},
        settings={"reply_to": "Help <help@shop.example>"},
    )
    nasty = "Zoë\r\nBcc: victim@x.example <b>"
    work.payload(
        [
            {
                "email": "zoe@bücher.example",
                "name": nasty,
                "orders": [{"id": "<1>"}, {"id": "2"}],
                "stop": "https://shop.example/stop?u=1&t=abc",
            }
        ]
    )
    assert work.run().succeeded.insert == 1, work.log()
    (mail,) = server.mails
    assert mail["From"] == "Café Kith <news@shop.example>"
    assert mail["Reply-To"] == "Help <help@shop.example>"
    assert mail["To"] == "zoe@xn--bcher-kva.example"
    assert mail["Subject"] == "Welcome, Zoë Bcc: victim@x.example <b>"
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None
    assert mail["List-Unsubscribe"] == "<https://shop.example/stop?u=1&t=abc>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert text.get_content().startswith("Hello Zoë\nBcc: victim@x.example <b> <zoe@")
    assert html is not None
    assert "&lt;b&gt;</p><i>&lt;1&gt;</i><i>2</i>" in html.get_content()


def test_an_accounts_syncs_share_its_rate(tmp_path: Path, server: MailServer) -> None:
    arrived: list[float] = []
    began = time.monotonic()
    server.at_mail = lambda address: arrived.append(time.monotonic())
    for number in range(2):
        work = people(tmp_path, server, settings={"per_second": 3})
        work.configure(name=f"acct__{number}")
        work.people(range(3))
        assert work.run().succeeded.insert == 3
    # The fourth mail waits until the turn of the first is a second old.
    assert arrived[3] >= began + 1


def test_a_record_may_be_the_mail_itself(tmp_path: Path, server: MailServer) -> None:
    work = people(tmp_path, server, action="message", options={})
    row = {"email": "1", "to": "a@x.example", "subject": "S", "text": "T", "html": None}
    work.payload([row, row | {"email": "2", "text": None}])
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (1, 1)
    assert server.mails[0].get_content_type() == "text/plain"
    record = {"to": "ops@x.example", "subject": "Down", "text": "It is.", "html": "<p>"}
    account = work.sync.account
    send_message(account, "message", record, sender="alerts", message_id="1")
    assert server.told == ["a@x.example", "ops@x.example"]
    assert server.mails[1]["Subject"] == "Down"


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@x.example, b@x.example",
        "A <a@x.example>",
        "a@x.example\r\nBcc: b@x.example",
        "a@localhost",
        "zoë@x.example",
        "@x.example",
        "",
        None,
    ],
)
def test_what_is_no_address_is_written_to_by_nobody(
    tmp_path: Path, server: MailServer, address: str | None
) -> None:
    work = people(tmp_path, server, options={"template": "plain", "to": "to"})
    work.payload([{"email": "1", "to": address, "plan": "x"}])
    work.run()
    assert work.outcomes() == {"1": "rejected"}
    assert server.mails == []


def test_refusals_are_one_rows_own(tmp_path: Path, server: MailServer) -> None:
    answers = {
        "gone@x.example": "550 5.1.1 no such user",
        "later@x.example": "450 4.2.0 greylisted",
    }
    server.at_recipient = answers.get
    server.at_data = {"spam@x.example": "554 5.7.1 looks like spam"}.get
    outcomes = send(tmp_path, server, *some("gone", "a", "later", "spam", "b"))
    assert told(outcomes) == {
        "gone@x.example": ("rejected", "550"),
        "a@x.example": ("succeeded", None),
        "later@x.example": ("failed", "450"),
        "spam@x.example": ("rejected", "554"),
        "b@x.example": ("succeeded", None),
    }
    assert outcomes["gone@x.example"].message == "5.1.1 no such user"
    assert server.told == ["a@x.example", "b@x.example"]


def test_a_connection_that_ends_is_made_again(
    tmp_path: Path, server: MailServer
) -> None:
    """As servers do that take so many mails in one connection."""
    left: list[str] = []
    server.at_mail = lambda address: left.pop() if left and server.mails else None
    for answer in ("421 4.7.0 too many", "451 4.3.0 busy"):
        left.append(answer)
        outcomes = send(tmp_path, server, *some("a", "b"))
        assert {one.outcome for one in outcomes.values()} == {"succeeded"}
        assert server.told == ["a@x.example", "b@x.example"]
        server.mails.clear()


def test_a_mail_without_an_answer_may_have_arrived(
    tmp_path: Path, server: MailServer
) -> None:
    """It is sent again with the same Message-ID, and others go out meanwhile."""
    server.cut = {email(1)}
    work = people(tmp_path, server)
    work.people(range(3))
    run = work.run()
    assert (run.succeeded.insert, run.failed.insert) == (2, 1)
    (failed,) = (row for row in work.log() if row["outcome"] == "failed")
    assert (failed["key"], failed["code"]) == (email(1), "no_answer")
    assert work.run().succeeded.insert == 1
    assert sorted(server.told) == [email(0), email(1), email(1), email(2)]
    assert len({mail["Message-ID"] for mail in server.mails}) == 3


def test_a_server_that_puts_everything_off_stops_the_run(
    tmp_path: Path, server: MailServer
) -> None:
    server.at_recipient = lambda address: "451 4.7.1 try later"
    work = people(tmp_path, server)
    work.people(range(100))
    run = work.run()
    assert (run.failed.insert, run.left) == (20, 80)
    assert "451" in (run.stopped or "")
    server.at_recipient = lambda address: None
    server.at_mail = lambda address: "451 4.3.0 busy"
    with pytest.raises(DestinationUnavailable, match=r"451 4\.3\.0 busy"):
        send(tmp_path, server, *some("a"))
    assert server.mails == []


def test_what_concerns_the_account_stops_the_run(
    tmp_path: Path, server: MailServer
) -> None:
    assert check_account(people(tmp_path, server).sync.account)
    wrong = people(tmp_path, server, environ={"MAIL": "wrong"})
    with pytest.raises(AuthenticationError, match="credential"):
        check_account(wrong.sync.account)
    wrong.people(range(3))
    run = wrong.run()
    assert run.stopped is not None
    assert (wrong.log(), wrong.plan().planned) == ([], 3)
    with pytest.raises(AuthenticationError, match="wants a login"):
        send(tmp_path, server, *some("a"), user=None)
    server.at_mail = lambda address: "550 5.7.1 not yours"
    with pytest.raises(DestinationRefused, match="takes no mail from news@"):
        send(tmp_path, server, *some("a"))
    with pytest.raises(ConfigError, match="`from` is not like"):
        send(tmp_path, server, *some("a"), settings={"from": "Shop"})


def test_nothing_is_said_in_clear(tmp_path: Path, server: MailServer) -> None:
    with pytest.raises(DestinationRefused, match="cannot prove its name"):
        send(tmp_path, server, *some("a"), ca_file=None)
    with pytest.raises(EgressDenied, match="private_network"):
        send(
            tmp_path,
            server,
            *some("a"),
            host="mail.example",
            security="none",
            private_network=False,
        )
    for host in ("127.0.0.1", "localhost", "169.254.169.254"):
        with pytest.raises(EgressDenied, match="egress_denied"):
            send(tmp_path, server, *some("a"), host=host, private_network=False)
    with run_mail(tmp_path / "plain", security="none") as plain:
        with pytest.raises(DestinationRefused, match="STARTTLS"):
            send(tmp_path, plain, *some("a"))
        outcomes = send(tmp_path, plain, *some("a"), security="none", user=None)
        assert told(outcomes) == {"a@x.example": ("succeeded", None)}
    with run_mail(tmp_path / "tls-first", security="tls") as other:
        outcomes = send(tmp_path, other, *some("a"), security="tls")
        assert told(outcomes) == {"a@x.example": ("succeeded", None)}
    assert server.mails == []


@pytest.mark.parametrize(
    ("template", "files", "expected"),
    [
        ("none", {}, "There is no template 'none'"),
        ("../plain", {}, "There is no template"),
        ("t", {"subject.txt": "x"}, "body.txt is not a file"),
        ("t", {"subject.txt": "{{ record.nme }}"}, "record.nme, which is no column"),
        ("t", {"subject.txt": "{{ settings.password }}"}, "uses settings. Names"),
        ("t", {"subject.txt": "{% if %}"}, "t/subject.txt:1:"),
    ],
)
def test_a_template_is_checked_before_the_first_mail(
    tmp_path: Path,
    server: MailServer,
    template: str,
    files: dict[str, str],
    expected: str,
) -> None:
    if files:
        write(tmp_path, template, {"body.txt": "x"} | files)
    if expected.startswith("body.txt"):
        (tmp_path / "emails" / "t" / "body.txt").unlink()
    with pytest.raises(ConfigError, match=expected.replace("{", r"\{")):
        send(tmp_path, server, *some("a"), template=template)


def test_a_template_has_nothing_but_the_record(
    tmp_path: Path, server: MailServer
) -> None:
    write(
        tmp_path, "t", {"subject.txt": "x", "body.txt": "{{ record.plan.__class__ }}"}
    )
    outcomes = send(tmp_path, server, *some("a"), template="t")
    assert told(outcomes) == {"a@x.example": ("rejected", "not_sendable")}
    write(tmp_path, "t", {"body.txt": "{{ record.plan }} {{ record.email | upper }}"})
    rows = [*some("a"), {"email": "b@x.example", "plan": None}]
    outcomes = send(tmp_path, server, *rows, template="t")
    assert told(outcomes)["b@x.example"] == ("rejected", "not_sendable")
    assert server.mails[0].get_content() == "free A@X.EXAMPLE\n"


def test_a_reply_without_end_is_given_up(tmp_path: Path, server: MailServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    try:
                        while True:
                            connection.sendall(b"220-hello\r\n" * 1000)
                    except OSError:
                        pass

        thread = threading.Thread(target=talk)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(DestinationUnavailable):
            send(tmp_path, server, *some("a"), port=port, security="none")
        thread.join(10)


def test_a_killed_run_repeats_the_mail_that_was_under_way_and_no_other(
    tmp_path: Path, server: MailServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL", PASSWORD)
    settings = server.settings(tmp_path) | {"password": "{{ env_var('MAIL') }}"}
    account = {"manifest": "smtp", "private_network": True, "settings": settings}
    options = {"template": "plain"}
    data_dir = prepare(
        tmp_path, account, action="template", mode="upsert", options=options
    )
    keys = build(data_dir, range(40))
    server.at_data = lambda address: (
        server.hold.clear() if len(server.mails) == 22 else None
    )
    process = start(data_dir)
    wait_until(lambda: len(server.mails) == 23, "mails")
    process.kill()
    process.communicate()
    assert logged(data_dir) == set(server.told[:22])
    server.hold.set()
    server.at_data = lambda address: None
    assert finish(start(data_dir))[0] == 0
    assert set(server.told) == keys == logged(data_dir)
    assert len(server.mails) == len(keys) + 1
    assert len({mail["Message-ID"] for mail in server.mails}) == len(keys)
