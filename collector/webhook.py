"""Webhook sources: a function of the project makes events of what a service posts.

The function of the source `payments` stands in `webhooks/payments.py` beside
`sources.yml`:

    def events(request: WebhookRequest) -> list[dict[str, Any]]: ...

What it returns is checked event by event, as a batch of an SDK is. When it raises, the
payload goes to quarantine and can be replayed once the function is mended; the sender
is answered 200, for it would otherwise repeat the same request for days.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Literal

from collector.errors import Refused, SourcesError, Unacceptable


@dataclass(frozen=True)
class WebhookRequest:
    """What a webhook function sees; the names of headers are lower case."""

    body: Any
    raw_body: bytes
    headers: Mapping[str, str]
    query: Mapping[str, str]
    received_at: datetime


Function = Callable[[WebhookRequest], list[dict[str, Any]]]


@dataclass(frozen=True)
class Signature:
    """An HMAC-SHA256 of the body that its sender puts into a header."""

    header: str
    secret: bytes
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""

    def check(self, body: bytes, sent: str | None) -> None:
        """Raise `Refused` unless the header holds the signature of this body."""
        digest = hmac.new(self.secret, body, hashlib.sha256).digest()
        expected = digest.hex().encode()
        if self.encoding == "base64":
            expected = base64.b64encode(digest)
        if not hmac.compare_digest(self.prefix.encode() + expected, _bytes(sent)):
            raise Refused(
                401,
                "invalid_signature",
                f"The header {self.header} must hold the signature of the body.",
            )


@dataclass(frozen=True)
class Webhook:
    """What turns the requests of one webhook source into events."""

    events: Function
    signature: Signature | None = None

    def run(self, request: WebhookRequest) -> list[Any]:
        """The events of a request; raises `Unacceptable` when the function fails."""
        try:
            events = self.events(request)
        except Exception as error:
            # The text of the error may hold what the payload holds: only its type.
            raise _failed(f"the function raised {type(error).__name__}") from error
        if not isinstance(events, list):
            raise _failed(f"the function returned {type(events).__name__}, not a list")
        return events


class _FreshLoader(SourceFileLoader):
    """Always compiles: a cached file may be older than an edit of the same second."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def load_function(path: Path) -> Function:
    """The function `events` of a file; raises `SourcesError` when there is none."""
    if not path.is_file():
        raise SourcesError(
            f": a webhook source needs the file webhooks/{path.name} with "
            "`def events(request)`."
        )
    loader = _FreshLoader(f"kith_webhook_{path.stem}", str(path))
    module = ModuleType(loader.name)
    try:
        loader.exec_module(module)
    except Exception as error:
        raise SourcesError(
            f": webhooks/{path.name} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    function = getattr(module, "events", None)
    if not callable(function):
        raise SourcesError(f": webhooks/{path.name} has no function `events`.")
    events: Function = function
    return events


def _failed(detail: str) -> Unacceptable:
    return Unacceptable("webhook_function_error", detail, replayable=True)


def _bytes(text: str | None) -> bytes:
    return (text or "").encode(errors="replace")
