"""From a request to rows on disk: authenticate, validate, append, and only then answer.

Each way in (SDK, webhook, pixel) ends in `_store`, which returns once the rows are
durable.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import structlog

from collector import metrics, pixel, wire
from collector.authentication import (
    authenticate,
    basic_key,
    no_source,
    require_permission,
)
from collector.errors import LogBroken, LogFull, Refused, Unacceptable
from collector.http import (
    Answer,
    Call,
    client_address,
    read_body,
    require_readable,
    success,
)
from collector.ingest import Rows, encode, make_rows, quarantined
from collector.live_plan import LivePlan
from collector.live_sources import LiveSources
from collector.log import Log
from collector.overload import Turns
from collector.rates import Rates
from collector.settings import CollectorSettings
from collector.source_file import Limits
from collector.sources import Source, Sources
from collector.times import sent
from collector.validate import Reception
from collector.webhook import WebhookRequest
from collector.wire import Request

WEBHOOK_SECONDS = 10.0
UNKNOWN = Source(
    name="(unknown)", kind="browser", limits=Limits(requests_per_second=10)
)
"""Stands for the source of a pixel that names none; no real one has such a name. Its
rate bounds what people without a write key can make us keep."""

logger = structlog.get_logger("collector")


class Intake:
    """Takes events in for one worker, which owns one stream of the log."""

    def __init__(
        self,
        settings: CollectorSettings,
        sources: LiveSources,
        log: Log,
        turns: Turns,
        plan: LivePlan | None,
    ) -> None:
        self._settings = settings
        self._live_sources = sources
        self._log = log
        self._turns = turns
        self._plan = plan
        self._rates = Rates(workers=settings.collector_workers)
        self._webhook_threads = ThreadPoolExecutor(4, "webhook")

    @property
    def _sources(self) -> Sources:
        return self._live_sources.current

    async def collect(self, call: Call) -> Answer:
        """An event or a batch of an SDK."""
        received_at = _now()
        keys = _request_keys(call)
        early = next((self._sources.find(key.encode()) for key in keys if key), None)
        limit = self._body_limit(call.carries, early)
        body = await self._body(call, limit)
        request = wire.parse(body, call.carries)
        source = authenticate(self._sources, [*keys, request.write_key])
        self._permit(call, source)
        if len(body) > (own := self._body_limit(call.carries, source)):
            raise wire.too_large(own)
        request = wire.with_headers(
            request,
            sent_at=call.header("sentat"),
            anonymous_id=call.header("anonymousid"),
        )
        with metrics.taking(source.name, len(request.events)):
            rows = self._rows(call, source, request, received_at)
            del body, request
            await self._store(source, rows)
        return success()

    async def swallow(self, call: Call) -> Answer:
        """What SDKs report about themselves: accepted and forgotten."""
        await read_body(
            call, self._settings.max_batch_bytes, self._settings.body_seconds
        )
        return success()

    async def webhook(self, call: Call) -> Answer:
        """A request of a service, which a function of the project makes events of."""
        received_at = _now()
        source = self._sources.named(call.parameters["source"])
        webhook = source.webhook if source else None
        if source is None or webhook is None:
            raise Refused(404, "unknown_webhook", "No webhook source has this name.")
        body = await self._body(call, self._body_limit(wire.BATCH, source))
        if webhook.signature is not None:
            sent = call.header(webhook.signature.header)
            webhook.signature.check(body, sent)
        elif authenticate(self._sources, _request_keys(call)) != source:
            raise no_source("invalid_write_key")
        self._permit(call, source)
        document = wire.load(body)
        request = WebhookRequest(
            body=document,
            raw_body=body,
            headers={name.lower(): value for name, value in call.scope.headers.items()},
            query=call.query,
            received_at=datetime.fromtimestamp(received_at / 1e6, UTC),
        )
        failure: Unacceptable | None = None
        try:
            future = asyncio.get_running_loop().run_in_executor(
                self._webhook_threads, webhook.run, request
            )
            events = await asyncio.wait_for(future, WEBHOOK_SECONDS)
        except TimeoutError:
            failure = Unacceptable(
                "webhook_function_error", "the function took too long", replayable=True
            )
        except Unacceptable as error:
            failure = error
        if failure is not None:
            logger.warning(
                "a webhook function failed", source=source.name, detail=failure.detail
            )
            await self._set_aside(call, source, document, failure, received_at)
        else:
            # A function may return what JSON has no word for: look at every value.
            batch = Request(events, wire.BATCH, None, None, is_odd=True)
            with metrics.taking(source.name, len(events)):
                rows = self._rows(call, source, batch, received_at)
                await self._store(source, rows)
        return success()

    async def pixel(self, call: Call) -> Answer:
        """An image; whatever is wrong with its event is told to nobody but quarantine.

        Only when the log can take nothing does the status say so.
        """
        try:
            await self._take_pixel(call)
        except Refused as refused:
            lost = refused.status in (429, 503)
            return pixel.image(refused.status if lost else 200)
        return pixel.image()

    async def _take_pixel(self, call: Call) -> None:
        await self._turns.take()
        received_at = _now()
        document: Any = dict(call.query)
        source = UNKNOWN
        failure: Unacceptable | None = None
        try:
            document = pixel.event(call.query)
            key = document.pop("writeKey", None)
            keys = [*_request_keys(call), key if isinstance(key, str) else None]
            source = authenticate(self._sources, keys)
            self._permit(call, source)
        except Unacceptable as error:
            failure = error
            source = self._source_of_query(call) or UNKNOWN
        except Refused as refused:
            failure = Unacceptable(refused.code, refused.message)
        if failure is not None:
            self._rates.take(UNKNOWN)
            await self._set_aside(call, source, document, failure, received_at)
            return
        # As a batch of one: what is wrong with it is quarantined, never refused.
        event = {"type": call.carries} | document
        batch = Request([event], wire.BATCH, None, None, is_odd=True)
        with metrics.taking(source.name, 1):
            await self._store(source, self._rows(call, source, batch, received_at))

    def _source_of_query(self, call: Call) -> Source | None:
        key = call.query.get("writeKey")
        return self._sources.find(key.encode(errors="replace")) if key else None

    async def _body(self, call: Call, limit: int) -> bytes:
        require_readable(call.header("content-type"))
        body = await read_body(call, limit, self._settings.body_seconds)
        encoding = (call.header("content-encoding") or "").lower()
        await self._turns.take()
        plain = wire.inflate(body, encoding, limit=limit)
        call.charge.cover(len(plain))
        return plain

    def _body_limit(self, carries: str, source: Source | None) -> int:
        settings = self._settings
        limits = source.limits if source else UNKNOWN.limits
        if carries == wire.IMPORT:
            return max(settings.max_import_bytes, limits.batch_bytes or 0)
        if carries == wire.BATCH:
            return limits.batch_bytes or settings.max_batch_bytes
        return limits.event_bytes or settings.max_event_bytes

    def _permit(self, call: Call, source: Source) -> None:
        origin, region = call.header("origin"), self._settings.region
        require_permission(source, origin=origin, region=region)
        self._rates.take(source)

    def _reception(
        self, call: Call, source: Source, request: Request, received_at: int
    ) -> Reception:
        proxies = self._settings.trusted_proxies
        return Reception(
            source_id=source.name,
            request_id=call.request_id,
            received_at=received_at,
            sent=sent(request.sent_at),
            route_type=request.event_type,
            max_event_bytes=source.limits.event_bytes or self._settings.max_event_bytes,
            client_ip=client_address(call, proxies) if source.is_client else None,
            client_user_agent=call.header("user-agent") if source.is_client else None,
            from_device=source.is_client,
            ip_policy=self._settings.ip_addresses,
            plan=self._plan.current if self._plan else None,
        )

    def _rows(
        self, call: Call, source: Source, request: Request, received_at: int
    ) -> Rows:
        reception = self._reception(call, source, request, received_at)
        limit = source.limits.batch_events or self._settings.max_batch_events
        return make_rows(request, reception, max_events=limit)

    async def _set_aside(
        self,
        call: Call,
        source: Source,
        document: Any,
        reason: Unacceptable,
        received_at: int,
    ) -> None:
        """Quarantine a payload that never became events."""
        request = Request([document], wire.BATCH, None, None)
        reception = self._reception(call, source, request, received_at)
        with metrics.taking(source.name, 1):
            row = quarantined(document, reason, reception)
            await self._store(source, Rows([row], encode([row])))

    async def _store(self, source: Source, rows: Rows) -> None:
        lines, fates = rows.lines, rows.fates
        if not fates:
            return
        rows.rows.clear()  # only the lines are kept while they wait for the disk
        try:
            await self._log.append(lines)
        except LogFull as error:
            # 429, not 503: clients wait for Retry-After without counting the attempt.
            raise Refused(
                429, error.code, f"Try again: {error}.", retry_after=error.retry_after
            ) from None
        except LogBroken as error:
            raise Refused(503, "log_unavailable", f"Try again: {error}.") from None
        metrics.count_stored(source.name, fates)


def _now() -> int:
    """The time as it is stored: microseconds since 1970."""
    return time.time_ns() // 1_000


def _request_keys(call: Call) -> list[str | None]:
    """The write keys that a request carries outside its body, best first."""
    return [basic_key(call.header("authorization")), call.query.get("writeKey")]
