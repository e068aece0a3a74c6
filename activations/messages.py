"""Messages: one record sent through an action, outside of any sync.

Nothing is planned and no log is written: who sends it keeps what became of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from activations.answers import may_pass, read_answer
from activations.connectors import Batch, Outcome, Row, load_connector
from activations.destinations import Account
from activations.errors import (
    ConfigError,
    DestinationUnavailable,
    RecordRejected,
)
from activations.rates import PRIORITIES
from activations.rendering import make_entry, make_request
from activations.retries import Retry
from activations.session import Session
from activations.steps import prepare
from activations.sync import Sync
from activations.templates import TemplateError


def send_message(
    account: Account,
    action: str,
    record: Mapping[str, Any],
    *,
    sender: str,
    message_id: str,
    options: Mapping[str, Any] | None = None,
    retry: Retry | None = None,
    log_dir: Path | None = None,
) -> None:
    """Send the record, and return when the destination has taken it.

    Otherwise raises the `ActivationError` that says why it has not. `message_id` makes
    the idempotency key: sent again with the same, it is the same message. With
    `log_dir` the account's rate is shared with its syncs, before which it goes.
    """
    if account.unresolved:
        raise ConfigError(account.unresolved)
    key = account.manifest.actions[action].key or "message_id"
    sync = Sync(
        name=sender,
        model=sender,
        schema="",
        table="",
        account=account,
        action_name=action,
        mode="insert",
        key=key,
        options=options or {},
        priority="high",
    )
    digest = hashlib.sha256(f"{sender}\n{message_id}".encode()).hexdigest()
    row = Row(
        operation="insert",
        key=str(record.get(key, message_id)),
        fingerprint=digest,
        record=record,
        idempotency_key=digest,
    )
    if sync.action.connector is None:
        outcomes = asyncio.run(_by_http(sync, row, retry, log_dir))
    else:
        outcomes = _by_connector(sync, row, sync.action.connector)
    for outcome in outcomes:
        if outcome.outcome == "rejected":
            raise RecordRejected(outcome.message or str(outcome.code))
        if outcome.outcome == "succeeded":
            return
    told = outcomes[-1].message if outcomes else None
    raise DestinationUnavailable(told or "The answer does not say what became of it.")


async def _by_http(
    sync: Sync, row: Row, retry: Retry | None, log_dir: Path | None
) -> tuple[Outcome, ...]:
    async with Session(
        sync.account,
        auth=sync.action.auth,
        retry=retry,
        log_dir=log_dir,
        priority=PRIORITIES.index(sync.priority),
    ) as session:
        prepared = await prepare(sync, session)
        operation = sync.action.operation("insert")
        entry = make_entry(sync, operation, row, prepared)
        try:
            request = make_request(sync, operation, [entry], prepared)
        except TemplateError as error:
            raise RecordRejected(str(error)) from error
        answer = await session.send(
            request,
            idempotency_key=row.idempotency_key,
            again=may_pass(sync.account, operation.responses, sync.options),
        )
    verdict = read_answer(sync, operation, [entry], answer)
    if verdict.refusal is not None:
        raise RecordRejected(sync.account.redact(verdict.refusal.message))
    return verdict.outcomes


def _by_connector(sync: Sync, row: Row, name: str) -> tuple[Outcome, ...]:
    columns = tuple(row.record or ())
    batch = Batch(
        sync=sync.name,
        key=sync.key,
        columns=columns,
        rows=(row,),
        action=sync.action_name,
        mode=sync.mode,
        types=dict.fromkeys(columns, "VARCHAR"),
        options=sync.options,
        private_network=sync.account.private_network,
    )
    try:
        return tuple(load_connector(name)(batch, sync.account.settings))
    except OSError as error:
        message = sync.account.redact(str(error))
        raise DestinationUnavailable(message) from error
