"""Rendering: from planned rows to the request that carries them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from activations.client import Call
from activations.connectors import Row
from activations.errors import RecordRejected
from activations.manifest import Operation
from activations.syncs import Sync
from activations.templates import TemplateError


@dataclass(frozen=True)
class Entry:
    """A planned row, rendered as the destination wants it, and its size in bytes."""

    row: Row
    data: Any
    size: int


def make_entry(sync: Sync, operation: Operation, row: Row) -> Entry:
    """Render the row; `RecordRejected` where the destination could never take it."""
    try:
        data = operation.render_entry(_row_context(sync, row))
        size = len(_body(data))
    except (TemplateError, TypeError, ValueError) as error:
        raise RecordRejected(f"The record cannot be rendered: {error}") from error
    if size > operation.batch_bytes:
        raise RecordRejected(
            f"The record has {size:,} bytes; a request takes {operation.batch_bytes:,}."
        )
    return Entry(row=row, data=data, size=size)


def make_call(sync: Sync, operation: Operation, entries: Sequence[Entry]) -> Call:
    """The request that carries these entries."""
    requester = sync.account.manifest.requester
    assert requester is not None, "operations have one"  # noqa: S101 - tells mypy
    settings = dict(sync.account.settings)
    context = _context(sync) | {"entries": [entry.data for entry in entries]}
    if operation.batch_size == 1:
        context |= _row_context(sync, entries[0].row) | {"entry": entries[0].data}
    method, path, content = operation.render_request(context)
    body = b"" if content is None else _body(content)
    headers = requester.shared_headers(settings)
    if content is not None:
        headers["Content-Type"] = "application/json"
    if requester.idempotency_header is not None:
        headers[requester.idempotency_header] = _idempotency_key(entries)
    signature = requester.signature
    if signature is not None and (key := signature.key(settings)) is not None:
        digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        headers[signature.header] = signature.prefix + digest
    url = requester.url(settings) + path
    return Call(method=method, url=url, headers=headers, body=body)


def _context(sync: Sync) -> dict[str, Any]:
    return {"settings": sync.account.settings, "sync": sync.name}


def _row_context(sync: Sync, row: Row) -> dict[str, Any]:
    return _context(sync) | {
        "operation": row.operation,
        "key": row.key,
        "record": row.record,
        "ref": row.ref,
        "idempotency_key": row.idempotency_key,
    }


def _idempotency_key(entries: Sequence[Entry]) -> str:
    """Of one row its own; of a batch one that any other set of rows would not have."""
    keys = [entry.row.idempotency_key for entry in entries]
    if len(keys) == 1:
        return keys[0]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _body(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()
