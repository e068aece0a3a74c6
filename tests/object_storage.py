"""An S3-compatible server on loopback, which can be taken away or made to refuse."""

from __future__ import annotations

import logging
import threading
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

BUCKET = "kith"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
Environ = dict[str, Any]
Fault = Callable[[Environ], tuple[str, str] | None]


def refusal(status: str, code: str) -> Fault:
    """Every request is answered with this status and this error of S3."""
    body = f"<Error><Code>{code}</Code><Message>told to</Message></Error>"
    return lambda _: (status, body)


class ObjectServer:
    """Moto's S3 with one bucket. What it holds outlives `stop` and `start`."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.requests: list[tuple[str, str]] = []
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app = DomainDispatcherApplication(create_backend_app)
        self.port = 0
        self.start()
        self._call("POST", "/moto-api/reset")
        self._call("PUT", f"/{BUCKET}")

    def url(self, *, bucket: str = BUCKET) -> str:
        """What `KITH_RAW_URL` is for this server."""
        address = f"127.0.0.1:{self.port}"
        return f"s3://{bucket}/cdp/raw?scheme=http&endpoint_override={address}"

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a process that uses it."""
        return {"KITH_RAW_URL": self.url(), **CREDENTIALS}

    def start(self) -> None:
        """Listen; again on the same port, after a stop."""
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", self.port, self._answer, threaded=True
        )
        self.port = self._server.port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections; stopped already, it stays so."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.requests.append((environ["REQUEST_METHOD"], path))
        answer = self.fault(environ) if self.fault else None
        if answer is None:
            made: Iterable[bytes] = self._app(environ, start_response)
            return made
        status, body = answer
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("content-type", "application/xml")])
        return [body.encode()]

    def _call(self, method: str, path: str) -> None:
        url = f"http://127.0.0.1:{self.port}{path}"
        call = urllib.request.Request(url, method=method)
        urllib.request.urlopen(call, timeout=10).close()  # noqa: S310 - loopback
