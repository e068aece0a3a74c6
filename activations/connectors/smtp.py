"""Sends a mail for each row.

A mail cannot be taken back or replaced, so each outcome is written down before the next
mail goes out: a killed run repeats at most the one that was under way, with the same
Message-ID.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from activations.attempts import SHORT, persist
from activations.connectors import Batch, Outcome, Row
from activations.errors import DestinationUnavailable, RecordRejected
from activations.mail.letters import Writer, writer
from activations.mail.messages import make_message
from activations.mail.session import MailSession
from activations.rates import Budget, account_budget
from activations.retries import Retry

NOTES_EACH = True
STRAIGHT_FAILURES = 20
"""So many mails that are put off one after the other stop the run."""


def deliver(
    batch: Batch, settings: Mapping[str, Any], *, retry: Retry = SHORT
) -> Iterator[Outcome]:
    """Send the rows' mails, one after the other."""
    write = writer(batch, settings)
    failures = 0
    with (
        MailSession(settings, private_network=batch.private_network) as session,
        closing(_budget(batch, settings)) as budget,
    ):
        for row in batch.rows:
            while wait := budget.take():
                time.sleep(wait.seconds)
            outcome = _send(row, write, session, settings, retry)
            yield outcome
            failures = failures + 1 if outcome.outcome == "failed" else 0
            if failures >= STRAIGHT_FAILURES:
                raise DestinationUnavailable(
                    f"{failures} mails in a row were put off, the last one with: "
                    f"{outcome.code} {outcome.message}"
                )


def check(
    settings: Mapping[str, Any], private_network: bool, *, retry: Retry = SHORT
) -> None:
    """Connect and log in."""
    with MailSession(settings, private_network=private_network) as session:
        persist(session.open, retry=retry)


def _budget(batch: Batch, settings: Mapping[str, Any]) -> Budget:
    """What the account may send in a second, whoever of its syncs does."""
    rate = [(max(1, settings["per_second"]), 1.0)]
    if batch.log_dir is None:
        return Budget(rate=rate)
    return account_budget(
        batch.log_dir, batch.account, rate=rate, priority=batch.priority
    )


def _send(
    row: Row,
    write: Writer,
    session: MailSession,
    settings: Mapping[str, Any],
    retry: Retry,
) -> Outcome:
    try:
        if row.record is None:
            raise RecordRejected("A mail that was sent cannot be taken back.")
        message = make_message(
            write(row), settings, idempotency_key=row.idempotency_key
        )
    except RecordRejected as error:
        return Outcome(row, "rejected", "not_sendable", str(error))
    began = time.monotonic()
    outcome, code, told = persist(lambda: session.send(message), retry=retry)
    return Outcome(
        row,
        outcome,
        code,
        told,
        ref=str(message["Message-ID"]) if outcome == "succeeded" else None,
        attempts=1,
        request_ms=(time.monotonic() - began) * 1000,
    )
