"""Jobs: waits until a tool has done what it took, and reads what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from activations.answers import may_pass, read_reply
from activations.calls import Rendered
from activations.client import Answer
from activations.errors import DestinationUnavailable
from activations.rendering import Prepared, shared_context
from activations.session import Session, answer_context
from activations.side_requests import Found, Job
from activations.steps import MOST_PAGES
from activations.sync import Sync
from activations.templates import TemplateError


async def follow(
    sync: Sync, session: Session, job: Job, begun: Answer, prepared: Prepared
) -> Answer:
    """The answer by which the job's `responses` judge the records of a request.

    Raises `DestinationUnavailable` where nobody can tell what became of them.
    """
    shared = shared_context(sync, prepared)
    try:
        request = job.template.render(shared | _said(sync, begun))
        ended = await _ended(sync, session, job, request, shared)
        context = shared | _said(sync, ended)
        items: list[Any] = []
        if job.found is not None and job.found.is_due(context):
            items = await _items(sync, session, job.found, context)
    except TemplateError as error:
        reason = f"its answer is not as its documentation says: {error}"
        raise _unknown(reason) from error
    found = replace(begun, data={"job": ended.data, "items": items}, text="")
    if may_pass(sync.account, job.responses, sync.options)(found):
        raise _unknown("it was not done")
    return found


async def _ended(
    sync: Sync, session: Session, job: Job, request: Rendered, shared: dict[str, Any]
) -> Answer:
    """The answer that says that the job has ended."""
    give_up = time.monotonic() + job.within_seconds
    while True:
        answer = await _ask(sync, session, request)
        if job.has_ended(shared | _said(sync, answer)):
            return answer
        if time.monotonic() >= give_up:
            raise _unknown(f"it has not ended within {job.within_seconds:g} s")
        await asyncio.sleep(job.every_seconds)


async def _items(
    sync: Sync, session: Session, found: Found, context: dict[str, Any]
) -> list[Any]:
    items: list[Any] = []
    page: Any = None
    for _ in range(MOST_PAGES):
        request = found.template.render(context | {"page": page})
        answer = await _ask(sync, session, request)
        listed, page = found.read(context | _said(sync, answer))
        items += listed
        if page is None:
            return items
    raise _unknown(f"what it found has more than {MOST_PAGES} pages")


async def _ask(sync: Sync, session: Session, request: Rendered) -> Answer:
    try:
        answer = await session.send(request)
    except DestinationUnavailable as error:
        raise _unknown(f"asked for it, {error}", stops=error.stops) from error
    refusal = read_reply(sync.account, (), answer, sync.options)
    if refusal is not None:
        raise _unknown(f"asked for it, {sync.account.name} answers {refusal.message}")
    return answer


def _said(sync: Sync, answer: Answer) -> dict[str, Any]:
    return answer_context(sync.account, answer, sync.options)


def _unknown(reason: str, *, stops: bool = False) -> DestinationUnavailable:
    """They have left, so this counts as an attempt, whether or not one could ask."""
    return DestinationUnavailable(
        f"The records were taken for a job, but {reason}.", code="job", stops=stops
    )
