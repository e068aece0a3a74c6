"""Validation: a raw event becomes an `Event` to store, or is `Unacceptable`.

The collector checks only what must hold for an event to be stored and found again:
identity, type, size, shape. What an event *means* is checked in the warehouse against
the tracking plan. A wrong timestamp never costs an event: it is replaced and flagged.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from collector.errors import Unacceptable
from collector.strict_json import MAX_DEPTH

TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias"})
MAX_PROPERTIES = 10_000
MAX_ID_LENGTH = 255
MAX_NAME_LENGTH = 500
MAX_MESSAGE_ID_LENGTH = 100
MAX_SKEW = timedelta(days=30)
MAX_AHEAD = timedelta(minutes=5)

_COLUMNS = frozenset(
    {"type", "event", "name", "category", "messageId"}
    | {"userId", "anonymousId", "previousId", "groupId"}
    | {"timestamp", "originalTimestamp", "sentAt"}
    | {"properties", "traits", "context", "integrations"}
)
"""The top-level fields that have a column of their own; all others go into `extra`."""
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EXACT = 2**53  # above it a JSON number may already have lost digits
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC) + MAX_SKEW


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


def validate(raw: Any, reception: Reception) -> Event:
    """The event to store; raises `Unacceptable` that says what is wrong and where."""
    if not isinstance(raw, dict):
        raise Unacceptable("not_an_object", "an event must be a JSON object")
    _check_shape(raw, reception.max_event_bytes)
    event_type = _event_type(raw, reception.route_type)
    user_id = _identifier(raw, "userId", "bad_user_id")
    anonymous_id = _identifier(raw, "anonymousId", "bad_anonymous_id")
    previous_id = _identifier(raw, "previousId", "bad_previous_id")
    group_id = _identifier(raw, "groupId", "bad_group_id")
    _check_identity(event_type, user_id, anonymous_id, previous_id, group_id)
    sent_context = _object(raw, "context")
    context = sent_context or {}
    library = context.get("library")
    library = library if isinstance(library, dict) else {}
    times = _times(raw, reception)
    return Event(
        dataset="events",
        message_id=_message_id(raw),
        type=event_type,
        event=_event_name(raw, event_type),
        name=_text(raw.get("name")),
        category=_text(raw.get("category")),
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        group_id=group_id,
        timestamp=times.timestamp,
        original_timestamp=times.original,
        sent_at=times.sent,
        received_at=_micros(reception.received_at),
        source_id=reception.source_id,
        properties=_json(_object(raw, "properties")),
        traits=_json(_traits(raw, event_type, context)),
        context=_json(sent_context),
        integrations=_json(_object(raw, "integrations")),
        extra=_json(_extra(raw, times.kept)),
        ip=_text(context.get("ip")) or reception.client_ip,
        user_agent=_text(context.get("userAgent")) or reception.client_user_agent,
        library_name=_text(library.get("name")),
        library_version=_text(library.get("version")),
        flags=times.flags,
    )


def _check_shape(raw: dict[str, Any], max_bytes: int) -> None:
    """Bound the work that an event can cause anywhere after this point."""
    if _deeper_than(raw, MAX_DEPTH):
        raise Unacceptable("too_deep", f"nested deeper than {MAX_DEPTH} levels")
    size = len(orjson.dumps(raw))
    if size > max_bytes:
        raise Unacceptable(
            "event_too_large", f"{size} bytes; an event may have {max_bytes}"
        )
    for field in ("properties", "traits"):
        value = raw.get(field)
        if isinstance(value, dict) and len(value) > MAX_PROPERTIES:
            raise Unacceptable(
                "too_many_properties",
                f"{len(value)} keys; {MAX_PROPERTIES} are allowed",
                path=field,
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


def _event_type(raw: dict[str, Any], route_type: str | None) -> str:
    given = raw.get("type")
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


def _identifier(raw: dict[str, Any], field: str, code: str) -> str | None:
    """An id as text: numbers become their digits, blank and null count as absent."""
    value = raw.get(field)
    if value is None:
        return None
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


def _message_id(raw: dict[str, Any]) -> str:
    value = raw.get("messageId")
    if value is None or value == "":
        return str(uuid.uuid4())
    if not isinstance(value, str) or len(value) > MAX_MESSAGE_ID_LENGTH:
        raise Unacceptable(
            "bad_message_id",
            f"must be a string of at most {MAX_MESSAGE_ID_LENGTH} characters",
            path="messageId",
        )
    return value


def _event_name(raw: dict[str, Any], event_type: str) -> str | None:
    value = raw.get("event")
    if event_type != "track":
        return _text(value)
    if value is None or value == "":
        raise Unacceptable("missing_event_name", "track needs one", path="event")
    if not isinstance(value, str) or len(value) > MAX_NAME_LENGTH:
        raise Unacceptable(
            "bad_event_name",
            f"must be a string of at most {MAX_NAME_LENGTH} characters",
            path="event",
        )
    return value


def _object(raw: dict[str, Any], field: str) -> dict[str, Any] | None:
    value = raw.get(field)
    if value is None or isinstance(value, dict):
        return value
    raise Unacceptable(f"bad_{field}", "must be a JSON object", path=field)


def _traits(
    raw: dict[str, Any], event_type: str, context: Mapping[str, Any]
) -> dict[str, Any] | None:
    """RudderStack's clients put the traits of identify into the context."""
    traits = _object(raw, "traits")
    if traits is None and event_type == "identify":
        inner = context.get("traits")
        return inner if isinstance(inner, dict) else None
    return traits


