"""Sessions with a mail server, and what its answers mean.

A mail whose end was sent, but not answered, may have arrived; what ended earlier has
not, and is tried again at once.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any, BinaryIO, Literal

import certifi

from activations.egress import open_connection
from activations.errors import (
    AuthenticationError,
    DestinationRefused,
    EgressDenied,
)
from activations.mail.messages import sender
from activations.retries import TryAgain

SECONDS = 60.0
"""For each answer of the server."""
REPLY_BYTES = 100_000
_CREDENTIAL = (530, 534, 535, 538)
_BUSY = 421

Verdict = tuple[Literal["succeeded", "rejected", "failed"], str | None, str | None]


class MailSession:
    """A connection that is made when it is needed, and again when it broke."""

    def __init__(self, settings: Mapping[str, Any], *, private_network: bool) -> None:
        self._settings = settings
        self._private_network = private_network
        self._origin = sender(settings)
        self._smtp: _GuardedSMTP | None = None

    def __enter__(self) -> MailSession:
        return self

    def __exit__(self, *error: object) -> None:
        if self._smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._smtp.quit()
        self._drop()

    def open(self) -> None:
        """Connect and log in; raises `TryAgain` where that may pass."""
        if self._smtp is not None:
            return
        try:
            self._smtp = self._connected()
        except (smtplib.SMTPException, OSError) as error:
            raise _not_connected(error) from None

    def send(self, message: EmailMessage) -> Verdict:
        """What the server says to a mail; raises `TryAgain` before it was sent."""
        self.open()
        smtp = self._smtp
        assert smtp is not None, "opened above"  # noqa: S101 - tells mypy
        to = message["To"].addresses[0].addr_spec
        try:
            smtp.send_message(message, self._origin.addr_spec, [to])
        except smtplib.SMTPRecipientsRefused as error:
            return self._refused(*error.recipients[to])
        except smtplib.SMTPSenderRefused as error:
            raise self._sender_refused(error) from None
        except smtplib.SMTPDataError as error:
            return self._refused(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:
            return "rejected", "not_supported", str(error)
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            if not smtp.is_unanswered:
                raise TryAgain(_text(error), code="connection") from None
            told = "The mail was sent, and the server did not say that it took it."
            return "failed", "no_answer", f"{told} ({_text(error)})"
        return "succeeded", None, None

    def _connected(self) -> _GuardedSMTP:
        settings = self._settings
        security = settings["security"]
        if security == "none" and not self._private_network:
            raise EgressDenied(
                "security 'none' is for private networks: an account says "
                "`private_network: true` to use it."
            )
        context = ssl.create_default_context(
            cafile=settings["ca_file"] or certifi.where()
        )
        smtp = _GuardedSMTP(
            str(settings["host"]),
            int(settings["port"]),
            context=context if security == "tls" else None,
            private_network=self._private_network,
            name=self._origin.domain,
        )
        try:
            if security == "starttls":
                smtp.starttls(context=context)
            if settings["user"]:
                smtp.login(str(settings["user"]), str(settings["password"] or ""))
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _drop(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def _refused(self, code: int, words: bytes | str) -> Verdict:
        """A refusal of this one mail: for good, or for now."""
        if code == _BUSY:
            self._drop()
        return "rejected" if code >= 500 else "failed", str(code), _words(words)

    def _sender_refused(self, error: smtplib.SMTPSenderRefused) -> Exception:
        self._drop()
        words = _words(error.smtp_error)
        if error.smtp_code in _CREDENTIAL:
            return AuthenticationError(f"The mail server wants a login: {words}")
        if error.smtp_code >= 500:
            return DestinationRefused(
                f"The mail server takes no mail from {error.sender}: {words}"
            )
        return TryAgain(f"{error.smtp_code} {words}", code=str(error.smtp_code))


class _GuardedSMTP(smtplib.SMTP):
    """smtplib's client over a connection to a judged address.

    `is_unanswered` tells whether a mail was sent whole, and not yet answered.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        context: ssl.SSLContext | None,
        private_network: bool,
        name: str,
    ) -> None:
        self._context = context
        self._private_network = private_network
        self.is_unanswered = False
        super().__init__(host, port, local_hostname=name, timeout=SECONDS)

    # smtplib's own way of having another socket, as its SMTP_SSL does it.
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = open_connection(
            host, port, private_network=self._private_network, seconds=timeout
        )
        if self._context is None:
            return connection
        return self._context.wrap_socket(connection, server_hostname=host)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        if isinstance(self.file, _Bounded):
            self.file.begin()
        return super().getreply()

    def data(self, msg: Any) -> tuple[int, bytes]:
        self.is_unanswered = True
        answer = super().data(msg)
        self.is_unanswered = False
        return answer


class _Bounded:
    """A server's lines, as many and as long as a reply may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.begin()

    def begin(self) -> None:
        self._left = REPLY_BYTES
        self._end = time.monotonic() + SECONDS

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self._left -= len(line)
        if self._left < 0 or time.monotonic() > self._end:
            raise OSError("the server's reply does not end")
        return line

    def close(self) -> None:
        self._file.close()


def _not_connected(error: Exception) -> Exception:
    if isinstance(error, ssl.SSLCertVerificationError):
        return DestinationRefused(
            f"The mail server cannot prove its name: {error.verify_message}"
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DestinationRefused(f"The mail server cannot do what is set: {error}")
    if isinstance(error, smtplib.SMTPResponseException):
        words = _words(error.smtp_error)
        if error.smtp_code < 500:
            return TryAgain(f"{error.smtp_code} {words}", code=str(error.smtp_code))
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return AuthenticationError(
                f"The mail server does not accept the credential: {words}"
            )
        return DestinationRefused(f"The mail server refuses: {words}")
    return TryAgain(_text(error), code="connection")


def _words(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
