"""The collector's HTTP side: a request in, `200` once its events are on disk.

The server is granian, spoken to over RSGI; this module is the application it runs in
each worker: it finds the endpoint, hands the request over, and answers, also when the
answer is no.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from itertools import count
from pathlib import Path

import structlog
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export

from collector import browser, cors, logs, metrics, routes
from collector.authentication import authenticate, basic_key, require_permission
from collector.errors import Refused
from collector.http import (
    Answer,
    Call,
    discard_body,
    json_answer,
    refusal,
    require_host,
    require_method,
)
from collector.intake import Intake
from collector.live_plan import LivePlan
from collector.live_sources import LiveSources
from collector.log import DRAIN_SIGNAL, open_log
from collector.overload import Admission
from collector.refusals import Refusals
from collector.routes import Action, Found
from collector.settings import CollectorSettings

GARBAGE_THRESHOLD = 50_000
"""Objects between looks for cyclic garbage: a batch makes thousands, none cyclic."""

_OPENAPI = Path(__file__).with_name("openapi.json")

logger = structlog.get_logger("collector")


def create() -> Collector:
    """The application, set up from the environment; called in each worker."""
    logs.configure()
    settings = CollectorSettings()
    sources = LiveSources.of_worker(settings.sources, environ=os.environ)
    return Collector(settings, sources)


class Collector:
    """The RSGI application of one worker, which owns one stream of the log."""

    def __init__(self, settings: CollectorSettings, sources: LiveSources) -> None:
        self._settings = settings
        self._sources = sources
        self._plan = LivePlan(settings.plan) if settings.plan else None
        # Unique without asking the system for random bytes at each request.
        self._request_prefix = secrets.token_hex(6)
        self._request_numbers = count()
        self._refusals = Refusals()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._log.close()
        metrics.publish()

    async def _start(self) -> None:
        self._log = open_log(self._settings, on_commit=metrics.count_commit)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(DRAIN_SIGNAL, self._log.drain)
        self._admission = Admission(
            inflight_bytes=self._settings.inflight_bytes,
            queue_seconds=self._settings.queue_seconds,
        )
        turns = self._admission.turns
        if self._plan is not None:
            self._plan.refresh()
            self._plan_follower = asyncio.create_task(self._plan.follow())
        intake = Intake(self._settings, self._sources, self._log, turns, self._plan)
        self._actions: Mapping[Action, Callable[[Call], Awaitable[Answer]]] = {
            Action.COLLECT: intake.collect,
            Action.SWALLOW: intake.swallow,
            Action.WEBHOOK: intake.webhook,
            Action.PIXEL: intake.pixel,
            Action.BROWSER_SETTINGS: self._browser_settings,
            Action.SOURCE_CONFIG: self._source_config,
            Action.HEALTH: self._health,
            Action.READY: self._ready,
            Action.METRICS: self._metrics,
            Action.VERSION: self._version,
            Action.ROBOTS: self._robots,
            Action.OPENAPI: self._openapi,
        }
        self._guard = asyncio.create_task(_leave_with_parent())
        self._follower = asyncio.create_task(self._sources.follow())
        self._publisher = asyncio.create_task(metrics.publish_regularly())
        # What is alive now stays; looking through it again and again finds nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        request_id = f"{self._request_prefix}{next(self._request_numbers):x}"
        if scope.method == "OPTIONS":
            protocol.response_empty(204, cors.preflight_headers(scope))
            return
        found = routes.find(scope.path, prefix=self._settings.path_prefix)
        route = found[0].path if found else "(unknown)"
        code = ""
        try:
            answer = await self._answer(scope, protocol, request_id, found)
        except Refused as refused:
            code = refused.code
            self._refusals.note(refused, route=route, request_id=request_id)
            answer = refusal(refused, request_id)
        except Exception:
            # The client is answered in any case: without an answer it tries for ever.
            logger.exception("a request failed", request_id=request_id)
            failure = Refused(500, "internal_error", "The collector failed; try again.")
            code = failure.code
            answer = refusal(failure, request_id)
        metrics.count_request(route, answer.status, code)
        headers = [
            ("content-type", answer.content_type),
            ("x-request-id", request_id),
            *answer.headers,
            *cors.answer_headers(scope),
        ]
        protocol.response_bytes(answer.status, headers, answer.body)

    async def _answer(
        self,
        scope: Scope,
        protocol: HTTPProtocol,
        request_id: str,
        found: Found | None,
    ) -> Answer:
        if found is None:
            raise Refused(
                404, "unknown_path", "Events are sent to /v1/batch and the like."
            )
        require_host(scope)
        endpoint, parameters = found
        require_method(scope.method, endpoint.method)
        try:
            charge = self._admission.admit(scope)
        except Refused:
            await discard_body(scope, protocol, self._settings.body_seconds)
            raise
        call = Call(scope, protocol, request_id, endpoint.carries, parameters, charge)
        with charge:
            return await self._actions[endpoint.action](call)

    async def _browser_settings(self, call: Call) -> Answer:
        write_key = call.parameters["write_key"]
        source = authenticate(self._sources.current, [write_key])
        origin, region = call.header("origin"), self._settings.region
        require_permission(source, origin=origin, region=region)
        scheme, host = browser.own_address(
            call, self._settings.public_url, self._settings.path_prefix
        )
        return json_answer(browser.segment_settings(write_key, scheme, host))

    async def _source_config(self, call: Call) -> Answer:
        keys = [basic_key(call.header("authorization")), call.query.get("writeKey")]
        if call.scope.method == "HEAD" and not any(keys):
            return json_answer(
                {}
            )  # the SDK only looks whether an ad blocker is at work
        source = authenticate(self._sources.current, keys)
        write_key = next(key for key in keys if key)
        return json_answer(browser.rudder_source_config(source, write_key))

    async def _health(self, call: Call) -> Answer:
        return json_answer({"status": "ok"})

    async def _ready(self, call: Call) -> Answer:
        """Whether events can be stored; a broken `sources.yml` or plan is no reason."""
        failure, problem = self._log.failure, self._sources.problem
        document = {"status": "ready" if failure is None else "not ready"}
        if failure is not None:
            document["reason"] = str(failure)
        if problem is not None:
            document["sources"] = problem
        if self._plan is not None and self._plan.problem is not None:
            document["plan"] = self._plan.problem
        return json_answer(document, status=200 if failure is None else 503)

    async def _metrics(self, call: Call) -> Answer:
        return Answer(metrics.render(), content_type=metrics.CONTENT_TYPE)

    async def _version(self, call: Call) -> Answer:
        return json_answer({"version": version("kith")})

    async def _robots(self, call: Call) -> Answer:
        return Answer(b"User-agent: *\nDisallow: /\n", content_type="text/plain")

    async def _openapi(self, call: Call) -> Answer:
        return Answer(_OPENAPI.read_bytes())


async def _leave_with_parent() -> None:
    """End the worker when its supervisor is gone: nobody else would stop it."""
    supervisor = multiprocessing.parent_process()
    while supervisor is None or os.getppid() == supervisor.pid:
        await asyncio.sleep(1)
    logger.error("the supervisor is gone")
    os._exit(1)
