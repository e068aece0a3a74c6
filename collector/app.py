"""The collector's HTTP side: a request in, `200` once its events are on disk.

The server is granian, spoken to over RSGI; this module owns what the server does not:
routes, body limits and deadlines, and the order of things: authenticate, validate,
append to the durable log, answer.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from datetime import UTC, datetime

import msgspec
import orjson
import structlog
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export

from collector import logs, wire
from collector.errors import LogBroken, LogFull, Refused
from collector.http import error_body, read_body, require_method
from collector.ingest import Quarantined, make_rows
from collector.log import Log, claim_stream, recover
from collector.settings import CollectorSettings
from collector.sources import Source, Sources, load_sources
from collector.validate import Event, Reception

RETRY_SECONDS = 5

_JSON = ("content-type", "application/json")
_SUCCESS = b'{"success":true}'
_LINES = msgspec.json.Encoder()

logger = structlog.get_logger("collector")


def create() -> Collector:
    """The application, set up from the environment; called in each worker."""
    logs.configure()
    settings = CollectorSettings()
    sources = load_sources(settings.sources, environ=os.environ)
    return Collector(settings, sources)


class Collector:
    """The RSGI application of one worker, which owns one stream of the log."""

    def __init__(self, settings: CollectorSettings, sources: Sources) -> None:
        self._settings = settings
        self._sources = sources

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._log.close()

    async def _start(self) -> None:
        stream, self._lock = claim_stream(self._settings.log_dir)
        if torn := recover(stream):
            logger.warning("cut a torn tail off", stream=stream.name, bytes=torn)
        self._log = Log(
            stream,
            segment_bytes=self._settings.segment_bytes,
            segment_seconds=self._settings.segment_seconds,
            pending_bytes=self._settings.pending_bytes,
        )
        self._guard = asyncio.create_task(_leave_with_parent(os.getppid()))

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        request_id = secrets.token_hex(8)
        headers = [_JSON, ("x-request-id", request_id)]
        try:
            status, body = await self._answer(scope, protocol, request_id)
        except Refused as refused:
            status, body = refused.status, error_body(refused, request_id)
            if refused.retry_after is not None:
                headers.append(("retry-after", str(refused.retry_after)))
        protocol.response_bytes(status, headers, body)

    async def _answer(
        self, scope: Scope, protocol: HTTPProtocol, request_id: str
    ) -> tuple[int, bytes]:
        path = scope.path.rstrip("/") or "/"
        if route := wire.ROUTES.get(path):
            require_method(scope, "POST")
            await self._collect(scope, protocol, route, request_id)
            return 200, _SUCCESS
        if path in ("/", "/health"):
            require_method(scope, "GET")
            return 200, b'{"status":"ok"}'
        if path == "/ready":
            require_method(scope, "GET")
            return self._readiness()
        raise Refused(404, "unknown_path", "Events are sent to /v1/batch and the like.")

    def _readiness(self) -> tuple[int, bytes]:
        failure = self._log.failure
        if failure is None:
            return 200, b'{"status":"ready"}'
        return 503, orjson.dumps({"status": "not ready", "reason": str(failure)})

    async def _collect(
        self, scope: Scope, protocol: HTTPProtocol, route: str, request_id: str
    ) -> None:
        """Store what the request carries; returns once it is on disk."""
        settings = self._settings
        is_batch = route == wire.BATCH
        limit = settings.max_batch_bytes if is_batch else settings.max_event_bytes
        received_at = datetime.now(UTC)
        body = await read_body(scope, protocol, limit, settings.body_seconds)
        encoding = scope.headers.get("content-encoding", "").lower()
        request = wire.parse(wire.inflate(body, encoding, limit=limit), route)
        source = self._authenticate(scope, request.write_key)
        reception = Reception(
            source_id=source.name,
            request_id=request_id,
            received_at=received_at,
            sent_at=request.sent_at,
            route_type=None if is_batch else route,
            max_event_bytes=settings.max_event_bytes,
            client_ip=scope.client.rpartition(":")[0] if source.is_client else None,
            client_user_agent=(
                scope.headers.get("user-agent") if source.is_client else None
            ),
        )
        rows = make_rows(request, reception, max_events=settings.max_batch_events)
        await self._store(rows)

    def _authenticate(self, scope: Scope, body_key: str | None) -> Source:
        """The source of the request; the header's key wins over the body's."""
        header_key = wire.header_key(scope.headers.get("authorization"))
        key = header_key or body_key
        source = self._sources.find(key.encode()) if key else None
        if source is None:
            raise wire.unknown_key()
        other = self._sources.find(body_key.encode()) if body_key else None
        if other is not None and other != source:
            raise Refused(
                400,
                "conflicting_write_key",
                "The Authorization header and the body name different sources.",
            )
        if not source.enabled:
            raise Refused(403, "source_disabled", "This source is switched off.")
        return source

    async def _store(self, rows: list[Event | Quarantined]) -> None:
        try:
            await self._log.append(_LINES.encode_lines(rows))
        except LogFull as error:
            # 429, not 503: clients wait for Retry-After without counting the attempt.
            raise Refused(
                429, "overloaded", f"Try again: {error}.", retry_after=RETRY_SECONDS
            ) from None
        except LogBroken as error:
            raise Refused(503, "log_unavailable", f"Try again: {error}.") from None


async def _leave_with_parent(parent: int) -> None:
    """End the worker when its supervisor is gone: nobody else would stop it."""
    while os.getppid() == parent:
        await asyncio.sleep(1)
    logger.error("the supervisor is gone")
    os._exit(1)
