"""A destination that takes everything as fast as it can, and counts it.

    python -m tests.benchmarks.sink

Prints its port, then answers each request with 200 and `{}`. `GET /` tells how many
requests and bytes it has had.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import uvloop

_LENGTH = b"content-length:"


class _Counts:
    requests = 0
    bytes = 0


class _Sink(asyncio.Protocol):
    """HTTP/1.1 with a body of known length, and nothing more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of classes of their own.
        self._transport = cast("asyncio.Transport", transport)
        self._head = b""
        self._missing = 0

    def data_received(self, data: bytes) -> None:
        while data:
            if self._missing:
                taken = min(self._missing, len(data))
                self._missing -= taken
                data = data[taken:]
                if not self._missing:
                    self._answer(b"{}")
                continue
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            self._begin(head)

    def _begin(self, head: bytes) -> None:
        line, _, rest = head.lower().partition(_LENGTH)
        length = int(rest.partition(b"\r\n")[0]) if rest else 0
        if line.startswith(b"get "):
            counts = {"requests": _Counts.requests, "bytes": _Counts.bytes}
            self._answer(json.dumps(counts).encode())
            return
        _Counts.requests += 1
        _Counts.bytes += length
        self._missing = length

    def _answer(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve())
