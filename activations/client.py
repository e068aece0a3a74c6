"""The one HTTP client: guarded, bounded and patient. Nothing else uses httpx.

A request goes to addresses that `egress` allows, follows no redirect, obeys no proxy
variable, and reads at most one megabyte of answer. What may pass (time-outs, resets,
429, 5xx) is tried again: after the time that `Retry-After` names, else after growing,
jittered waits. Each attempt asks the account's budget (`rates`) whether it is its turn.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.util import find_spec
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

# httpcore imports it at each request, and Python would search the disk each time.
if find_spec("sniffio") is None:
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type] # "is not there"

import httpcore
import httpx
import stamina

from activations.egress import GuardedBackend, check_url
from activations.errors import ConfigError, DestinationUnavailable, EgressDenied
from activations.rates import Budget
from activations.retries import Patience, Retry, TryAgain, retry_after

MAX_ANSWER_BYTES = 1_000_000
_SHOWN = 200
"""Of an address that is none, so many characters are told."""
_HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "Kith"}
_PASSING = frozenset({408, 423, 425, 429})
# What may be half a character; most are one of two halves that belong together.
_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_RESERVED_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "te", "upgrade"}
)


@dataclass(frozen=True)
class Call:
    """An HTTP request, ready to be sent any number of times.

    `rate` names the budget that it counts by; without one it is the account's.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    rate: str | None = None


@dataclass(frozen=True)
class Answer:
    """What came back, after how many attempts; `data` is the JSON, if it is that."""

    status: int
    data: Any = None
    text: str = ""
    attempts: int = 1
    request_ms: float = 0.0
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Sends the requests of one account, within its budget; one event loop, one use."""

    def __init__(
        self,
        *,
        private_network: bool = False,
        budgets: Mapping[str | None, Budget] | None = None,
        request_seconds: float = 30.0,
        retry: Retry | None = None,
    ) -> None:
        self._private_network = private_network
        self._seconds = request_seconds
        self._retry = retry or Retry()
        self._budgets = budgets or {None: Budget()}
        self._answering: set[str] = set()
        self._timeout = httpx.Timeout(request_seconds).as_dict()
        # httpx's client around it would keep cookies, follow redirects, ask for proxies
        # and take as long again; a request here is one request.
        self._transport = _GuardedTransport(private_network=private_network)

    async def __aenter__(self) -> Client:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(kind, error, traceback)

    async def send(
        self, call: Call, *, again: Callable[[Answer], bool] = lambda answer: False
    ) -> Answer:
        """The answer to `call`, once there is one that no further try would change.

        `again` says of an answer that would otherwise stand that it may pass.
        """
        check_call(call, private_network=self._private_network)
        patience = Patience(self._retry)
        attempts = 0
        failure: TryAgain | None = None
        try:
            async for attempt in stamina.retry_context(
                on=patience, attempts=None, timeout=None
            ):
                with attempt:
                    await self._turn(call, patience, attempts, failure)
                    attempts += 1
                    try:
                        answer = await self._attempt(call, attempts, again)
                    except TryAgain as error:
                        failure = error
                        raise
        except TryAgain as error:
            raise DestinationUnavailable(
                f"{error} (attempts: {attempts})",
                attempts=attempts,
                code=error.code,
                stops=patience.is_out_of_time or self._is_away(call),
            ) from error
        return answer

    async def _turn(
        self, call: Call, patience: Patience, attempts: int, failure: TryAgain | None
    ) -> None:
        """Wait until the account may send, unless that takes longer than there is."""
        while wait := self._budgets[call.rate].take():
            if wait.seconds > patience.left:
                before = f"{failure}; " if failure else ""
                raise DestinationUnavailable(
                    f"{before}{wait.reason}: the next one leaves in "
                    f"{wait.seconds:.0f} s, which is too long to wait for",
                    attempts=attempts,
                    code=failure.code if failure else wait.code,
                )
            await asyncio.sleep(wait.seconds)

    async def _attempt(
        self, call: Call, number: int, again: Callable[[Answer], bool]
    ) -> Answer:
        budget = self._budgets[call.rate]
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                response, body = await self._exchange(call)
        except (TimeoutError, httpx.TimeoutException):
            budget.failed()
            reason = f"no answer within {self._seconds:g} s"
            raise TryAgain(reason, code="timeout") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ConfigError(f"The request cannot be sent: {error}") from error
        except httpx.TransportError as error:
            budget.failed()
            reason = f"no answer: {type(error).__name__} {error}".rstrip()
            raise TryAgain(reason, code="connection") from None
        elapsed = (time.monotonic() - started) * 1000
        answer = Answer(
            status=response.status_code,
            data=read_json(body),
            text=body.decode("utf-8", errors="replace"),
            attempts=number,
            request_ms=elapsed,
            location=response.headers.get("location"),
            headers=dict(response.headers),
        )
        status = answer.status
        is_broken = status >= 500 and status != 501
        if is_broken:
            budget.failed()
        else:
            budget.answered()
            self._answering.add(urlsplit(call.url).netloc)
        if status in _PASSING or is_broken or again(answer):
            wait = retry_after(response.headers.get("retry-after"), now=_now())
            if wait is not None:
                wait = min(wait, self._retry.longest_retry_after)
                budget.pause(wait)
            raise TryAgain(f"answer {status}", code=str(status), wait=wait)
        return answer

    def _is_away(self, call: Call) -> bool:
        """Whether it is the host that does not answer, rather than to this request."""
        return (
            self._budgets[call.rate].is_open
            or urlsplit(call.url).netloc not in self._answering
        )

    async def _exchange(self, call: Call) -> tuple[httpx.Response, bytes]:
        """One request and its answer's bytes, as they came: nothing is inflated."""
        request = httpx.Request(
            call.method,
            _url(call.url),
            headers={**_HEADERS, **call.headers},
            content=call.body,
            extensions={"timeout": self._timeout},
        )
        response = await self._transport.handle_async_request(request)
        response.request = request
        body = bytearray()
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    self._budgets[call.rate].failed()
                    raise DestinationUnavailable(
                        f"the answer ({response.status_code}) is longer than "
                        f"{MAX_ANSWER_BYTES:,} bytes",
                        code="answer_too_long",
                        stops=self._is_away(call),
                    )
        finally:
            await response.aclose()
        return response, bytes(body)


