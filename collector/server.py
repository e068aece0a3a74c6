"""Runs the collector: HTTP workers, and beside them the process that lands the log."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import socket
import sys
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from pydantic import ValidationError

from collector import logs
from collector.errors import SourcesError
from collector.files import make_directories, try_lock
from collector.landing import LAST_SECONDS, ensure_datasets, land
from collector.live_sources import LiveSources
from collector.settings import CollectorSettings, wrong_settings
from collector.supervisor import Landing, Server

HEADER_BYTES = 65_536
STOP_SECONDS = 10
FILES_PER_WORKER = 128
"""Descriptors that a worker needs besides its connections."""
EXIT_TAKEN = 75
"""Another process has what this one needs; it may be free a little later."""
EXIT_CONFIGURATION = 78


class AlreadyRunning(Exception):
    """Another collector uses the same data directory."""


class CannotListen(Exception):
    """The address or the port cannot be had."""


def serve() -> None:
    """Serve until SIGTERM or SIGINT; what is acknowledged is landed on the way out.

    Settings come from the environment, where the workers read them too. Raises
    `SourcesError` when `sources.yml` cannot be used, `CannotListen` and
    `AlreadyRunning`.
    """
    logs.configure()
    settings = CollectorSettings()
    sources = LiveSources(settings.sources, environ=os.environ)
    make_directories(settings.log_dir)
    path = settings.log_dir / "COLLECTOR"
    lock = try_lock(path)
    if lock is None:
        raise AlreadyRunning(
            f"the log {settings.log_dir} is locked by another collector, "
            f"process {path.read_text().strip() or 'unknown'}"
        )
    with lock:
        _require_port(settings.collector_host, settings.collector_port)
        # Object storage is the landing process's alone: a call to it may hang, and its
        # client has threads, which a process that forks must not have.
        if settings.raw_dir:
            ensure_datasets(settings.raw_dir)
        _prepare_metrics(settings.data_dir / "metrics")
        landing = Landing()
        try:
            _http_server(settings, landing, sources).serve()
        finally:
            landing.stop()
            if settings.raw_dir:
                land(settings.log_dir, settings.raw_dir, seconds=LAST_SECONDS)


def _require_port(host: str, port: int) -> None:
    """Raise `CannotListen` unless a server could listen there.

    Workers share their port, so a second collector could silently share it too.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {host}:{port}: {error.strerror}. Choose another "
                "with KITH_COLLECTOR_HOST and KITH_COLLECTOR_PORT."
            ) from None


def _prepare_metrics(directory: Path) -> None:
    """Give the workers and the landing process a fresh directory to count in."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _http_server(
    settings: CollectorSettings, landing: Landing, sources: LiveSources
) -> Server:
    server = Server(
        "collector.app:create",
        factory=True,
        interface=Interfaces.RSGI,
        address=settings.collector_host,
        port=settings.collector_port,
        workers=settings.collector_workers,
        # To tell HTTP/2 apart granian would wait for a first byte, without a deadline.
        http=HTTPModes.http1,
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
    server.landing = landing
    server.sources = sources
    sources.hand_down()
    if sys.platform == "linux":
        multiprocessing.set_start_method("fork", force=True)
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
    except (AlreadyRunning, CannotListen) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_TAKEN
    except SourcesError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIGURATION
    except ValidationError as error:
        sys.stderr.write(f"{wrong_settings(error)}\n")
        return EXIT_CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
