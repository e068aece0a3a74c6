"""Real servers for tests: each runs as a process of its own, on loopback."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITE_KEY = "test-write-key"
START_SECONDS = 30
SOURCES = """
sources:
  shop: {write_key_env: KITH_WRITE_KEY, kind: server}
  web: {write_key_env: KITH_WEB_KEY, kind: browser}
  closed: {write_key_env: KITH_CLOSED_KEY, kind: server, enabled: false}
"""
KEYS = {
    "KITH_WRITE_KEY": WRITE_KEY,
    "KITH_WEB_KEY": "web-key",
    "KITH_CLOSED_KEY": "closed-key",
}


def free_port() -> int:
    """A TCP port that nothing listens on now.

    It is below those that the system gives to outgoing connections, so that none takes
    it before the server does; and at random, as several suites may run at once.
    """
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Answer:
    """An HTTP answer; a JSON body is decoded, any other stays bytes."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class CollectorProcess:
    """A running collector: all its processes are one group that can be killed."""

    data_dir: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def post(
        self,
        path: str,
        document: Any,
        *,
        key: str | None = WRITE_KEY,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST a document (or raw bytes) with a write key in Basic authentication."""
        body = (
            document if isinstance(document, bytes) else json.dumps(document).encode()
        )
        return request(self.url + path, body=body, user=key, headers=headers)

    def kill(self) -> None:
        """SIGKILL every process of it at once, as a crash of the machine would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.wait_until_gone()

    def wait_until_gone(self) -> None:
        """Wait until no process of it holds the log: a killed one takes its time."""
        for pattern in ("COLLECTOR", "LANDING", "*/LOCK"):
            for path in self.data_dir.glob(f"log/{pattern}"):
                with path.open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX)

    def stop(self) -> None:
        """SIGTERM, and wait until everything acknowledged is landed."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


def request(
    url: str,
    *,
    body: bytes | None = None,
    user: str | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """One HTTP request; an answer of any status is an answer, not an exception."""
    call = urllib.request.Request(  # noqa: S310 - loopback
        url, data=body, headers=dict(headers or {}), method=method
    )
    if user is not None:
        call.add_header("Authorization", basic(user))
    try:
        with urllib.request.urlopen(call, timeout=30) as reply:  # noqa: S310 - loopback
            return _answer(reply.status, reply)
    except urllib.error.HTTPError as error:
        with error:
            return _answer(error.code, error)


def _answer(status: int, reply: Any) -> Answer:
    body = reply.read()
    is_json = body and reply.headers.get_content_type() == "application/json"
    return Answer(status, json.loads(body) if is_json else body, dict(reply.headers))


def basic(user: str) -> str:
    """A Basic `Authorization` header with an empty password."""
    import base64

    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


def start_collector(
    data_dir: Path,
    *,
    port: int = 0,
    environ: Mapping[str, str] | None = None,
    sources: str = SOURCES,
    until: str = "/ready",
) -> CollectorProcess:
    """Start a collector and wait until the page `until` is there.

    Without a port it listens on a free one.
    """
    port = port or free_port()
    sources_file = sources_path(data_dir)
    sources_file.write_text(sources)
    settings = {
        "KITH_DATA_DIR": str(data_dir),
        "KITH_SOURCES": str(sources_file),
        "KITH_COLLECTOR_PORT": str(port),
        "KITH_SEGMENT_SECONDS": "0.3",
        "KITH_MIN_FREE_BYTES": "1000000",
        "KITH_DRAIN_SECONDS": "0",
        **KEYS,
        **(environ or {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "collector.server"],
        env={**os.environ, **settings},
        stdout=2,  # what it says is not what a benchmark prints
        start_new_session=True,
    )
    collector = CollectorProcess(data_dir, port, process)
    _wait_until_ready(collector, until)
    return collector


@contextlib.contextmanager
def running_collector(
    data_dir: Path,
    *,
    environ: Mapping[str, str] | None = None,
    sources: str = SOURCES,
) -> Iterator[CollectorProcess]:
    """A collector for the length of a `with` block."""
    collector = start_collector(data_dir, environ=environ, sources=sources)
    try:
        yield collector
    finally:
        collector.stop()


def sources_path(data_dir: Path) -> Path:
    """The `sources.yml` of a collector started on this directory."""
    return data_dir.parent / f"{data_dir.name}-sources.yml"


def _wait_until_ready(collector: CollectorProcess, page: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if collector.process.poll() is not None:
            raise RuntimeError("the collector ended while it started")
        with contextlib.suppress(OSError):
            if request(collector.url + page).status == 200:
                return
        time.sleep(0.05)
    collector.kill()
    raise RuntimeError("the collector did not become ready")
