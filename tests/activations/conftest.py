from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.activations.bench import Bench, bench
from tests.activations.postgres_server import PostgresServer, run_postgres
from tests.activations.processes import Start, start_run
from tests.activations.scripted import Destination, run_destination
from tests.object_storage import ObjectServer


@pytest.fixture
def destination() -> Iterator[Destination]:
    """A destination on loopback that takes everything until it is told otherwise."""
    with run_destination() as running:
        yield running


@pytest.fixture
def crm(tmp_path: Path, destination: Destination) -> Bench:
    """A mirror of people in a webhook that takes batches."""
    return bench(tmp_path, "webhook", {"url": destination.url}, action="rows")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runs of a data directory's sync; none outlives its test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*given: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start_run(*given, **options))
        return started[-1]

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            process.communicate()


@pytest.fixture
def files(tmp_path: Path) -> Bench:
    """A mirror of people in a CSV file."""
    return bench(tmp_path, "files", {"location": str(tmp_path / "out")}, action="file")


@pytest.fixture(scope="session")
def bucket() -> Iterator[ObjectServer]:
    """Object storage with a bucket."""
    server = ObjectServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[PostgresServer]:
    """A real Postgres server."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def server(cluster: PostgresServer) -> PostgresServer:
    """The Postgres server, with an empty schema."""
    cluster.run("drop schema public cascade; create schema public")
    return cluster
