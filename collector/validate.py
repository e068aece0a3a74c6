"""Validation: a raw event becomes an `Event` to store, or is `Unacceptable`.

The collector checks only what must hold for an event to be stored and found again:
identity, type, size, shape. What an event *means* is checked in the warehouse against
the tracking plan.

This runs for every event on the process's only event loop, so each value is looked at
once: documents are serialised here, and their sizes and depths are taken from that.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec
import orjson

from collector.device import (
    IpPolicy,
    find_address,
    is_consent_malformed,
    is_robot,
)
from collector.errors import Unacceptable
from collector.strict_json import MAX_DEPTH
from collector.times import correct, micros

TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias"})
MAX_PROPERTIES = 10_000
MAX_ID_LENGTH = 255
MAX_NAME_LENGTH = 500
MAX_MESSAGE_ID_LENGTH = 100

_COLUMNS = frozenset(
    {"type", "event", "name", "category", "messageId"}
    | {"userId", "anonymousId", "previousId", "groupId"}
    | {"timestamp", "originalTimestamp", "sentAt"}
    | {"properties", "traits", "context", "integrations"}
)
"""The top-level fields that have a column of their own; all others go into `extra`."""
_EXACT = 2**53  # above it a JSON number may already have lost digits
_ENVELOPE_BYTES = 8_192
"""More than the fields of bounded length can take together."""


class Event(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A row of `raw/events`, as it stands in the log; times are microseconds, UTC."""

    dataset: str
    message_id: str
    type: str
    timestamp: int
    received_at: int
    source_id: str
    flags: list[str]
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    previous_id: str | None = None
    group_id: str | None = None
    original_timestamp: int | None = None
    sent_at: int | None = None
    properties: str | None = None
    traits: str | None = None
    context: str | None = None
    integrations: str | None = None
    extra: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    library_name: str | None = None
    library_version: str | None = None


@dataclass(frozen=True)
class Reception:
    """What is known of the request an event came in, beside the event itself."""

    source_id: str
    request_id: str
    received_at: datetime
    sent_at: Any
    route_type: str | None
    max_event_bytes: int
    client_ip: str | None = None
    client_user_agent: str | None = None
    from_device: bool = False
    """Whether the person's own device sent it, rather than a server."""
    ip_policy: IpPolicy = "keep"

    @cached_property
    def received_micros(self) -> int:
        """When it was received, as it is stored."""
        return micros(self.received_at)


def validate(raw: Any, reception: Reception) -> Event:
    """The event to store; raises `Unacceptable` that says what is wrong and where."""
    if not isinstance(raw, dict):
        raise Unacceptable("not_an_object", "an event must be a JSON object")
    get = raw.get
    event_type = _event_type(get("type"), reception.route_type)
    user_id = _identifier(get("userId"), "userId", "bad_user_id")
    anonymous_id = _identifier(get("anonymousId"), "anonymousId", "bad_anonymous_id")
    previous_id = _identifier(get("previousId"), "previousId", "bad_previous_id")
    group_id = _identifier(get("groupId"), "groupId", "bad_group_id")
    _check_identity(event_type, user_id, anonymous_id, previous_id, group_id)
    message_id = _message_id(get("messageId"))
    event_name = _event_name(get("event"), event_type)
    properties = _object(get("properties"), "properties")
    sent_context = _object(get("context"), "context")
    context = sent_context or {}
    integrations = _integrations(get("integrations"))
    traits = _object(get("traits"), "traits")
    if traits is None and event_type == "identify":
        # RudderStack's clients put the traits of identify into the context.
        inner = context.get("traits")
        traits = inner if isinstance(inner, dict) else None
    times = correct(raw, reception.received_micros, reception.sent_at)
    name, category = get("name"), get("category")
    documents = _documents(
        raw,
        (properties, traits, sent_context, integrations, _extra(raw, times.kept)),
        reception.max_event_bytes,
    )
    library = context.get("library")
    if not isinstance(library, dict):
        library = {}
    flags = times.flags
    ip, is_bad = find_address(context, reception.client_ip, reception.ip_policy)
    if is_bad:
        flags.append("bad_ip")
    user_agent = _text(context.get("userAgent")) or reception.client_user_agent
    if reception.from_device and user_agent and is_robot(user_agent):
        flags.append("bot")
    if is_consent_malformed(context):
        flags.append("bad_consent")
    return Event(
        dataset="events",
        message_id=message_id,
        type=event_type,
        event=event_name,
        name=_text(name),
        category=_text(category),
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        group_id=group_id,
        timestamp=times.timestamp,
        original_timestamp=times.original,
        sent_at=times.sent,
        received_at=reception.received_micros,
        source_id=reception.source_id,
        properties=documents[0],
        traits=documents[1],
        context=documents[2],
        integrations=documents[3],
        extra=documents[4],
        ip=ip,
        user_agent=user_agent,
        library_name=_text(library.get("name")),
        library_version=_text(library.get("version")),
        flags=flags,
    )


