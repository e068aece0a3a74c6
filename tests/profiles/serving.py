"""A running Profile API, and what to ask it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn

from profiles.app import create_app
from profiles.reader import PublishedReader

TOKEN = "a-token-of-these-tests"  # noqa: S105 (opens nothing else)


@dataclass(frozen=True)
class Api:
    """A running Profile API."""

    port: int

    def get(
        self, path: str, authorization: str | None = f"Bearer {TOKEN}"
    ) -> tuple[int, Any, http.client.HTTPMessage]:
        """Status, JSON body and headers of the answer to `path`, sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, json.load(response), response.headers
        finally:
            connection.close()

    def find(self, identifier_type: str, value: str) -> tuple[int, Any]:
        """Status and body of the lookup of one identifier."""
        kind, encoded = quote(identifier_type, safe=""), quote(value, safe="")
        status, body, _ = self.get(f"/v1/profiles/{kind}/{encoded}")
        return status, body


@contextmanager
def running(published_dir: Path) -> Iterator[Api]:
    """The Profile API over `published_dir`, on a free port, for as long as needed."""
    app = create_app(PublishedReader(published_dir), token=TOKEN)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            yield Api(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()
