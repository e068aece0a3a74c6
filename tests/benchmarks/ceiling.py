"""What the collector is measured against: its HTTP server, doing less and less.

`read only` reads the body and answers. `parse and sync` also parses it, writes it anew,
and answers when that is compressed and on disk: all that the collector does in C, and
nothing of what it does in Python.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import orjson
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export
from granian.server import MPServer

from collector.log import Log

DIRECTORY = "KITH_BENCH_LOG"
_ANSWER = b'{"success":true}'
_HEADERS = [("content-type", "application/json")]


class Ceiling:
    """Reads the whole body and answers what the collector answers."""

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        if scope.method == "POST":
            await protocol()
        protocol.response_bytes(200, _HEADERS, _ANSWER)


class ParseAndSync:
    """Makes the body durable as the collector does, but looks at nothing in it."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self._start())

    async def _start(self) -> None:
        stream = Path(os.environ[DIRECTORY]) / str(os.getpid())
        stream.mkdir(parents=True)
        self._log = Log(
            stream, segment_bytes=10**12, segment_seconds=3600, pending_bytes=10**9
        )

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        if scope.method == "POST":
            document = orjson.loads(await protocol())
            events = document.get("batch") or [document]
            lines = [
                orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
                for event in events
            ]
            await self._log.append(b"".join(lines))
        protocol.response_bytes(200, _HEADERS, _ANSWER)


read_only = Ceiling()
parse_and_sync = ParseAndSync()


def serve(name: str, port: int, workers: int) -> None:
    """Serve on loopback with the settings that the collector gives the server."""
    MPServer(
        f"tests.benchmarks.ceiling:{name}",
        interface=Interfaces.RSGI,
        address="127.0.0.1",
        port=port,
        workers=workers,
        http=HTTPModes.http1,
        websockets=False,
        http1_settings=HTTP1Settings(
            header_read_timeout=10_000, max_buffer_size=65_536
        ),
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
