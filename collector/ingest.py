"""From a decoded request to rows of the log: each event stored or quarantined."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from collector.device import with_policy
from collector.errors import Refused, Unacceptable
from collector.strict_json import MAX_DEPTH, examine
from collector.validate import Event, Reception, validate
from collector.wire import Request

PREVIEW_BYTES = 2_048
REFUSED_ALONE = frozenset({"no_user_anon_id", "too_deep", "invalid_json"})
"""An event sent alone is refused for these; in a batch it goes to quarantine."""


class Quarantined(msgspec.Struct, kw_only=True):
    """A row of `raw/quarantine`, as it stands in the log."""

    dataset: str
    received_at: int
    source_id: str
    request_id: str
    code: str
    detail: str
    path: str
    payload: str
    payload_sha256: str
    replayable: bool


def make_rows(
    request: Request, reception: Reception, *, max_events: int
) -> list[Event | Quarantined]:
    """One row per event sent: itself, or why it is quarantined."""
    rows: list[Event | Quarantined] = []
    for position, raw in enumerate(request.events):
        examined = None
        raw = with_policy(raw, reception.ip_policy)
        if request.is_odd:
            examined = examine(raw, alone=not request.is_batch)
            raw = examined.value
        try:
            if examined and examined.fault:
                raise examined.fault
            if position >= max_events:
                raise Unacceptable(
                    "too_many_events",
                    f"a batch may hold {max_events} events",
                    replayable=True,
                )
            event = validate(raw, reception)
            if examined:
                event.flags.extend(examined.flags)
            rows.append(event)
        except Unacceptable as reason:
            if not request.is_batch and reason.code in REFUSED_ALONE:
                raise Refused(400, reason.code, reason.detail) from None
            rows.append(quarantined(raw, reason, reception))
    return rows


def quarantined(raw: Any, reason: Unacceptable, reception: Reception) -> Quarantined:
    payload = _payload(with_policy(raw, reception.ip_policy))
    whole = len(payload) <= reception.max_event_bytes
    shown = payload if whole else payload[:PREVIEW_BYTES]
    return Quarantined(
        dataset="quarantine",
        received_at=reception.received_micros,
        source_id=reception.source_id,
        request_id=reception.request_id,
        code=reason.code,
        detail=reason.detail,
        path=reason.path,
        payload=shown.decode(errors="ignore"),
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        replayable=reason.replayable and whole,
    )


def _payload(raw: Any) -> bytes:
    """The event as JSON, whatever it holds: a function of the project may return it."""
    pruned = _pruned(raw, MAX_DEPTH)
    try:
        return orjson.dumps(pruned, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        # Text with half a character in it, which no encoding knows.
        return orjson.dumps(repr(pruned).encode(errors="replace").decode())


def _pruned(value: Any, levels: int) -> Any:
    """The value with what is nested too deep to serialise replaced by a mark."""
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return "(nested too deep)"
    if isinstance(value, dict):
        return {key: _pruned(child, levels - 1) for key, child in value.items()}
    return [_pruned(child, levels - 1) for child in value]
