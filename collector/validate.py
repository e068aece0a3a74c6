"""Validation: a raw event becomes an `Event` to store, or is `Unacceptable`.

The collector checks only what must hold for an event to be stored and found again:
identity, type, shape. What an event *means* is checked in the warehouse against the
tracking plan. How large it may be is checked in `bounds.py`, on the line it becomes.

This runs for every event on the worker's only event loop, so the usual value takes the
short way: one look at its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from collector.device import (
    IpPolicy,
    find_address,
    is_consent_malformed,
    is_robot,
)
from collector.errors import Unacceptable
from collector.identifiers import check_identity, identifier, message_id
from collector.plan_check import PlanCheck
from collector.times import Sent, correct

TYPES = frozenset({"identify", "track", "page", "screen", "group", "alias"})
MAX_PROPERTIES = 10_000
MAX_NAME_LENGTH = 500

_COLUMNS = frozenset(
    {"type", "event", "name", "category", "messageId"}
    | {"userId", "anonymousId", "previousId", "groupId"}
    | {"timestamp", "originalTimestamp", "sentAt"}
    | {"properties", "traits", "context", "integrations"}
)
"""The top-level fields that have a column of their own; all others go into `extra`."""

Document = dict[str, Any]


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """A row of `raw/events`, as it stands in the log.

    Times are microseconds, UTC. Documents stand in the line as JSON, not as text of it;
    landing makes them the canonical text that the dataset holds.
    """

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
    properties: Document | None = None
    traits: Document | None = None
    context: Document | None = None
    integrations: Document | None = None
    extra: Document | None = None
    ip: str | None = None
    user_agent: str | None = None
    library_name: str | None = None
    library_version: str | None = None


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the request an event came in, beside the event itself.

    `received_at` is in microseconds, as it is stored.
    """

    source_id: str
    request_id: str
    received_at: int
    sent: Sent
    route_type: str | None
    max_event_bytes: int
    client_ip: str | None = None
    client_user_agent: str | None = None
    from_device: bool = False
    """Whether the person's own device sent it, rather than a server."""
    ip_policy: IpPolicy = "keep"
    plan: PlanCheck | None = None
    """What to flag the event by."""


def validate(raw: Any, reception: Reception) -> Event:
    """The event to store; raises `Unacceptable` that says what is wrong and where."""
    if type(raw) is not dict:
        raise Unacceptable("not_an_object", "an event must be a JSON object")
    get = raw.get
    event_type = get("type")
    if (
        type(event_type) is not str
        or event_type not in TYPES
        or reception.route_type is not None
    ):
        event_type = _event_type(event_type, reception.route_type)
    if (user_id := get("userId")) is not None:
        user_id = identifier(user_id, "userId", "bad_user_id")
    if (anonymous_id := get("anonymousId")) is not None:
        anonymous_id = identifier(anonymous_id, "anonymousId", "bad_anonymous_id")
    if (previous_id := get("previousId")) is not None:
        previous_id = identifier(previous_id, "previousId", "bad_previous_id")
    if (group_id := get("groupId")) is not None:
        group_id = identifier(group_id, "groupId", "bad_group_id")
    check_identity(event_type, user_id, anonymous_id, previous_id, group_id)
    event_id = message_id(get("messageId"))
    event_name = get("event")
    if type(event_name) is not str or not 0 < len(event_name) <= MAX_NAME_LENGTH:
        _check_no_name(event_name, event_type)
        event_name = None
    if (properties := get("properties")) is not None:
        properties = _object(properties, "properties")
    if (sent_context := get("context")) is not None:
        sent_context = _object(sent_context, "context")
    context = sent_context or _NOTHING
    if (integrations := get("integrations")) is not None:
        integrations = _integrations(integrations)
    if (traits := get("traits")) is not None:
        traits = _object(traits, "traits")
    elif event_type == "identify":
        # RudderStack's clients put the traits of identify into the context.
        inner = context.get("traits")
        traits = inner if isinstance(inner, dict) else None
    times = correct(raw, reception.received_at, reception.sent)
    flags = times.flags
    ip, is_bad = find_address(context, reception.client_ip, reception.ip_policy)
    if is_bad:
        flags.append("bad_ip")
    user_agent = _text(context.get("userAgent")) or reception.client_user_agent
    if reception.from_device and user_agent and is_robot(user_agent):
        flags.append("bot")
    if is_consent_malformed(context):
        flags.append("bad_consent")
    library = context.get("library")
    if type(library) is not dict:
        library = _NOTHING
    fits = _COLUMNS.issuperset(raw) and not times.kept
    if (name := get("name")) is not None and type(name) is not str:
        name, fits = None, False
    if (category := get("category")) is not None and type(category) is not str:
        category, fits = None, False
    if event_name is None and get("event") is not None:
        fits = False
    extra = None if fits else _extra(raw, times.kept)
    # By position and in the order of the fields: by name it takes six times as long.
    return Event(
        "events",
        event_id,
        event_type,
        times.timestamp,
        reception.received_at,
        reception.source_id,
        flags,
        event_name,
        name,
        category,
        user_id,
        anonymous_id,
        previous_id,
        group_id,
        times.original,
        times.sent,
        properties,
        traits,
        sent_context,
        integrations,
        extra,
        ip,
        user_agent,
        _text(library.get("name")),
        _text(library.get("version")),
    )


_NOTHING: Document = {}


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


def _check_no_name(value: Any, event_type: str) -> None:
    """Refuse what is no name where one is needed, and too long a one anywhere."""
    if event_type != "track" and (type(value) is not str or value == ""):
        return
    if value is None or value == "":
        raise Unacceptable("missing_event_name", "track needs one", path="event")
    raise Unacceptable(
        "bad_event_name",
        f"must be a string of at most {MAX_NAME_LENGTH} characters",
        path="event",
    )


def _object(value: Any, field: str) -> Document:
    if not isinstance(value, dict):
        raise Unacceptable(f"bad_{field}", "must be a JSON object", path=field)
    if len(value) > MAX_PROPERTIES:
        raise Unacceptable(
            "too_many_properties",
            f"{len(value)} keys; {MAX_PROPERTIES} are allowed",
            path=field,
        )
    return value


def _integrations(value: Any) -> Document:
    """Which destinations an event may reach: yes, no, or an object of options."""
    wishes = _object(value, "integrations")
    for name, wish in wishes.items():
        if wish is not None and not isinstance(wish, (bool, dict)):
            raise Unacceptable(
                "bad_integrations",
                "must be true, false or an object",
                path=f"integrations.{name}",
            )
    return wishes


def _extra(raw: Document, kept_times: Mapping[str, Any]) -> Document | None:
    """Every top-level field that has no column, and what its column cannot hold."""
    extra = {field: raw[field] for field in raw if field not in _COLUMNS}
    for field in ("name", "category", "event"):
        if raw.get(field) is not None and type(raw[field]) is not str:
            extra[field] = raw[field]
    extra.update(kept_times)
    return extra or None


def _text(value: Any) -> str | None:
    """The value if it is text; a `BigInteger` is a number, though it has digits."""
    return value if type(value) is str else None
