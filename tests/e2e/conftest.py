"""The demo, run as a newcomer runs it; every test looks at the same one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kith import Kith


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kith, Any, Any]:
    """The demo, run twice over the same data directory."""
    kith = Kith(tmp_path_factory.mktemp("demo") / "data")
    first = kith.json("demo")
    second = kith.json("demo")
    return Kith(kith.data_dir, kith.environ, in_process=True), first, second
