"""Keeps the collector's processes running: the HTTP workers and the landing process.

Whatever ends without having been told to is started anew, for ever: a worker whose log
broke leaves on purpose, so that its successor reads the disk afresh.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from granian.server import MPServer

from collector.live_sources import LiveSources
from collector.log import DRAIN_SIGNAL

CHECK_SECONDS = 0.5
STOP_SECONDS = 8.0
SHORT_LIFE_SECONDS = 5.0
PAUSE_SECONDS = 1.0
"""Between two starts of what ended after a short life: a broken disk must not make the
machine busy with starting processes."""

logger = structlog.get_logger("collector.supervisor")


class Landing:
    """The landing process, started anew whenever it is found ended."""

    def __init__(self) -> None:
        self._start()

    def keep_running(self) -> None:
        """Start it again if it ended, after a pause if it had only just started."""
        status = self._process.poll()
        if status is None or time.monotonic() < self._pause_until:
            return
        logger.error("the landing process ended; starting it anew", status=status)
        self._start()

    def stop(self) -> None:
        """End it, and wait until it has ended; one that hangs is killed.

        At any moment that is safe: a segment goes after all its files are in place.
        """
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            logger.error("landing hangs; killing it. The log keeps the events")
            self._process.kill()
            self._process.wait()

    def _start(self) -> None:
        self._pause_until = time.monotonic() + PAUSE_SECONDS
        # Its parent may be gone before it can ask who that is.
        command = [sys.executable, "-m", "collector.landing", str(os.getpid())]
        self._process = subprocess.Popen(command)  # noqa: S603 - our own program


class Server(MPServer):
    """Granian, which on SIGTERM closes its port only after a while.

    Until then `/ready` says no and new events are answered 429, so that whatever sends
    traffic here learns of it from an answer and not from a refused connection.
    """

    drain_seconds = 0.0
    landing: Landing
    sources: LiveSources
    """Kept up to date for workers that start later."""

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        os.register_at_fork(after_in_child=_let_signals_end_this_process)
        start: Callable[..., None] = super().startup
        start(spawn_target, target_loader)

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

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """Look after workers and landing until told to stop.

        Granian's own loop gives up all workers when one ends twice within seconds, and
        may overlook one of two that end at the same moment.
        """
        reload: Callable[..., None] = self._reload
        while not self.interrupt_signal:
            self.main_loop_interrupt.wait(CHECK_SECONDS)
            if self.interrupt_signal:
                return
            self.main_loop_interrupt.clear()
            self.landing.keep_running()
            self.sources.refresh()
            while self.interrupt_children and not self.interrupt_signal:
                index = self.interrupt_children.pop()
                if time.monotonic() - self.wrks[index].birth < SHORT_LIFE_SECONDS:
                    time.sleep(PAUSE_SECONDS)
                self._respawn_workers([index], spawn_target, target_loader)
            if self.reload_signal:
                reload(spawn_target, target_loader)


def _let_signals_end_this_process() -> None:
    """A worker is a fork of the server, and would ignore a SIGTERM while it starts."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
