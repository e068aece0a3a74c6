"""How large an event may be, and how deeply it may nest.

Both are read off the line that the event becomes: every field of unbounded length is in
it, and every container costs it an opening bracket. So a line that is short and has few
brackets needs no second look, and only an event near a bound is measured exactly. When
the whole request was found to nest no deeper than usual, brackets need not be counted.
"""

from __future__ import annotations

from typing import Any

import orjson

from collector.errors import Unacceptable
from collector.strict_json import MAX_DEPTH

_ENVELOPE_BYTES = 8_192
"""More than the fields that a line leaves out or shortens can take together."""


def longest_line(max_bytes: int) -> int:
    """How long a line may be whose event surely has no more than `max_bytes`."""
    return max_bytes - _ENVELOPE_BYTES


def is_near(line: bytes, max_bytes: int) -> bool:
    """Whether the event of this line may be over a bound."""
    if len(line) > longest_line(max_bytes):
        return True
    # Taking brackets out is three times as fast as counting them.
    flat = line.replace(b"{", b"").replace(b"[", b"")
    return len(line) - len(flat) >= MAX_DEPTH


def check(raw: Any, max_bytes: int) -> None:
    """Raise `Unacceptable` when the event as it was sent is over a bound."""
    if _deeper_than(raw, MAX_DEPTH):
        raise Unacceptable("too_deep", f"nested deeper than {MAX_DEPTH} levels")
    try:
        size = len(orjson.dumps(raw))
    except orjson.JSONEncodeError as error:
        raise Unacceptable("not_json", f"cannot be written: {error}") from None
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
