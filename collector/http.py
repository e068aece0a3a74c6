"""What the HTTP server leaves to the app: body limits, methods, peers, answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any
from urllib.parse import parse_qsl

import orjson
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export

from collector import wire
from collector.errors import Refused

DISCARDED_BYTES = 32_000_000
JSON_TYPE = "application/json"
_REFUSED_TYPES = re.compile(r"multipart/|(application|text)/([\w.-]+\+)?xml\b")
_REFUSED_CHARSETS = re.compile(r"charset\s*=\s*\"?utf-?(16|32)")


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    body: bytes
    status: int = 200
    content_type: str = JSON_TYPE
    headers: Sequence[tuple[str, str]] = ()


@dataclass(slots=True)
class Call:
    """A request that found its endpoint; its body is read by whoever wants it."""

    scope: Scope
    protocol: HTTPProtocol
    request_id: str
    carries: str
    parameters: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query string; of a repeated one the first."""
        text = self.scope.query_string
        return dict(reversed(parse_qsl(text, keep_blank_values=True))) if text else {}

    def header(self, name: str) -> str | None:
        """The value of a header, by its lower-case name."""
        value: str | None = self.scope.headers.get(name)
        return value


def success() -> Answer:
    """Everything the request carried is stored."""
    return Answer(b'{"success":true}')


def json_answer(document: Any, *, status: int = 200) -> Answer:
    """An answer with a JSON document."""
    return Answer(orjson.dumps(document), status)


def refusal(refused: Refused, request_id: str) -> Answer:
    """The answer to a refused request, in the form that real clients can read."""
    document = {
        "success": False,
        "code": refused.code,
        "message": refused.message,
        "request_id": request_id,
    }
    headers = list(refused.headers)
    if refused.retry_after is not None:
        headers.append(("retry-after", str(refused.retry_after)))
    return Answer(orjson.dumps(document), refused.status, headers=headers)


async def read_body(call: Call, limit: int, seconds: float) -> bytes:
    """The whole body; one that is too large or too slow is refused.

    What exceeds the limit is read on and thrown away, up to `DISCARDED_BYTES`: a client
    that is cut off while it writes sees a broken connection, not the 413, and retries.
    A client that waits for `100 Continue` has written nothing yet and is told at once.
    """
    declared = _declared_length(call.scope)
    if declared is not None and declared > limit and call.header("expect"):
        raise wire.too_large(limit)
    try:
        async with asyncio.timeout(seconds):
            if declared is not None and declared <= limit:
                body = await call.protocol()
            else:
                body = await _read_bounded(call.protocol, limit)
    except TimeoutError:
        raise Refused(408, "body_timeout", "The body took too long.") from None
    if declared is not None and len(body) != declared:
        raise Refused(400, "incomplete_body", "The body ended early.")
    return body


async def _read_bounded(protocol: HTTPProtocol, limit: int) -> bytes:
    """A body that may be of any length; raises `Refused` when it is too large."""
    chunks = []
    size = 0
    async for chunk in protocol:
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        elif size > DISCARDED_BYTES:
            break
    if size > limit:
        raise wire.too_large(limit)
    return b"".join(chunks)


def _declared_length(scope: Scope) -> int | None:
    declared = scope.headers.get("content-length")
    return int(declared) if declared is not None and declared.isdecimal() else None


def require_method(method: str, allowed: str) -> None:
    """Refuse any other method; HEAD is as good as GET."""
    if method == allowed or (method == "HEAD" and allowed == "GET"):
        return
    names = "GET, HEAD, OPTIONS" if allowed == "GET" else "POST, OPTIONS"
    raise Refused(
        405, "method_not_allowed", f"Use {allowed} here.", headers=[("allow", names)]
    )


def require_host(scope: Scope) -> None:
    """Refuse HTTP/1.1 without a Host header, which the server lets through."""
    if scope.http_version == "1.1" and "host" not in scope.headers:
        raise Refused(400, "bad_host", "Send a Host header.")


def require_readable(content_type: str | None) -> None:
    """Refuse a body that says it is no JSON in UTF-8.

    Nothing else is read from the content type: browsers send JSON as text/plain to
    avoid a preflight, and one server SDK gzips it as a form.
    """
    if content_type is None:
        return
    lowered = content_type.lower()
    if _REFUSED_TYPES.match(lowered) or _REFUSED_CHARSETS.search(lowered):
        raise Refused(
            415, "unsupported_media_type", "Send JSON in UTF-8 (application/json)."
        )


def client_address(call: Call, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address the request comes from, seen past the proxies that are trusted.

    Anybody can write anything into X-Forwarded-For, so only what a trusted proxy added
    counts: the right-most hop that is not itself one.
    """
    peer: str = call.scope.client.rpartition(":")[0].strip("[]")
    if not _is_within(peer, proxies):
        return peer
    for hop in reversed((call.header("x-forwarded-for") or "").split(",")):
        address = hop.strip()
        if not _is_address(address):
            return peer
        if not _is_within(address, proxies):
            return address
    return peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return _is_address(text) and any(
        ip_address(text) in network for network in networks
    )
