"""How large an event may be, and how deeply it may nest.

The size is read off the line that the event becomes: every field of unbounded length
is in it. So a short line needs no second look, if its request was found to nest no
deeper than usual, and only what may be over a bound is measured exactly.
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
