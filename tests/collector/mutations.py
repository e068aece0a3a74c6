"""What real clients send, and what may become of it on the way: for Hypothesis."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

from hypothesis import strategies as st

_LIBRARY = {"name": "analytics-python", "version": "2.4.0"}
_SENT = "2026-11-22T03:52:19.944176+00:00"

EVENTS: list[dict[str, Any]] = [
    {  # segment-analytics-python
        "integrations": {},
        "anonymousId": None,
        "timestamp": "2026-11-22T03:52:19.443+00:00",
        "context": {"library": _LIBRARY},
        "type": "track",
        "userId": "u",
        "event": "E",
        "properties": {"total": 1.5, "products": [{"id": 1}]},
        "messageId": "m",
    },
    {  # @segment/analytics-next
        "timestamp": "2026-11-22T03:52:13.904Z",
        "integrations": {"Segment.io": True},
        "type": "page",
        "name": "Home",
        "properties": {"path": "/", "url": "https://shop.example/", "title": "é 🙂"},
        "context": {
            "page": {"path": "/", "referrer": "", "search": ""},
            "userAgent": "Mozilla/5.0",
            "locale": "en-US",
            "consent": {"categoryPreferences": {"C0001": True}},
            "campaign": {},
        },
        "anonymousId": "a",
        "messageId": "m",
        "sentAt": "2026-11-22T03:52:13.911Z",
        "_metadata": {"bundled": ["Segment.io"], "unbundled": []},
    },
    {  # @rudderstack/rudder-sdk-node
        "userId": 7,
        "type": "identify",
        "context": {"traits": {"email": "a@b.example"}, "ip": "192.0.2.1"},
        "channel": "server",
        "originalTimestamp": "2026-11-22T03:52:13.904Z",
        "messageId": "m",
        "sentAt": "2026-11-22T03:52:13.904Z",
    },
    {"type": "group", "userId": "u", "groupId": "g", "traits": {"plan": "x"}},
    {"type": "alias", "userId": "u", "previousId": "a", "messageId": "m"},
    {"type": "screen", "anonymousId": "a", "name": "Home", "category": "c"},
]


def envelope(events: list[Any]) -> dict[str, Any]:
    """A batch as server SDKs send it."""
    context = {"library": _LIBRARY}
    return {"batch": events, "sentAt": _SENT, "context": context, "integrations": {}}


def encode(document: Any) -> bytes:
    """JSON as Python clients write it: NaN and halves of emojis included."""
    return json.dumps(document, separators=(",", ":")).encode()


def _nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


_ODD = [
    *(None, True, False, 0, -1, 7.0, 2**53 + 1, 2**63, -(2**63) - 1, 10**400),
    *(1e308, 5e-324, math.nan, math.inf, -math.inf),
    *("", " ", "\0", "\ud83d", "\udc00\ud83d", "\u202e", "null", "0", "x" * 300),
    *("x" * 40_000, "2026-11-22T03:52:13Z", "0001-01-01T00:00:00Z", "track", "merge"),
    *([], {}, [[]], {"": 1}, {"\0": 1}, {"\udc00": 1}, {"a" * 400: 1}),
    *(_nested(62), _nested(70), _nested(200), [0] * 2_000),
    {str(number): 0 for number in range(10_001)},
]
_VALUES = st.sampled_from(_ODD).map(copy.deepcopy) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = sorted({field for event in EVENTS for field in event} | {"batch", "writeKe"})


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """The document with some of its values replaced, removed, added or doubled."""
    changed = {"": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 4))):
        container = draw(st.sampled_from(_containers(changed)))
        keys: list[Any] = (
            list(container)
            if isinstance(container, dict)
            else list(range(len(container)))
        )
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "add" or not keys:
            if isinstance(container, dict):
                name = draw(st.sampled_from(_FIELDS) | st.text())
                container[name] = draw(_VALUES)
            else:
                container.append(draw(_VALUES))
        elif change == "replace":
            container[draw(st.sampled_from(keys))] = draw(_VALUES)
        elif container is not changed:
            del container[draw(st.sampled_from(keys))]
    return changed[""]


def _containers(value: Any, levels: int = 6) -> list[Any]:
    """The value's containers, itself first; those of huge values are left alone."""
    if not isinstance(value, (dict, list)) or levels == 0 or len(value) > 50:
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value] + [deep for item in inner for deep in _containers(item, levels - 1)]


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """The body with some bytes overwritten, cut out, repeated or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 40)))
        piece = draw(
            st.binary(max_size=4)
            | st.sampled_from([b'"', b"\\", b"\\u0000", b"\\ud83d", b"{", b"[", b"NaN"])
            | st.just(2 * body[start:end])
        )
        body = body[:start] + piece + body[end:]
    return body
