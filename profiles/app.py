"""The Profile API: one profile by any of its identifiers, over HTTP.

GET /v1/profiles/{identifier_type}/{value}    needs the token
GET /health                                   this process answers
GET /ready                                    and has something published to read
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from profiles.answers import error_response, profile_response, status_response
from profiles.lookup import find_profile
from profiles.published import PublishedDatabaseMissing
from profiles.reader import PublishedReader
from profiles.settings import ProfilesSettings
from profiles.tokens import is_authorized, read_token

PROFILES = "/v1/profiles/"
PROBES = frozenset({"/health", "/ready"})

logger = structlog.get_logger(__name__)


class _Anything(Convertor[str]):
    """The rest of a path, line breaks and slashes included."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


def serve(settings: ProfilesSettings) -> None:
    """Run the Profile API until the process is told to end."""
    reader = PublishedReader(settings.published_dir)
    uvicorn.run(
        create_app(reader, token=read_token(settings)),
        host=settings.profiles_host,
        port=settings.profiles_port,
        # Paths hold e-mail addresses; requests are logged below, without them.
        access_log=False,
        log_level="warning",
        server_header=False,
    )


def create_app(reader: PublishedReader, *, token: str) -> Starlette:
    """The Profile API over what `reader` finds published."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        reader.close()

    app = Starlette(
        routes=[
            Route("/health", _health),
            Route("/ready", _ready),
            Route(PROFILES + "{identifier:anything}", _profile),
        ],
        middleware=[Middleware(_RequireToken, token=token)],
        exception_handlers={
            HTTPException: _http_error,
            PublishedDatabaseMissing: _nothing_published,
            Exception: _internal_error,
        },
        lifespan=lifespan,
    )
    app.state.reader = reader
    return app


class _RequireToken:
    """Lets a request pass only with the token, whatever it asks for but the probes."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        authorization = Headers(scope=scope).get("Authorization", "")
        if is_authorized(authorization, token=self._token):
            await self._app(scope, receive, send)
            return
        refusal = error_response(
            401,
            "unauthorized",
            "Send the token of the Profile API as `Authorization: Bearer <token>`.",
            headers={"WWW-Authenticate": 'Bearer realm="kith", Basic realm="kith"'},
        )
        await refusal(scope, receive, send)


async def _profile(request: Request) -> Response:
    started = time.monotonic()
    response = await run_in_threadpool(_look_up, request)
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    logger.info("profile_request", status=response.status_code, ms=milliseconds)
    return response


def _look_up(request: Request) -> Response:
    # From the path as it was sent: decoded once, so that a value may hold a slash.
    sent: bytes = request.scope["raw_path"]
    kind, slash, value = sent.removeprefix(PROFILES.encode()).partition(b"/")
    if not slash:
        return error_response(
            404, "not_found", f"Ask for {PROFILES}{{identifier_type}}/{{value}}."
        )
    try:
        identifier = unquote_to_bytes(kind).decode(), unquote_to_bytes(value).decode()
    except UnicodeDecodeError:
        return error_response(400, "invalid_value", "The path is not UTF-8.")
    reader: PublishedReader = request.app.state.reader
    with reader.snapshot() as snapshot:
        profile = find_profile(snapshot.connection, *identifier)
        if profile is None:
            return error_response(
                404, "profile_not_found", "No profile has this identifier."
            )
        return profile_response(profile, snapshot.published_at)


async def _health(request: Request) -> Response:
    return status_response(200, "ok")


async def _ready(request: Request) -> Response:
    await run_in_threadpool(_open_snapshot, request.app.state.reader)
    return status_response(200, "ready")


def _open_snapshot(reader: PublishedReader) -> None:
    with reader.snapshot():
        pass


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    phrase = HTTPStatus(status)
    return error_response(
        status, phrase.name.lower(), f"{phrase.phrase}.", headers=headers
    )


async def _nothing_published(request: Request, error: Exception) -> Response:
    return error_response(
        503,
        "nothing_published",
        "Nothing was published yet. Run `./kith build`.",
        headers={"Retry-After": "10"},
    )


async def _internal_error(request: Request, error: Exception) -> Response:
    return error_response(
        500, "internal_error", "The profile could not be read; the log says why."
    )
