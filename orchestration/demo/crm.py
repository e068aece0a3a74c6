"""A stand-in for a marketing tool: an HTTP endpoint that keeps the rows it is sent.

It stands where the tool's own API would; everything before it is real. What it holds
survives restarts in a JSON file, as the customers of a real tool would.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MAX_BODY = 10_000_000


class Customers:
    """The rows the tool holds, by key, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.rows: dict[str, Any] = {}
        if file.exists():
            self.rows = json.loads(file.read_text(encoding="utf-8"))

    def apply(self, changes: list[dict[str, Any]]) -> None:
        """Carry out a batch of `{operation, key, record}`."""
        with self._lock:
            for change in changes:
                if change["operation"] == "delete":
                    self.rows.pop(change["key"], None)
                else:
                    self.rows[change["key"]] = change["record"]
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")


@contextmanager
def run_crm(file: Path, url: str) -> Iterator[Customers]:
    """Serve the stand-in at `url` while the context lasts; `OSError` if it is taken."""
    address = urlsplit(url)
    customers = Customers(file)

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            if length > MAX_BODY:
                self._answer(413, {"error": "too large"})
                return
            customers.apply(json.loads(self.rfile.read(length)))
            self._answer(200, {"ok": True})

        def do_GET(self) -> None:
            self._answer(200, customers.rows)

        def _answer(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent: the demo tells its own story."""

    server = ThreadingHTTPServer((address.hostname or "", address.port or 80), Endpoint)
    thread = threading.Thread(target=server.serve_forever, name="crm", daemon=True)
    thread.start()
    try:
        yield customers
    finally:
        server.shutdown()
        server.server_close()
