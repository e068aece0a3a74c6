"""What the HTTP server leaves to the app: body limits, methods, peers, answers."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from granian.rsgi import (  # type: ignore[attr-defined]  # re-export
    HTTPProtocol,
    ProtocolClosed,
    Scope,
)

from collector import wire
from collector.errors import Refused
from collector.overload import Charge

DISCARDED_BYTES = 32_000_000
READ_AT_ONCE = 131_072
"""A body declared to be this small is read by the server, and handed over whole."""
JSON_TYPE = "application/json"
_REFUSED_TYPES = re.compile(r"multipart/|(application|text)/([\w.-]+\+)?xml\b")
_REFUSED_CHARSETS = re.compile(r"charset\s*=\s*\"?utf-?(16|32)")


_Read = TypeVar("_Read")


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
    charge: Charge

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

    What is not wanted is read on and thrown away, up to `DISCARDED_BYTES`: a client
    that is cut off while it writes sees a broken connection, not the answer. A client
    that waits for `100 Continue` has written nothing yet and is told at once.
    """
    declared = _declared_length(call.scope)
    if declared is not None and declared > limit and call.header("expect"):
        raise wire.too_large(limit)
    if declared is not None and declared <= min(limit, READ_AT_ONCE):
        body = await _in_time(call.protocol(), seconds)
        size = len(body)
        # Not before: whoever only announces a body must not take room from others.
        call.charge.cover(size)
    else:
        body, size = await _in_time(_read_chunks(call, limit), seconds)
    if size > limit:
        raise wire.too_large(limit)
    if declared is not None and size != declared:
        raise _incomplete()
    return body


async def _read_chunks(call: Call, limit: int) -> tuple[bytes, int]:
    """The body as far as it is wanted, and its size; `Refused` once it is read."""
    body = bytearray()
    size = 0
    overload: Refused | None = None
    async for chunk in call.protocol:
        size += len(chunk)
        if size > DISCARDED_BYTES:
            break
        if size > limit or overload is not None:
            body.clear()
            continue
        try:
            call.charge.cover(size)
        except Refused as refused:
            overload = refused
            continue
        body += chunk
    if overload is not None and size <= limit:
        raise overload
    return bytes(body), size


async def discard_body(scope: Scope, protocol: HTTPProtocol, seconds: float) -> None:
    """Read a body that nobody wants, so that its client can read the answer."""
    declared = _declared_length(scope)
    with contextlib.suppress(Refused):
        if declared is not None and declared <= READ_AT_ONCE:
            await _in_time(protocol(), seconds)
        else:
            await _in_time(_skip(protocol), seconds)


async def _skip(protocol: HTTPProtocol) -> None:
    size = 0
    async for chunk in protocol:
        size += len(chunk)
        if size > DISCARDED_BYTES:
            return


async def _in_time(reading: Awaitable[_Read], seconds: float) -> _Read:
    try:
        async with asyncio.timeout(seconds):
            return await reading
    except TimeoutError:
        raise Refused(408, "body_timeout", "The body took too long.") from None
    except ProtocolClosed:
        raise _incomplete() from None


def _incomplete() -> Refused:
    return Refused(400, "incomplete_body", "The body ended early.")


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
