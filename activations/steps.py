"""Steps: requests that a run makes before its records go out.

`prepare` asks once for what all requests need, as the identifier of the audience that
the sync keeps: found by its name, else created. `find` asks for the tool's own
identifiers of the records of one batch.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from activations.answers import may_pass, must_answer, read_reply
from activations.calls import Rendered
from activations.connectors import Row
from activations.errors import DestinationRefused, RecordRejected
from activations.rendering import (
    Prepared,
    Searched,
    make_search,
    make_searched,
    shared_context,
    with_ref,
)
from activations.session import Session, answer_context
from activations.side_requests import Find, Step
from activations.syncs import Sync
from activations.templates import TemplateError

MOST_PAGES = 200


async def prepare(sync: Sync, session: Session) -> Prepared:
    """What the action's steps give, by their names; None where one was not due."""
    prepared: dict[str, Any] = {}
    for step in sync.action.prepare:
        prepared[step.name] = None
        if step.is_due(shared_context(sync, prepared)):
            prepared[step.name] = await _run(sync, session, step, prepared)
            await asyncio.sleep(step.wait_seconds)
    return prepared


async def _run(sync: Sync, session: Session, step: Step, prepared: Prepared) -> Any:
    page: Any = None
    for _ in range(MOST_PAGES):
        context = shared_context(sync, prepared)
        request = _request(sync, step, context | {"page": page})
        again = may_pass(sync.account, step.responses, sync.options)
        answer = await session.send(request, again=again)
        must_answer(sync.account, step.responses, answer, sync.options)
        context |= answer_context(sync.account, answer, sync.options)
        try:
            value, page = step.read(context)
        except TemplateError as error:
            raise DestinationRefused(
                f"{sync.account.name}: the answer to '{step.name}' is not as its "
                f"documentation says: {error}"
            ) from error
        if value is not None or page is None:
            return value
    raise DestinationRefused(
        f"{sync.account.name}: '{step.name}' found nothing in {MOST_PAGES} pages."
    )


def _request(sync: Sync, step: Step, context: dict[str, Any]) -> Rendered:
    try:
        return step.template.render(context)
    except TemplateError as error:
        raise DestinationRefused(
            f"{sync.account.name}: '{step.name}' cannot be asked: {error}"
        ) from error


async def find(
    sync: Sync, session: Session, search: Find, rows: Sequence[Row], prepared: Prepared
) -> tuple[list[Row], dict[str, str]]:
    """The rows with the tool's identifiers, and by key why a row has none."""
    problems: dict[str, str] = {}
    searched: list[Searched] = []
    for row in rows:
        try:
            if row.ref is None:
                searched.append(make_searched(sync, search, row, prepared))
        except RecordRejected as error:
            problems[row.key] = str(error)
    refs = await _refs(sync, session, search, searched, problems)
    found: list[Row] = []
    for row in rows:
        if row.key in problems:
            continue
        known = refs.get(row.key.casefold(), set())
        if row.ref is not None or (not known and search.missing == "kept"):
            found.append(row)
        elif len(known) == 1:
            found.append(with_ref(row, *known))
        else:
            count = len(known) or "No"
            problems[row.key] = f"{count} records of the tool have this key."
    return found, problems


async def _refs(
    sync: Sync,
    session: Session,
    search: Find,
    searched: Sequence[Searched],
    problems: dict[str, str],
) -> dict[str, set[str]]:
    """The tool's identifiers by key, whatever case it writes the keys in.

    A search that is refused is halved until the culprit is alone among `problems`.
    """
    if not searched:
        return {}
    request = make_search(search, searched)
    again = may_pass(sync.account, search.responses, sync.options)
    answer = await session.send(request, again=again)
    refusal = read_reply(sync.account, search.responses, answer, sync.options)
    if refusal is not None and len(searched) == 1:
        problems[searched[0].row.key] = refusal.message
        return {}
    if refusal is not None:
        middle = len(searched) // 2
        first = await _refs(sync, session, search, searched[:middle], problems)
        rest = await _refs(sync, session, search, searched[middle:], problems)
        return first | rest
    try:
        named = search.read(answer_context(sync.account, answer, sync.options))
    except TemplateError as error:
        raise DestinationRefused(
            f"{sync.account.name}: the answer to a search is not as its documentation "
            f"says: {error}"
        ) from error
    refs: dict[str, set[str]] = defaultdict(set)
    for key, ref in named:
        refs[key.casefold()].add(ref)
    return refs
