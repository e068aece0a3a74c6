"""A destination on loopback that answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Give:
    """An answer, after `seconds` or `until` an event.

    `reset` closes the connection with a TCP reset instead.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    seconds: float = 0.0
    until: threading.Event | None = None


@dataclass
class Destination:
    """Keeps what it was sent, and what records it holds by key.

    Answers come from `script` while it lasts, then from `answer`. Only an answer of
    2xx takes records in.
    """

    url: str = ""
    answer: Callable[[Got], Give] = lambda got: Give()
    script: list[Give] = field(default_factory=list)
    requests: list[Got] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def statuses_left(self) -> int:
        return len(self.script)

    def forget(self) -> None:
        """Be as at the start, for another test."""
        for kept in (self.script, self.requests, self.held):
            kept.clear()
        self.answer = lambda got: Give()
        self.most_at_once = 0

    def receive(self, got: Got) -> Give:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.requests.append(got)
            give = self.script.pop(0) if self.script else self.answer(got)
            if 200 <= give.status < 300:
                self._take(got)
        time.sleep(give.seconds)
        if give.until is not None:
            give.until.wait(timeout=30)
        with self._lock:
            self._now -= 1
        return give

    def _take(self, got: Got) -> None:
        try:
            entries = got.json
        except ValueError:
            return
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(entry, dict) or "operation" not in entry:
                continue
            if entry["operation"] == "delete":
                self.held.pop(entry["key"], None)
            else:
                self.held[entry["key"]] = entry["record"]


@contextmanager
def run_destination() -> Iterator[Destination]:
    """Serve a destination on a free port of loopback while the context lasts."""
    destination = Destination()

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body leave together

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = self.rfile.read(length)
            if len(body) < length:
                # The client died while sending: that was no request.
                self.close_connection = True
                return
            got = Got(
                method=self.command,
                path=self.path,
                headers={n.lower(): v for n, v in self.headers.items()},
                body=body,
                at=time.monotonic(),
            )
            give = destination.receive(got)
            if give.reset:
                # A linger time of zero makes close() send RST.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                return
            is_raw = isinstance(give.body, bytes)
            content = give.body if is_raw else json.dumps(give.body).encode()
            if give.status == 204:
                content = b""
            self.send_response(give.status)
            for name, value in give.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def handle(self) -> None:
            # A client that hangs up is part of the tests.
            try:
                super().handle()
            except (ConnectionError, ValueError, OSError):
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (ConnectionError, ValueError, OSError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def shutdown_request(self, request: Any) -> None:
            try:
                super().shutdown_request(request)
            except OSError:
                self.close_request(request)

    server = Server(("127.0.0.1", 0), Endpoint)
    destination.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield destination
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
