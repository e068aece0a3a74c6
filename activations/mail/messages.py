"""Messages: letters as mail servers take them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Any

from activations.errors import ConfigError, RecordRejected
from activations.mail.letters import Letter

# Bodies that any server passes on, whatever letters they are written in.
_POLICY = SMTP.clone(cte_type="7bit")


def sender(settings: Mapping[str, Any]) -> Address:
    """Who the account's mails are from."""
    try:
        return _named(str(settings["from"]))
    except RecordRejected as error:
        raise ConfigError(
            f"`from` is not like 'Shop <news@example.com>': {error}"
        ) from None


def make_message(
    letter: Letter, settings: Mapping[str, Any], *, idempotency_key: str
) -> EmailMessage:
    """The message of a letter. Written again it has the same Message-ID."""
    origin = sender(settings)
    message = EmailMessage(policy=_POLICY)
    message["From"] = origin
    message["To"] = address(letter.to)
    if settings["reply_to"]:
        message["Reply-To"] = _named(str(settings["reply_to"]))
    # A line break would begin another header.
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = f"<{idempotency_key}@{origin.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.unsubscribe:
        message["List-Unsubscribe"] = f"<{_url(letter.unsubscribe)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text)
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html")
    return message


def address(value: Any) -> Address:
    """One address, and nothing but it: a record never adds another recipient."""
    text = str(value).strip() if value is not None else ""
    try:
        found = Address(addr_spec=text)
        domain = found.domain.encode("idna").decode()
        if not found.username or "." not in domain:
            raise ValueError
        return Address(username=found.username, domain=domain)
    except (ValueError, HeaderParseError, IndexError):
        raise RecordRejected(f"'{text}' is no e-mail address.") from None


def _named(text: str) -> Address:
    name, _, bare = text.rpartition("<") if text.endswith(">") else ("", "", text)
    found = address(bare.removesuffix(">"))
    shown, _ = parseaddr(f"{name}<x@x>")
    return Address(shown, found.username, found.domain)


def _url(value: str) -> str:
    if not value.startswith("https://") or any(c in value for c in "<> \r\n\t"):
        raise RecordRejected(f"'{value}' is no https address to unsubscribe at.")
    return value
