"""Runs the collector: HTTP workers, and beside them the process that lands the log."""

from __future__ import annotations

import os
import subprocess
import sys

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import MPServer

from collector.files import make_directories, try_lock
from collector.landing import ensure_datasets, land
from collector.settings import CollectorSettings
from collector.sources import load_sources

HEADER_MILLISECONDS = 10_000
DRAIN_SECONDS = 15


class AlreadyRunning(Exception):
    """Another collector uses the same data directory."""


def serve() -> None:
    """Serve until SIGTERM or SIGINT; everything acknowledged is landed on the way out.

    Settings come from the environment, where the workers read them too. Raises
    `SourcesError` when `sources.yml` cannot be used, and `AlreadyRunning`.
    """
    settings = CollectorSettings()
    load_sources(settings.sources, environ=os.environ)
    make_directories(settings.log_dir)
    lock = try_lock(settings.log_dir / "COLLECTOR")
    if lock is None:
        raise AlreadyRunning(f"{settings.log_dir} is in use by another collector")
    with lock:
        ensure_datasets(settings.raw_dir)
        landing = subprocess.Popen([sys.executable, "-m", "collector.landing"])
        try:
            _http_server(settings).serve()
        finally:
            landing.terminate()
            landing.wait()
            land(settings.log_dir, settings.raw_dir)


def _http_server(settings: CollectorSettings) -> MPServer:
    return MPServer(
        "collector.app:create",
        factory=True,
        interface=Interfaces.RSGI,
        address=settings.collector_host,
        port=settings.collector_port,
        workers=settings.collector_workers,
        websockets=False,
        backpressure=4_096,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS),
        log_level=LogLevels.warning,
        log_access=False,
    )