class _GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over connections that `GuardedBackend` opens."""

    def __init__(self, *, private_network: bool) -> None:
        context = _ssl_context()
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for the network backend, and pinning the private
        # attribute's name is checked by every test that sends something.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            network_backend=GuardedBackend(private_network=private_network),
            max_connections=64,
        )


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all: reading the authorities' certificates takes a while."""
    return httpx.create_ssl_context(trust_env=False)


def check_call(call: Call, *, private_network: bool) -> None:
    """Refuse a URL or header that no request may have."""
    try:
        url = _url(call.url)
    except (httpx.InvalidURL, ValueError) as error:
        # Without its query, which may have a secret.
        start = call.url.partition("?")[0][:_SHOWN]
        raise EgressDenied(f"'{start}' is not a URL: {error}") from error
    if url.userinfo or not url.host:
        raise EgressDenied(
            f"'{url.copy_with(userinfo=b'')}' needs a host, and no user or password."
        )
    port = url.port or (443 if url.scheme == "https" else 80)
    check_url(url.scheme, url.host, port, private_network=private_network)
    for name, value in call.headers.items():
        if name.lower() in _RESERVED_HEADERS:
            raise ConfigError(f"The header '{name}' is set by the client itself.")
        if any(mark in name + value for mark in "\r\n\0"):
            raise ConfigError(f"The header '{name}' contains a line break.")
        if not (name + value).isascii():
            raise ConfigError(f"The header '{name}' has letters beyond ASCII.")


@lru_cache(maxsize=64)
def _url(text: str) -> httpx.URL:
    """Most requests of a run go to one address, and parsing it takes a while."""
    return httpx.URL(text)


def _now() -> datetime:
    return datetime.now(UTC)


def read_json(body: bytes) -> Any:
    """The JSON that the answer is, if it is that; half characters become `?`.

    Tools cut texts in the middle of an emoji, and nobody could write down such a half.
    """
    try:
        data = json.loads(body)
        if _HALF.search(body):
            text = json.dumps(data, ensure_ascii=False)
            data = json.loads(text.encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return data
