"""Sessions: the requests of one account, at its address and with its credential."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from activations.auth import Auth, Tokens
from activations.calls import Rendered, with_query
from activations.client import Answer, Call, Client, read_json
from activations.destinations import Account
from activations.manifest import Requester
from activations.rates import Budget, account_budget
from activations.redaction import redact
from activations.retries import Retry

_SHORTEST_TOKEN = 8
"""What is shorter may stand in an answer by chance."""


class Session:
    """Sends what was rendered for an account; within one event loop, one use."""

    def __init__(
        self,
        account: Account,
        *,
        auth: Auth | None = None,
        retry: Retry | None = None,
        log_dir: Path | None = None,
        priority: int = 0,
    ) -> None:
        """With `log_dir` the account's other processes are reckoned with.

        `auth` is that of an action whose requests ask in another way than the others.
        """
        requester = account.manifest.requester
        assert requester is not None, "operations have one"  # noqa: S101 - tells mypy
        self.requester: Requester = requester
        self._account = account
        self._auth = auth or requester.auth
        self._settings = dict(account.settings)
        self._budgets = {
            name: _budget(account, requester, name, log_dir, priority)
            for name in (None, *requester.rates)
        }
        self._client = Client(
            private_network=account.private_network,
            budgets=self._budgets,
            request_seconds=requester.timeout_seconds,
            retry=retry,
        )
        oauth2 = self._auth and self._auth.oauth2
        self._tokens = Tokens(oauth2, self._settings, self._client) if oauth2 else None

    async def __aenter__(self) -> Session:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)
        for budget in self._budgets.values():
            budget.close()

    async def send(
        self,
        rendered: Rendered,
        *,
        idempotency_key: str | None = None,
        again: Callable[[Answer], bool] = lambda answer: False,
    ) -> Answer:
        """The answer to a request. A token that is refused is renewed, once."""
        headers = self._headers(rendered)
        if idempotency_key is not None and self.requester.idempotency_header:
            headers[self.requester.idempotency_header] = idempotency_key
        if self._tokens is None:
            return await self._client.send(self._call(rendered, headers), again=again)
        token = await self._tokens.token()
        headers["Authorization"] = f"Bearer {token}"
        answer = await self._client.send(self._call(rendered, headers), again=again)
        if answer.status == 401:
            token = await self._tokens.token(instead_of=token)
            headers["Authorization"] = f"Bearer {token}"
            answer = await self._client.send(self._call(rendered, headers), again=again)
        return _without(answer, token)

    def _headers(self, rendered: Rendered) -> dict[str, str]:
        headers = self.requester.shared_headers(self._settings)
        headers |= rendered.headers
        if self._auth is not None and self._auth.basic is not None:
            headers["Authorization"] = self._auth.basic.header(self._settings)
        signature = self.requester.signature
        if signature is not None and (key := signature.key(self._settings)) is not None:
            body = rendered.body or b""
            digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
            headers[signature.header] = signature.prefix + digest
        return headers

    def _call(self, rendered: Rendered, headers: Mapping[str, str]) -> Call:
        base = rendered.base_url or self.requester.url(self._settings)
        query = self.requester.shared_query(self._settings)
        return Call(
            method=rendered.method,
            url=with_query(base.rstrip("/") + rendered.path, query),
            headers=dict(headers),
            body=rendered.body or b"",
            rate=rendered.rate,
        )


def _without(answer: Answer, token: str) -> Answer:
    """The answer without the token, which no setting holds: some tools repeat it."""
    text = answer.text
    if len(token) >= _SHORTEST_TOKEN:
        text = redact(text, (token,))
    if text == answer.text:
        return answer
    return replace(answer, text=text, data=read_json(text.encode()))


def _budget(
    account: Account,
    requester: Requester,
    name: str | None,
    log_dir: Path | None,
    priority: int,
) -> Budget:
    """What requests that count by the rate of this name may send."""
    rate = requester.rate(name)
    if log_dir is None:
        return Budget(rate=rate)
    return account_budget(
        log_dir, account.name, rate=rate, priority=priority, name=name
    )


def answer_context(
    account: Account, answer: Answer, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What templates that read an answer can name."""
    return {
        "settings": account.settings,
        "options": options or {},
        "status": answer.status,
        "response": answer.data,
        "headers": answer.headers,
        "text": answer.text,
    }