def _documents(
    raw: dict[str, Any], documents: tuple[dict[str, Any] | None, ...], max_bytes: int
) -> list[str | None]:
    """The documents as canonical JSON text, within the bounds of size and depth.

    Every container costs an opening bracket, so few brackets cannot nest deep; and all
    fields of unbounded length are in documents, or are names. Only an event near a
    bound is measured exactly.
    """
    size = brackets = 0
    texts: list[str | None] = []
    for document in documents:
        if document is None:
            texts.append(None)
            continue
        try:
            text = orjson.dumps(document)
        except orjson.JSONEncodeError as error:
            _check_depth(raw)
            raise Unacceptable("not_json", f"cannot be written: {error}") from None
        size += len(text)
        brackets += text.count(b"{") + text.count(b"[")
        texts.append(text.decode())
    if brackets >= MAX_DEPTH:
        _check_depth(raw)
    for field in ("name", "category"):
        value = raw.get(field)
        if isinstance(value, str):
            size += 6 * len(value)
    if size + _ENVELOPE_BYTES > max_bytes:
        _check_size(raw, max_bytes)
    return texts


def _check_depth(raw: dict[str, Any]) -> None:
    if _deeper_than(raw, MAX_DEPTH):
        raise Unacceptable("too_deep", f"nested deeper than {MAX_DEPTH} levels")


def _check_size(raw: dict[str, Any], max_bytes: int) -> None:
    size = len(orjson.dumps(raw))
    if size > max_bytes:
        raise Unacceptable(
            "event_too_large", f"{size} bytes; an event may have {max_bytes}"
        )


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether containers nest deeper than `levels`; level by level, so never deep."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            child
            for container in layer
            for child in (
                container.values() if isinstance(container, dict) else container
            )
            if isinstance(child, (dict, list))
        ]
        if not layer:
            return False
    return True


def _event_type(given: Any, route_type: str | None) -> str:
    if given is None and route_type is not None:
        return route_type
    if not isinstance(given, str) or given not in TYPES:
        raise Unacceptable(
            "bad_type", f"type must be one of {', '.join(sorted(TYPES))}", path="type"
        )
    if route_type is not None and given != route_type:
        raise Unacceptable(
            "bad_type", f"type is {given} but it was sent to {route_type}", path="type"
        )
    return given


def _identifier(value: Any, field: str, code: str) -> str | None:
    """An id as text: numbers become their digits, blank and null count as absent."""
    if value is None:
        return None
    if type(value) is str and len(value) <= MAX_ID_LENGTH:
        return value.strip() or None
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise Unacceptable(code, "must be a string or an integer", path=field)
    value = value.strip()
    if len(value) > MAX_ID_LENGTH:
        raise Unacceptable(
            code, f"{len(value)} characters; {MAX_ID_LENGTH} are allowed", path=field
        )
    return value or None


def _check_identity(
    event_type: str,
    user_id: str | None,
    anonymous_id: str | None,
    previous_id: str | None,
    group_id: str | None,
) -> None:
    if user_id is None and anonymous_id is None:
        raise Unacceptable("no_user_anon_id", "needs a userId or an anonymousId")
    if event_type == "alias" and previous_id is None:
        raise Unacceptable("missing_previous_id", "alias needs one", path="previousId")
    if event_type == "group" and group_id is None:
        raise Unacceptable("missing_group_id", "group needs one", path="groupId")


def _message_id(value: Any) -> str:
    if value is None:
        return str(uuid.uuid4())
    if type(value) is not str or len(value) > MAX_MESSAGE_ID_LENGTH:
        raise Unacceptable(
            "bad_message_id",
            f"must be a string of at most {MAX_MESSAGE_ID_LENGTH} characters",
            path="messageId",
        )
    return value if value.strip() else str(uuid.uuid4())


def _event_name(value: Any, event_type: str) -> str | None:
    if event_type != "track" and type(value) is not str:
        return None
    if value is None or value == "":
        if event_type != "track":
            return None
        raise Unacceptable("missing_event_name", "track needs one", path="event")
    if type(value) is not str or len(value) > MAX_NAME_LENGTH:
        raise Unacceptable(
            "bad_event_name",
            f"must be a string of at most {MAX_NAME_LENGTH} characters",
            path="event",
        )
    return value


def _object(value: Any, field: str) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Unacceptable(f"bad_{field}", "must be a JSON object", path=field)
    if len(value) > MAX_PROPERTIES:
        raise Unacceptable(
            "too_many_properties",
            f"{len(value)} keys; {MAX_PROPERTIES} are allowed",
            path=field,
        )
    return value


def _integrations(value: Any) -> dict[str, Any] | None:
    """Which destinations an event may reach: yes, no, or an object of options."""
    wishes = _object(value, "integrations")
    for name, wish in (wishes or {}).items():
        if wish is not None and not isinstance(wish, (bool, dict)):
            raise Unacceptable(
                "bad_integrations",
                "must be true, false or an object",
                path=f"integrations.{name}",
            )
    return wishes


def _extra(raw: dict[str, Any], kept_times: Mapping[str, Any]) -> dict[str, Any] | None:
    """Every top-level field that has no column, and times that could not be read."""
    extra = {}
    if not _COLUMNS.issuperset(raw):
        extra = {field: raw[field] for field in raw if field not in _COLUMNS}
    for field in ("name", "category", "event"):
        if raw.get(field) is not None and type(raw[field]) is not str:
            extra[field] = raw[field]
    extra.update(kept_times)
    return extra or None


def _text(value: Any) -> str | None:
    """The value if it is text; a `BigInteger` is a number, though it has digits."""
    return value if type(value) is str else None
