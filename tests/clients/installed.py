"""The real clients, installed as their users install them.

They live in the user's cache, in a directory named after the file that pins them, so
they are installed once, and again when a pin changes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"


class InstallError(Exception):
    """What is pinned cannot be installed here."""


def node_modules() -> Path:
    """The Node and browser clients, from `package-lock.json`."""
    names = ("package.json", "package-lock.json")

    def install(directory: Path) -> None:
        for name in names:
            shutil.copy(PACKAGES / name, directory)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(command, cwd=directory)

    return _cached("node", names, install) / "node_modules"


def rudder_python() -> Path:
    """A Python with RudderStack's client; it cannot share an environment with Kith."""

    def install(directory: Path) -> None:
        _run([sys.executable, "-m", "venv", "."], cwd=directory)
        pins = PACKAGES / "rudder-python.txt"
        command = ["bin/python", "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*command, "--no-deps", "-r", str(pins)], cwd=directory)

    return _cached("rudder-python", ("rudder-python.txt",), install) / "bin" / "python"


def _cached(kind: str, pins: tuple[str, ...], install: Callable[[Path], None]) -> Path:
    """The directory of what is pinned, installed when it is not there yet.

    What is installed is moved into its place at once, so that a run that is stopped
    leaves nothing half done there.
    """
    digest = hashlib.sha256(b"".join((PACKAGES / name).read_bytes() for name in pins))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "kith" / "clients" / f"{kind}-{digest.hexdigest()[:16]}"
    if not place.exists():
        directory = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        directory.mkdir(parents=True)
        try:
            install(directory)
            directory.rename(place)
        except OSError:
            if not place.exists():  # else another run was faster
                raise
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    return place


def _run(command: list[str], *, cwd: Path) -> None:
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise InstallError(f"{' '.join(command)} failed:\n{result.stderr}")
