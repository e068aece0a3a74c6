"""The wire protocol of Segment-compatible clients: a request becomes raw events.

What real clients send is wider than the documentation: the content type says nothing
(browsers send JSON as text/plain, some SDKs gzip it as a form), the write key is in the
Authorization header, in the body, or in both, and a batch may carry `context` and
`integrations` that belong to each of its events.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from collector import strict_json
from collector.errors import Refused

BATCH = "batch"
IMPORT = "import"
"""A batch of history; it may be larger."""
MERGE = "merge"
"""RudderStack's merge of two identifiers of any kind. Kith has no such event: its
identity graph learns the same from an identify with both, so a merge is quarantined."""

_INHERITED = ("context", "integrations")


class Request(msgspec.Struct, frozen=True):
    """What a client sent, decoded: the raw events and what they have in common."""

    events: list[Any]
    route: str
    sent_at: Any
    write_key: str | None
    is_odd: bool = False
    """Whether the events must be looked through; see `strict_json`."""
    is_shallow: bool = False
    """Whether none of the events can nest too deep."""

    @property
    def is_batch(self) -> bool:
        """Whether the events came as a batch, so that one may fail alone."""
        return self.route in (BATCH, IMPORT)

    @property
    def event_type(self) -> str | None:
        """The type that the path gives to an event that names none."""
        return None if self.is_batch or self.route == MERGE else self.route


def inflate(body: bytes, encoding: str, *, limit: int) -> bytes:
    """Undo the request's content encoding; never yields more than `limit` bytes."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Refused(
            415,
            "unsupported_encoding",
            "The body's Content-Encoding must be gzip or identity.",
            headers=[("accept-encoding", "gzip")],
        )
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise Refused(400, "invalid_encoding", "The body is not valid gzip.") from None
    if len(plain) > limit:
        raise too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise Refused(400, "invalid_encoding", "The body is not exactly one gzip file.")
    return plain


def too_large(limit: int) -> Refused:
    """The refusal of a body that is larger than `limit` bytes."""
    return Refused(
        413, "payload_too_large", f"The body may have at most {limit} bytes here."
    )


def parse(body: bytes, route: str) -> Request:
    """Decode a request body; raises `Refused` when it is no event or batch at all."""
    document, is_odd, is_shallow = _load_object(body)
    sent_at = document.get("sentAt")
    write_key = document.pop("writeKey", None)
    key = write_key if isinstance(write_key, str) else None
    if is_odd:
        sent_at = strict_json.examine(sent_at, alone=False).value
        key = strict_json.examine(key, alone=False).value
    if route not in (BATCH, IMPORT):
        return Request([document], route, sent_at, key, is_odd, is_shallow)
    events = document.get("batch")
    if not isinstance(events, list):
        raise Refused(
            400, "batch_not_list", "The body needs a field `batch` that is a list."
        )
    if not events:
        raise Refused(400, "empty_batch", "The batch holds no events.")
    inherited = {name: document[name] for name in _INHERITED if document.get(name)}
    if inherited:
        events = [_inherit(event, inherited) for event in events]
    return Request(events, route, sent_at, key, is_odd, is_shallow)


def with_headers(
    request: Request, *, sent_at: str | None, anonymous_id: str | None
) -> Request:
    """The request with what RudderStack's browser SDK says in headers.

    `SentAt` is text, `AnonymousId` base64; each only fills what the body leaves out.
    """
    if request.sent_at is None and sent_at is not None:
        request = replace(request, sent_at=sent_at)
    decoded = _decoded(anonymous_id)
    if not decoded:
        return request
    events = [
        {**event, "anonymousId": decoded}
        if isinstance(event, dict) and event.get("anonymousId") in (None, "")
        else event
        for event in request.events
    ]
    return replace(request, events=events)


def _decoded(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def load(body: bytes) -> Any:
    """The JSON document of a body; raises `Refused` when it is none."""
    document, is_odd, _ = _load(body)
    if not is_odd:
        return document
    examined = strict_json.examine(document, alone=True)
    if examined.fault:
        raise Refused(400, examined.fault.code, examined.fault.detail)
    return examined.value


def _load(body: bytes) -> strict_json.Loaded:
    if not body:
        raise Refused(400, "empty_body", "The request has no body.")
    return strict_json.load(body)


def _load_object(body: bytes) -> strict_json.Loaded:
    loaded = _load(body)
    if not isinstance(loaded.document, dict):
        raise Refused(400, "not_an_object", "The body must be one JSON object.")
    return loaded


def _inherit(event: Any, inherited: Mapping[str, Any]) -> Any:
    """The event with what its batch says of all: its own fields win."""
    if not isinstance(event, dict):
        return event
    merged = dict(event)
    for name, common in inherited.items():
        own = event.get(name)
        if own is None:
            merged[name] = common
        elif isinstance(own, dict) and isinstance(common, dict):
            merged[name] = {**common, **own}
    return merged
