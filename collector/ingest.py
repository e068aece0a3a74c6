"""From a decoded request to rows of the log: each event stored or quarantined."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from collector import bounds
from collector.device import with_policy
from collector.errors import Refused, Unacceptable
from collector.strict_json import MAX_DEPTH, Examined, examine
from collector.validate import Event, Reception, validate
from collector.wire import Request

PREVIEW_BYTES = 2_048
REFUSED_ALONE = frozenset({"no_user_anon_id", "too_deep", "invalid_json"})
"""An event sent alone is refused for these; in a batch it goes to quarantine."""


def _digits(value: Any) -> str:
    """A `BigInteger` as the text it is; the encoder knows only what JSON knows."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"JSON has no word for {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_digits)


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


Row = Event | Quarantined


class Rows(NamedTuple):
    """What a request became: its rows, and the lines of the log that they are."""

    rows: list[Row]
    lines: bytes

    @property
    def fates(self) -> dict[str, int]:
        """How many rows there are by code of quarantine; stored ones have none."""
        aside = [row.code for row in self.rows if type(row) is Quarantined]
        stored = len(self.rows) - len(aside)
        fates = {"": stored} if stored else {}
        return {**fates, **Counter(aside)} if aside else fates


def make_rows(request: Request, reception: Reception, *, max_events: int) -> Rows:
    """One row per event sent: itself, or why it is quarantined."""
    events = request.events
    if reception.ip_policy != "keep":
        events = [with_policy(raw, reception.ip_policy) for raw in events]
    if request.is_odd:
        looks = [examine(raw, alone=not request.is_batch) for raw in events]
        events = [look.value for look in looks]
        taken = zip(events[:max_events], looks, strict=False)
        rows = [_examined_row(raw, look, request, reception) for raw, look in taken]
    else:
        rows = [_row(raw, request, reception) for raw in events[:max_events]]
    if len(events) > max_events:
        reason = Unacceptable(
            "too_many_events", f"a batch may hold {max_events} events", replayable=True
        )
        rows += [quarantined(raw, reason, reception) for raw in events[max_events:]]
    limit = reception.max_event_bytes
    try:
        lines, near = _written(rows, bounds.longest_line(limit))
        if not request.is_shallow:
            each = enumerate(lines.splitlines())
            near = [index for index, line in each if bounds.is_near(line, limit)]
    except (TypeError, ValueError, RecursionError):
        # Something in one of them is no JSON, or nests without end: look at them all.
        near = range(len(rows))
    if near:
        for index in near:
            rows[index] = _bounded(rows[index], events[index], request, reception)
        lines = encode(rows)
    return Rows(rows, lines)


def encode(rows: Sequence[Row]) -> bytes:
    """The rows as lines of the log."""
    return _encoder.encode_lines(rows)


def _written(rows: Sequence[Row], longest: int) -> tuple[bytes, Sequence[int]]:
    """The rows as lines of the log, and which of them are longer than `longest`."""
    lines = bytearray()
    longer = []
    start = 0
    for index, row in enumerate(rows):
        _encoder.encode_into(row, lines, -1)
        end = len(lines)
        if end - start > longest:
            longer.append(index)
        lines += b"\n"
        start = end + 1
    return bytes(lines), longer


def _row(raw: Any, request: Request, reception: Reception) -> Row:
    try:
        event = validate(raw, reception)
    except Unacceptable as reason:
        return _aside(raw, reason, request, reception)
    if reception.plan is not None:
        event.flags += reception.plan.flags(event)
    return event


def _examined_row(
    raw: Any, look: Examined, request: Request, reception: Reception
) -> Row:
    """The row of an event whose values were looked at one by one."""
    if look.fault:
        return _aside(raw, look.fault, request, reception)
    row = _row(raw, request, reception)
    if type(row) is Event:
        row.flags.extend(look.flags)
    return row


def _bounded(row: Row, raw: Any, request: Request, reception: Reception) -> Row:
    """The row, if the event it came from is within the bounds."""
    try:
        if type(row) is Event:
            bounds.check(raw, reception.max_event_bytes)
    except Unacceptable as reason:
        return _aside(raw, reason, request, reception)
    return row


def _aside(
    raw: Any, reason: Unacceptable, request: Request, reception: Reception
) -> Quarantined:
    if not request.is_batch and reason.code in REFUSED_ALONE:
        raise Refused(400, reason.code, reason.detail) from None
    return quarantined(raw, reason, reception)


def quarantined(raw: Any, reason: Unacceptable, reception: Reception) -> Quarantined:
    payload = _payload(with_policy(raw, reception.ip_policy))
    whole = len(payload) <= reception.max_event_bytes
    shown = payload if whole else payload[:PREVIEW_BYTES]
    return Quarantined(
        dataset="quarantine",
        received_at=reception.received_at,
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
