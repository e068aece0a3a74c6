"""Installs the clients that a test asks for, or says why it cannot run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from tests.clients import installed

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def node_environ(pytestconfig: pytest.Config) -> dict[str, str]:
    """Environment of a Node program that uses the clients."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            _give_up(pytestconfig, f"{program} is not installed")
    try:
        return {"NODE_PATH": str(installed.node_modules())}
    except installed.InstallError as error:
        _give_up(pytestconfig, str(error))


@pytest.fixture(scope="session")
def browser_environ(
    node_environ: dict[str, str], pytestconfig: pytest.Config
) -> dict[str, str]:
    """Environment of a Node program that drives Chromium."""
    chromium = os.environ.get("KITH_TEST_CHROMIUM", CHROMIUM)
    if not Path(chromium).exists():
        _give_up(
            pytestconfig,
            f"{chromium} is not installed; KITH_TEST_CHROMIUM names another",
        )
    return node_environ | {"KITH_TEST_CHROMIUM": chromium}


@pytest.fixture(scope="session")
def rudder_python(pytestconfig: pytest.Config) -> Path:
    """A Python that has RudderStack's client."""
    try:
        return installed.rudder_python()
    except installed.InstallError as error:
        _give_up(pytestconfig, str(error))


def _give_up(config: pytest.Config, reason: str) -> NoReturn:
    """Fail where the clients are what is wanted; a developer may lack some of them."""
    is_ordinary = "not clients" in config.getoption("markexpr")
    if is_ordinary and not os.environ.get("CI"):
        pytest.skip(reason)
    pytest.fail(reason)
