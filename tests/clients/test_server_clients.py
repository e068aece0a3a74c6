"""Unmodified Python and Node clients: what they send is in Parquet exactly once."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.clients.sending import (
    node_client,
    numbers,
    python_client,
    sending,
    stored,
    survive_outage,
)
from tests.servers import running_collector, start_collector

TYPES = ["alias", "group", "identify", "page", "screen", "track"]
Client = tuple[Callable[[str, str], list[str]], Mapping[str, str]]


CLIENTS = ["segment-python", "rudder-python", "segment-node", "rudder-node"]
PATIENT_CLIENTS = [
    "segment-python",
    "rudder-python",
    *(
        pytest.param(name, marks=pytest.mark.clients)
        for name in ("segment-node", "rudder-node")
    ),
]
"""For what takes long: only some of them belong to the ordinary run."""


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Client:
    """A command of url and scenario, and the environment it runs in."""
    package, _, language = str(request.param).partition("-")
    package = {"rudder": "rudderstack"}.get(package, package)
    if language == "node":
        environ: dict[str, str] = request.getfixturevalue("node_environ")
        return lambda url, scenario: node_client(package, url, scenario), environ
    python = Path(sys.executable)
    if package == "rudderstack":
        python = request.getfixturevalue("rudder_python")
    return lambda url, scenario: python_client(python, package, url, scenario), {}


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_every_call_is_stored_once(client: Client, tmp_path: Path) -> None:
    command, environ = client
    with running_collector(tmp_path / "data") as collector:
        with sending(command(collector.url, "calls"), environ):
            pass
        collector.stop()
        rows = stored(collector)
    assert sorted(row["type"] for row in rows) == TYPES
    by_type = {row["type"]: row for row in rows}
    assert by_type["identify"]["traits"] == '{"email":"a@b.example"}'
    assert by_type["group"]["group_id"] == "g"
    assert by_type["alias"]["previous_id"] == "before"
    assert by_type["page"]["name"] == "Home"
    assert all(row["user_id"] == "u" and row["library_name"] for row in rows)
    assert all(row["flags"] == [] and row["sent_at"] for row in rows)


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_a_burst_is_stored_once(client: Client, tmp_path: Path) -> None:
    command, environ = client
    with running_collector(tmp_path / "data") as collector:
        with sending(command(collector.url, "burst"), environ):
            pass
        collector.stop()
        assert len(stored(collector)) == 1_000
        assert numbers(collector) == Counter(range(1_000))


@pytest.mark.parametrize("client", PATIENT_CLIENTS, indirect=True)
def test_an_outage_loses_nothing(client: Client, tmp_path: Path) -> None:
    """The collector is killed while the client sends, and comes back."""
    command, environ = client
    collector = start_collector(tmp_path / "data")
    try:
        with sending(command(collector.url, "outage"), environ) as program:
            collector = survive_outage(collector, program)
        collector.stop()
        assert numbers(collector) == Counter(range(100))
    finally:
        collector.stop()