def _extra(raw: dict[str, Any], kept_times: Mapping[str, Any]) -> dict[str, Any] | None:
    """Every top-level field that has no column, and times that could not be read."""
    extra = {field: value for field, value in raw.items() if field not in _COLUMNS}
    for field in ("name", "category", "event"):
        if raw.get(field) is not None and not isinstance(raw[field], str):
            extra[field] = raw[field]
    extra.update(kept_times)
    return extra or None


@dataclass(frozen=True)
class _Times:
    timestamp: int
    original: int | None
    sent: int | None
    flags: list[str]
    kept: dict[str, Any]


def _times(raw: dict[str, Any], reception: Reception) -> _Times:
    """Correct the client's clock: `received - (sent - original)`.

    This is Segment's formula. A correction of more than `MAX_SKEW` is not believed, and
    nothing happens later than `MAX_AHEAD` after it was received.
    """
    flags: list[str] = []
    kept: dict[str, Any] = {}
    received = reception.received_at
    given = raw.get("originalTimestamp")
    if given is None:
        given = raw.get("timestamp")
    elif raw.get("timestamp") is not None:
        kept["timestamp"] = raw["timestamp"]
    original = parse_time(given)
    if original is None and given is not None:
        flags.append("bad_timestamp")
        kept["originalTimestamp"] = given
    given_sent = raw.get("sentAt")
    given_sent = reception.sent_at if given_sent is None else given_sent
    sent = parse_time(given_sent)
    if sent is None and given_sent is not None:
        kept["sentAt"] = given_sent
    timestamp = received if original is None else original
    if original is not None and sent is not None:
        if abs(received - sent) <= MAX_SKEW and original > _EARLIEST:
            timestamp = original + (received - sent)
        else:
            flags.append("clock_skew")
    if timestamp > received + MAX_AHEAD:
        flags.append("future_timestamp")
        timestamp = received
    return _Times(
        timestamp=_micros(timestamp),
        original=None if original is None else _micros(original),
        sent=None if sent is None else _micros(sent),
        flags=flags,
        kept=kept,
    )


def parse_time(value: Any) -> datetime | None:
    """An RFC 3339 time in UTC, or None: stricter than Python, as SQL engines are."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _json(value: dict[str, Any] | None) -> str | None:
    """Canonical JSON text, so that every reader sees what was validated here."""
    return None if value is None else orjson.dumps(value).decode()
