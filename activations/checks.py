"""Checks: whether an account's credential is accepted, asked of the tool itself."""

from __future__ import annotations

import asyncio

from activations.answers import may_pass, must_answer
from activations.connectors import load_check
from activations.destinations import Account
from activations.errors import ConfigError, DestinationUnavailable
from activations.retries import Retry
from activations.session import Session

CHECK_RETRY = Retry(attempts=2, seconds=30.0)
"""A person waits for the answer, so what does not answer soon is told soon."""


def check_account(account: Account, *, retry: Retry = CHECK_RETRY) -> bool:
    """Ask the tool who we are; raises what keeps the account from being used.

    False where the tool's manifest has no such request.
    """
    if account.unresolved:
        raise ConfigError(account.unresolved)
    if account.manifest.check is not None:
        asyncio.run(_check(account, retry))
        return True
    actions = account.manifest.actions.values()
    connectors = {action.connector for action in actions if action.connector}
    for name in sorted(connectors):
        try:
            load_check(name)(account.settings, account.private_network)
        except OSError as error:
            raise DestinationUnavailable(str(error)) from error
    return bool(connectors)


async def _check(account: Account, retry: Retry) -> None:
    check = account.manifest.check
    assert check is not None, "asked before"  # noqa: S101 - tells mypy
    async with Session(account, retry=retry) as session:
        request = check.template.render({"settings": account.settings})
        again = may_pass(account, check.responses, {})
        answer = await session.send(request, again=again)
        must_answer(account, check.responses, answer, {})
