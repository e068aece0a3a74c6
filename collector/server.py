"""Runs the collector: HTTP workers, and beside them the process that lands the log."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from collector.errors import SourcesError
from collector.files import make_directories, try_lock
from collector.landing import ensure_datasets, land
from collector.log import DRAIN_SIGNAL
from collector.settings import CollectorSettings
from collector.sources import load_sources

HEADER_BYTES = 65_536
STOP_SECONDS = 10
LAST_LANDING_SECONDS = 3.0
FILES_PER_WORKER = 128
"""Descriptors that a worker needs besides its connections."""
EXIT_ALREADY_RUNNING = 75
EXIT_CONFIGURATION = 78


class AlreadyRunning(Exception):
    """Another collector uses the same data directory."""


def serve() -> None:
    """Serve until SIGTERM or SIGINT; what is acknowledged is landed on the way out.

    Settings come from the environment, where the workers read them too. Raises
    `SourcesError` when `sources.yml` cannot be used, and `AlreadyRunning`.
    """
    settings = CollectorSettings()
    load_sources(settings.sources, environ=os.environ)
    make_directories(settings.log_dir)
    path = settings.log_dir / "COLLECTOR"
    lock = try_lock(path)
    if lock is None:
        raise AlreadyRunning(
            f"the log {settings.log_dir} is locked by another collector, "
            f"process {path.read_text().strip() or 'unknown'}"
        )
    with lock:
        ensure_datasets(settings.raw_dir)
        _prepare_metrics(settings.data_dir / "metrics")
        landing = subprocess.Popen([sys.executable, "-m", "collector.landing"])
        try:
            _http_server(settings).serve()
        finally:
            landing.terminate()
            landing.wait()
            land(settings.log_dir, settings.raw_dir, seconds=LAST_LANDING_SECONDS)


def _prepare_metrics(directory: Path) -> None:
    """Give the workers and the landing process a fresh directory to count in."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


class _Server(MPServer):
    """Granian, which on SIGTERM closes its port only after a while.

    Until then `/ready` says no and new events are answered 429, so that whatever sends
    traffic here learns of it from an answer and not from a refused connection.
    """

    drain_seconds = 0.0

    def signal_handler_interrupt(self, *arguments: Any) -> None:
        stop: Callable[..., None] = super().signal_handler_interrupt
        if arguments[:1] != (signal.SIGTERM,) or not self.drain_seconds:
            stop()
            return
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.inner.pid, DRAIN_SIGNAL)
        timer = threading.Timer(self.drain_seconds, stop)
        timer.daemon = True
        timer.start()


def _http_server(settings: CollectorSettings) -> _Server:
    server = _Server(
        "collector.app:create",
        factory=True,
        interface=Interfaces.RSGI,
        address=settings.collector_host,
        port=settings.collector_port,
        workers=settings.collector_workers,
        websockets=False,
        backpressure=_connections(settings.max_connections),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.header_seconds * 1000),
            max_buffer_size=HEADER_BYTES,
        ),
        log_level=LogLevels.warning,
        log_access=False,
    )
    server.drain_seconds = settings.drain_seconds
    return server


def _connections(wanted: int) -> int:
    """How many connections a worker may hold and still open the files it needs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return max(1, min(wanted, most - FILES_PER_WORKER))


def main() -> int:
    """`python -m collector.server`: serve, and say by the exit code why not."""
    try:
        serve()
    except AlreadyRunning as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_ALREADY_RUNNING
    except SourcesError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
