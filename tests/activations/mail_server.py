"""A real mail server on loopback, which takes or refuses what a test wants."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.activations.certificates import make_certificate

USER, PASSWORD = "kith", "a password of tests"
Refuse = Callable[[str], str | None]


@dataclass
class MailServer:
    """What arrived, and how the next mails are answered.

    `at_mail`, `at_recipient` and `at_data` give the answer to an address, or None
    where it is taken; a mail that is to be `cut` arrives without an answer. `hold`
    keeps answers waiting while it is clear.
    """

    port: int
    ca_file: Path
    mails: list[EmailMessage] = field(default_factory=list)
    at_mail: Refuse = lambda address: None
    at_recipient: Refuse = lambda address: None
    at_data: Refuse = lambda address: None
    cut: set[str] = field(default_factory=set)
    hold: threading.Event = field(default_factory=threading.Event)

    def settings(self, tmp_path: Path) -> dict[str, Any]:
        """What an account sets, but for the password."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "security": "starttls",
            "ca_file": str(self.ca_file),
            "user": USER,
            "from": "Café Kith <news@shop.example>",
            "per_second": 10_000,
            "templates": str(tmp_path / "emails"),
        }

    @property
    def told(self) -> list[str]:
        """Who got a mail, in order."""
        return [str(mail["To"]) for mail in self.mails]


class _Handler:
    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def handle_MAIL(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self._server.at_mail(address) or "250 OK"

    async def handle_RCPT(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        refusal = self._server.at_recipient(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        (address,) = envelope.rcpt_tos
        if refusal := self._server.at_data(address):
            return refusal
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content.replace(b"\r\n", b"\n"), policy=default)
        assert isinstance(mail, EmailMessage)
        self._server.mails.append(mail)
        await asyncio.to_thread(self._server.hold.wait, 30)
        if address in self._server.cut:
            self._server.cut.discard(address)
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 taken"


@contextmanager
def run_mail(directory: Path, *, security: str = "starttls") -> Iterator[MailServer]:
    """A server over STARTTLS or TLS from the start that wants a login, or neither."""
    certificate, key = make_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    server = MailServer(port=port, ca_file=certificate)
    server.hold.set()

    def login(
        smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = isinstance(data, LoginPassword) and (data.login, data.password)
        is_known = given == (USER.encode(), PASSWORD.encode())
        # Handled would mean that the answer was given here.
        return AuthResult(success=is_known, handled=False)

    controller = Controller(
        _Handler(server),
        hostname="127.0.0.1",
        port=port,
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        auth_required=security == "starttls",
        auth_require_tls=security == "starttls",
        authenticator=login,
    )
    controller.start()
    try:
        yield server
    finally:
        server.hold.set()
        controller.stop()
