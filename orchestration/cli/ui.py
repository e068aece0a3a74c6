"""`kith ui`: Dagster's web interface and the Profile API, in the foreground."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from orchestration.cli.output import err
from orchestration.cli.ports import require_free

STOP_SECONDS = 30


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(ui)


def ui() -> None:
    """Serve Dagster and the Profile API, until Ctrl-C."""
    from orchestration.project import prepare_manifest
    from profiles.settings import ProfilesSettings

    settings = ProfilesSettings()
    prepare_manifest(settings.data_dir)
    with serving() as urls:
        for name, url in urls.items():
            err.print(f"{name}: {url}")
        wait_for_signal()


@contextmanager
def serving() -> Iterator[dict[str, str]]:
    """Dagster and the Profile API as processes, ended on exit; yields their URLs."""
    from orchestration.project import ROOT, prepare_dagster_home
    from profiles.settings import ProfilesSettings

    settings = ProfilesSettings()
    port = dagster_port()
    require_free("127.0.0.1", port, variable="KITH_DAGSTER_PORT")
    require_free(
        settings.profiles_host,
        settings.profiles_port,
        variable="KITH_PROFILES_PORT",
    )
    home = prepare_dagster_home(settings.data_dir)
    host = settings.profiles_host
    # A shell starts background jobs with SIGINT ignored; Dagster, whose SIGTERM does
    # what its SIGINT does, could then not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    commands = [
        [program("dagster"), "dev", "--host", "127.0.0.1", "--port", str(port)],
        [sys.executable, "-m", "profiles"],
    ]
    processes = [
        subprocess.Popen(  # noqa: S603 - our own programs
            command, cwd=ROOT, env={**os.environ, "DAGSTER_HOME": str(home)}
        )
        for command in commands
    ]
    try:
        yield {
            "Dagster": f"http://127.0.0.1:{port}",
            "Profile API": f"http://{host}:{settings.profiles_port}/v1/profiles/",
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            _wait_or_kill(process)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def program(name: str) -> str:
    """The path of a program of this installation."""
    return str(Path(sys.executable).parent / name)


def dagster_port() -> int:
    """Where Dagster listens: KITH_DAGSTER_PORT, or 8012."""
    from orchestration.cli.problems import Problem

    port = os.environ.get("KITH_DAGSTER_PORT", "8012")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Problem(f"KITH_DAGSTER_PORT must be a port number, not '{port}'.")
    return int(port)


def wait_for_signal() -> None:
    """Block until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    err.print("running; stop with Ctrl-C")
    stop.wait()
