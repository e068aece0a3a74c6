"""The ceiling: the collector's HTTP server, doing nothing but to read and answer."""

from __future__ import annotations

import sys

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.rsgi import HTTPProtocol, Scope  # type: ignore[attr-defined]  # re-export
from granian.server import MPServer

_ANSWER = b'{"success":true}'
_HEADERS = [("content-type", "application/json")]


class Ceiling:
    """Reads the whole body and answers what the collector answers."""

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        if scope.method == "POST":
            await protocol()
        protocol.response_bytes(200, _HEADERS, _ANSWER)


app = Ceiling()


def serve(port: int, workers: int) -> None:
    """Serve on loopback with the settings that the collector gives the server."""
    MPServer(
        "tests.benchmarks.ceiling:app",
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
    serve(int(sys.argv[1]), int(sys.argv[2]))
