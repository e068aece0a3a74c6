from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.activations.bench import Bench, bench
from tests.activations.scripted import Destination, run_destination


@pytest.fixture
def destination() -> Iterator[Destination]:
    """A destination on loopback that takes everything until it is told otherwise."""
    with run_destination() as running:
        yield running


@pytest.fixture
def crm(tmp_path: Path, destination: Destination) -> Bench:
    """A mirror of people in a webhook that takes batches."""
    return bench(tmp_path, "webhook", {"url": destination.url}, action="rows")
