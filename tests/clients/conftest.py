"""Installs the clients that a test asks for, or says why it cannot run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.clients import installed

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def node_environ() -> dict[str, str]:
    """Environment of a Node program that uses the clients."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return {"NODE_PATH": str(installed.node_modules())}


@pytest.fixture(scope="session")
def browser_environ(node_environ: dict[str, str]) -> dict[str, str]:
    """Environment of a Node program that drives Chromium."""
    chromium = os.environ.get("KITH_TEST_CHROMIUM", CHROMIUM)
    if not Path(chromium).exists():
        pytest.skip(f"{chromium} is not installed; KITH_TEST_CHROMIUM names another")
    return node_environ | {"KITH_TEST_CHROMIUM": chromium}


@pytest.fixture(scope="session")
def rudder_python() -> Path:
    """A Python that has RudderStack's client."""
    return installed.rudder_python()
