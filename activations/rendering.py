"""Rendering: from planned rows to what a request carries of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from activations.actions import Action, Operation
from activations.calls import Rendered
from activations.connectors import Row
from activations.errors import RecordRejected
from activations.json_values import json_bytes
from activations.side_requests import Find
from activations.syncs import Sync
from activations.templates import TemplateError

Prepared = Mapping[str, Any]
"""What the steps before the first record have given, by their names."""


class Entry(NamedTuple):
    """A planned row, rendered as the destination wants it."""

    row: Row
    data: Any


@dataclass(frozen=True)
class Searched:
    """A planned row whose identifier is asked for."""

    row: Row
    context: Mapping[str, Any]
    entry: Any


def make_entry(sync: Sync, operation: Operation, row: Row, prepared: Prepared) -> Entry:
    """Render the row; `RecordRejected` where the destination could never take it."""
    return entry_maker(sync, operation, prepared)(row)


def entry_maker(
    sync: Sync, operation: Operation, prepared: Prepared
) -> Callable[[Row], Entry]:
    """What renders the rows of one batch: what they share is looked up once."""
    render, action = operation.entry_renderer, sync.action
    context = shared_context(sync, prepared)

    def make(row: Row) -> Entry:
        try:
            _add_row(context, sync, action, row)
            return Entry(row, render(context))
        except (TemplateError, TypeError, ValueError) as error:
            raise _not_renderable(error) from error

    return make


def entry_size(entry: Entry, operation: Operation) -> int:
    """The bytes of the entry; `RecordRejected` where no request has room for it."""
    try:
        size = len(json_bytes(entry.data))
    except (TypeError, ValueError) as error:
        raise _not_renderable(error) from error
    if size > operation.batch_bytes:
        raise RecordRejected(
            f"The record has {size:,} bytes; a request takes {operation.batch_bytes:,}."
        )
    return size


def _not_renderable(error: Exception) -> RecordRejected:
    return RecordRejected(f"The record cannot be rendered: {error}")


def make_request(
    sync: Sync, operation: Operation, entries: Sequence[Entry], prepared: Prepared
) -> Rendered:
    """The request that carries these entries; `TemplateError` where none can."""
    context = shared_context(sync, prepared) | {"entries": [e.data for e in entries]}
    first = entries[0]
    if operation.batch_size == 1:
        context |= row_context(sync, first.row, prepared) | {"entry": first.data}
    try:
        return operation.template(first.row.ref).render(context)
    except (TypeError, ValueError) as error:
        raise TemplateError(str(error)) from error


def make_search(find: Find, searched: Sequence[Searched]) -> Rendered:
    """The request that asks for the tool's identifiers of these rows."""
    entries = [each.entry for each in searched]
    first = {"entries": entries, "entry": entries[0]}
    return find.template.render(dict(searched[0].context) | first)


def make_searched(sync: Sync, find: Find, row: Row, prepared: Prepared) -> Searched:
    """The row as a search names it; `RecordRejected` where it cannot be named."""
    context = row_context(sync, row, prepared)
    try:
        return Searched(row=row, context=context, entry=find.render_entry(context))
    except TemplateError as error:
        raise RecordRejected(f"The record cannot be looked up: {error}") from error


def shared_context(sync: Sync, prepared: Prepared) -> dict[str, Any]:
    """What every template of a sync can name."""
    return {
        "settings": sync.account.settings,
        "sync": sync.name,
        "options": sync.options,
        "prepared": prepared,
    }


def row_context(sync: Sync, row: Row, prepared: Prepared) -> dict[str, Any]:
    """What a template about one row can name."""
    context = shared_context(sync, prepared)
    _add_row(context, sync, sync.action, row)
    return context


def _add_row(context: dict[str, Any], sync: Sync, action: Action, row: Row) -> None:
    """Add what a template about one row can name; what was of another row goes."""
    operation, key, _, record, ref, idempotency_key, _ = row
    if action.fields:
        context["record"], context["other"] = _cleaned(sync, action, row)
    else:
        context["record"], context["other"] = record, record or {}
    context["operation"] = operation
    context["key"] = key
    context["ref"] = ref
    context["idempotency_key"] = idempotency_key


def with_ref(row: Row, ref: str | None) -> Row:
    """The row, with the identifier that the tool has for it; None where unknown."""
    return row._replace(ref=ref)


def idempotency_key(entries: Sequence[Entry]) -> str:
    """Of one row its own; of a batch one that any other set of rows would not have."""
    keys = [entry.row.idempotency_key for entry in entries]
    if len(keys) == 1:
        return keys[0]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def _cleaned(
    sync: Sync, action: Action, row: Row
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The record as an action with fields takes it, and the columns that are none.

    Of a row that leaves only the key is known; that is enough to name it as it was
    named when it came.
    """
    columns = {sync.key: row.key} if row.record is None else row.record
    record = {
        name: _field(sync, action, name, columns, is_whole=row.record is not None)
        for name in action.fields
    }
    needed = action.needs_one_of
    if needed and all(record[name] is None for name in needed):
        raise RecordRejected(
            f"None of {', '.join(needed)} is left after cleaning; one is needed."
        )
    other = {n: value for n, value in columns.items() if n not in action.fields}
    return record, other


def _field(
    sync: Sync, action: Action, name: str, columns: Mapping[str, Any], *, is_whole: bool
) -> Any:
    field, value = action.fields[name], columns.get(name)
    if value is not None:
        # A field that the model does not have is as empty as one that is null.
        row = dict.fromkeys(action.fields) | dict(columns)
        context = {"value": value, "row": row, "options": sync.options}
        try:
            value = field.render(context | {"settings": sync.account.settings})
        except TemplateError as error:
            raise RecordRejected(f"'{name}': {error}") from error
    if value is None and field.required and (is_whole or name == sync.key):
        raise RecordRejected(f"'{name}' is missing, or nothing is left after cleaning.")
    return value
