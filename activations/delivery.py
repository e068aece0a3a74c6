"""Delivery: sends what is planned and notes what became of every row.

A few requests are under way at once; each key stands in one of them, so its order is
kept. A batch that is refused as a whole is halved until the culprit is alone. What
stops the sync lets the requests under way end, and leaves the rest planned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from operator import attrgetter

from activations.actions import Operation
from activations.answers import Refusal, Verdict, may_pass, read_answer
from activations.calls import Rendered
from activations.client import Answer
from activations.connectors import Batch, Outcome, Row, load_connector, notes_each
from activations.errors import (
    ActivationError,
    DestinationUnavailable,
    LeaseLost,
    RecordRejected,
)
from activations.jobs import follow
from activations.plan import Plan
from activations.rates import PRIORITIES
from activations.rendering import (
    Entry,
    Prepared,
    entry_maker,
    entry_size,
    idempotency_key,
    make_request,
    with_ref,
)
from activations.retries import Retry
from activations.session import Session
from activations.side_requests import Find
from activations.steps import find, prepare
from activations.sync_log import SyncLog
from activations.syncs import Sync
from activations.templates import TemplateError

CONNECTOR_ROWS = 50_000
_GONE = frozenset({404, 410})
_COMMIT_ROWS = 1000
_TIDY_SECONDS = 0.5


def deliver(plan: Plan, log: SyncLog, *, retry: Retry | None = None) -> None:
    """Send every row of the plan; the outcomes are in `log`, durably, in any case.

    Raises what stopped the sync before its end.
    """
    try:
        if plan.sync.action.connector is not None:
            _deliver_by_connector(plan, log, plan.sync.action.connector)
        else:
            asyncio.run(_deliver_by_http(plan, log, retry))
    finally:
        log.flush()


def _deliver_by_connector(plan: Plan, log: SyncLog, name: str) -> None:
    connector, is_noted_at_once = load_connector(name), notes_each(name)
    rows = plan.rows()
    while chunk := tuple(islice(rows, CONNECTOR_ROWS)):
        batch = Batch(
            sync=plan.sync.name,
            key=plan.sync.key,
            columns=plan.columns,
            rows=chunk,
            action=plan.sync.action_name,
            mode=plan.sync.mode,
            types=plan.types,
            options=plan.sync.options,
            private_network=plan.sync.account.private_network,
            account=plan.sync.account.name,
            priority=PRIORITIES.index(plan.sync.priority),
            log_dir=log.log_dir,
        )
        untold = {row.key: row for row in chunk}
        # What is noted row by row cannot be undone, so nothing would come of a doubt.
        log.sending(() if is_noted_at_once else chunk)
        try:
            for outcome in connector(batch, plan.sync.account.settings):
                untold.pop(outcome.row.key, None)
                log.add(outcome)
                if is_noted_at_once:
                    log.commit()
                    log.tidy()
                elif len(untold) % _COMMIT_ROWS == 0:
                    log.commit()
        except ActivationError:
            log.not_sent(untold.values())
            raise
        except OSError as error:
            for row in untold.values():
                log.add(_failed(row, DestinationUnavailable(str(error))))
            raise DestinationUnavailable(str(error)) from error
        for row in untold.values():
            message = f"The connector '{name}' does not say what became of it."
            log.add(_failed(row, DestinationUnavailable(message, code="no_result")))
        log.commit()
        log.tidy()


async def _deliver_by_http(plan: Plan, log: SyncLog, retry: Retry | None) -> None:
    priority = PRIORITIES.index(plan.sync.priority)
    async with Session(
        plan.sync.account,
        auth=plan.sync.action.auth,
        retry=retry,
        log_dir=log.log_dir,
        priority=priority,
    ) as session:
        tidier = asyncio.create_task(_tidy_now_and_then(log))
        try:
            prepared = await prepare(plan.sync, session)
            sender = _Sender(plan.sync, log, session, prepared)
            await sender.send_all(
                plan.rows(unread=plan.sync.action.carries_records),
                in_flight=session.requester.in_flight,
            )
        finally:
            tidier.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tidier


async def _tidy_now_and_then(log: SyncLog) -> None:
    """Keep outcomes from waiting long for the disk while requests wait longer."""
    while True:
        await asyncio.sleep(_TIDY_SECONDS)
        with contextlib.suppress(LeaseLost):
            # The next commit raises it, and stops the run.
            await asyncio.to_thread(log.tidy)


class _Sender:
    """Sends the rows of one run over HTTP."""

    def __init__(
        self, sync: Sync, log: SyncLog, session: Session, prepared: Prepared
    ) -> None:
        self._sync = sync
        self._log = log
        self._session = session
        self._prepared = prepared
        self._asked_for: set[str] = set()

    async def send_all(self, rows: Iterable[Row], *, in_flight: int) -> None:
        """Send batch after batch, a few at once, until the end or the first stop."""
        under_way: set[asyncio.Task[None]] = set()
        errors: list[BaseException] = []
        try:
            for operation, batch in self._batches(rows):
                under_way.add(asyncio.create_task(self._send_rows(operation, batch)))
                # Let the new request start before the next batch is rendered.
                await asyncio.sleep(0)
                if len(under_way) >= in_flight:
                    under_way = await _settle(under_way, errors, all_of_them=False)
                if errors:
                    break
            await _settle(under_way, errors, all_of_them=True)
        finally:
            # Only an interrupted run has any left; what they send is sent again.
            for task in under_way:
                task.cancel()
        if errors:
            # What nobody foresaw is told before what stopped the sync.
            raise min(errors, key=lambda error: isinstance(error, ActivationError))

    def _batches(self, rows: Iterable[Row]) -> Iterator[tuple[Operation, list[Row]]]:
        """Group rows by operation and number, in order.

        A row whose last attempt failed goes alone: if it is what made its batch fail,
        it no longer takes others with it.
        """
        kind = attrgetter("operation", "goes_alone")
        for (planned, goes_alone), alike in groupby(rows, key=kind):
            operation = self._sync.action.operation(planned)
            size = 1 if goes_alone else operation.batch_size
            while batch := list(islice(alike, size)):
                yield operation, batch

    async def _send_rows(self, operation: Operation, rows: Sequence[Row]) -> None:
        """Send rows of one operation: ask for their identifiers first, if it must."""
        if operation.find is not None:
            rows = await self._found(operation.find, rows)
        if entries := self._rendered(operation, rows):
            await self._send(operation, entries)
        self._log.commit()

    async def _found(self, search: Find, rows: Sequence[Row]) -> list[Row]:
        self._asked_for |= {row.key for row in rows if row.ref is None}
        try:
            found, problems = await find(
                self._sync, self._session, search, rows, self._prepared
            )
        except DestinationUnavailable as error:
            self._fail(rows, error)
            return []
        for row in rows:
            if row.key in problems:
                self._reject(row, "not_found", problems[row.key])
        return found

    def _rendered(self, operation: Operation, rows: Iterable[Row]) -> list[Entry]:
        entries: list[Entry] = []
        make = entry_maker(self._sync, operation, self._prepared)
        for row in rows:
            try:
                entries.append(make(row))
            except RecordRejected as error:
                self._reject(row, "not_sendable", str(error))
        return entries

    def _fitting(
        self, operation: Operation, entries: Iterable[Entry]
    ) -> Iterator[list[Entry]]:
        """The entries, as many at once as a request has bytes for."""
        batch: list[Entry] = []
        total = 0
        for entry in entries:
            try:
                size = entry_size(entry, operation)
            except RecordRejected as error:
                self._reject(entry.row, "not_sendable", str(error))
                continue
            if batch and total + size > operation.batch_bytes:
                yield batch
                batch, total = [], 0
            batch.append(entry)
            total += size + 1  # the comma between two entries
        if batch:
            yield batch

    async def _send(self, operation: Operation, entries: Sequence[Entry]) -> None:
        """Send the entries, in one request if they have room in it."""
        request = self._request(operation, entries)
        is_short = (
            isinstance(request, Rendered) and request.size <= operation.batch_bytes
        )
        batches = [entries] if is_short else self._fitting(operation, entries)
        for batch in batches:
            if len(batch) < len(entries):
                request = self._request(operation, batch)
            if isinstance(request, Refusal):
                await self._refuse(operation, batch, request)
            else:
                await self._ask(operation, batch, request)

    def _request(
        self, operation: Operation, entries: Sequence[Entry]
    ) -> Rendered | Refusal:
        try:
            return make_request(self._sync, operation, entries, self._prepared)
        except TemplateError as error:
            return Refusal("not_sendable", str(error))

    async def _ask(
        self, operation: Operation, entries: Sequence[Entry], request: Rendered
    ) -> None:
        """Make the request and note what the answer says of its rows."""
        sync, rows = self._sync, [entry.row for entry in entries]
        self._log.sending(rows)
        try:
            answer = await self._session.send(
                request,
                idempotency_key=idempotency_key(entries),
                again=may_pass(sync.account, operation.responses, sync.options),
            )
        except DestinationUnavailable as error:
            self._fail(rows, error)
            return
        except ActivationError:
            # A request that cannot be made.
            self._log.not_sent(rows)
            raise
        try:
            verdict = read_answer(sync, operation, entries, answer)
        except ActivationError:
            # It stops the sync; attempts before this one may have arrived all the same.
            if answer.attempts == 1:
                self._log.not_sent(rows)
            raise
        if operation.job is not None and verdict.is_success:
            try:
                answer = await follow(
                    sync, self._session, operation.job, answer, self._prepared
                )
            except DestinationUnavailable as error:
                self._fail(rows, error)
                return
            rules = operation.job.responses
            verdict = read_answer(sync, operation, entries, answer, rules=rules)
        await self._note(operation, entries, verdict, answer)

    async def _note(
        self,
        operation: Operation,
        entries: Sequence[Entry],
        verdict: Verdict,
        answer: Answer,
    ) -> None:
        """Note what became of rows; those of which that is open go once more."""
        self._log.add_all(verdict.outcomes)
        # At once: a run that is killed from here on must not send them again.
        self._log.commit()
        if verdict.refusal is not None:
            await self._refuse(operation, entries, verdict.refusal, answer)
        elif verdict.untold and verdict.named:
            await self._send(operation, verdict.untold)
        elif operation.job is not None and len(verdict.untold) > 1:
            # A job for each of thousands would be too many.
            await self._send_halves(operation, verdict.untold)
        else:
            for entry in verdict.untold:
                await self._send(operation, [entry])

    async def _refuse(
        self,
        operation: Operation,
        entries: Sequence[Entry],
        refusal: Refusal,
        answer: Answer | None = None,
    ) -> None:
        """Reject the one record that was refused, or find it among several.

        An identifier from earlier runs can be one that the tool has no more, after it
        merged or deleted the record there: that is asked for anew, once.
        """
        row = entries[0].row
        is_gone = answer is not None and answer.status in _GONE
        if len(entries) > 1:
            await self._send_halves(operation, entries)
        elif is_gone and operation.find and row.key not in self._asked_for:
            await self._send_rows(operation, [with_ref(row, None)])
        else:
            self._reject(row, refusal.code, refusal.message, answer)

    async def _send_halves(
        self, operation: Operation, entries: Sequence[Entry]
    ) -> None:
        middle = len(entries) // 2
        await self._send(operation, entries[:middle])
        await self._send(operation, entries[middle:])

    def _fail(self, rows: Iterable[Row], error: DestinationUnavailable) -> None:
        """Note that a request had no usable answer; others go on while some have.

        What never left stays planned, as if nobody had come to it.
        """
        if error.attempts:
            self._log.add_all([_failed(row, error) for row in rows])
        else:
            self._log.not_sent(rows)
        self._log.commit()
        if error.stops:
            raise error

    def _reject(
        self, row: Row, code: str, message: str, answer: Answer | None = None
    ) -> None:
        self._log.add(
            Outcome(
                row=row,
                outcome="rejected",
                code=code,
                message=message,
                attempts=answer.attempts if answer else 0,
                request_ms=answer.request_ms if answer else None,
            )
        )


async def _settle(
    tasks: set[asyncio.Task[None]], errors: list[BaseException], *, all_of_them: bool
) -> set[asyncio.Task[None]]:
    """Wait for one or all of the tasks and keep their errors; those still running."""
    if not tasks:
        return tasks
    when = asyncio.ALL_COMPLETED if all_of_them else asyncio.FIRST_COMPLETED
    ended, running = await asyncio.wait(tasks, return_when=when)
    errors.extend(error for task in ended if (error := task.exception()) is not None)
    return running


def _failed(row: Row, error: DestinationUnavailable) -> Outcome:
    return Outcome(
        row=row,
        outcome="failed",
        code=error.code,
        message=str(error),
        attempts=error.attempts,
    )
