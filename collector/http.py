"""What the HTTP server leaves to the app: body limits, methods, error answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export

from collector import wire
from collector.errors import Refused

DISCARDED_BYTES = 8_000_000


async def read_body(
    scope: Scope, protocol: HTTPProtocol, limit: int, seconds: float
) -> bytes:
    """The whole body; one that is too large or too slow is refused.

    What exceeds the limit is read on and thrown away, up to `DISCARDED_BYTES`: a client
    that is cut off while it writes sees a broken connection, not the 413, and retries.
    """
    declared = _declared_length(scope)
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in protocol:
                size += len(chunk)
                if size <= limit:
                    body += chunk
                elif size > DISCARDED_BYTES:
                    break
    except TimeoutError:
        raise Refused(408, "body_timeout", "The body took too long.") from None
    if size > limit:
        raise wire.too_large(limit)
    if declared is not None and size != declared:
        raise Refused(400, "incomplete_body", "The body ended early.")
    return bytes(body)


def _declared_length(scope: Scope) -> int | None:
    declared = scope.headers.get("content-length")
    return int(declared) if declared is not None and declared.isdecimal() else None


def require_method(scope: Scope, method: str) -> None:
    """Refuse any other method; HEAD is as good as GET."""
    if scope.method != method and not (method == "GET" and scope.method == "HEAD"):
        raise Refused(405, "method_not_allowed", f"Use {method} here.")


def error_body(refused: Refused, request_id: str) -> bytes:
    """The body of a refusal, in the form that real clients can read."""
    error: Mapping[str, Any] = {
        "success": False,
        "code": refused.code,
        "message": refused.message,
        "request_id": request_id,
    }
    return orjson.dumps(error)
