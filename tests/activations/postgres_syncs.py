"""Syncs to a Postgres server, and what comes of their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from activations.connectors import Batch, Outcome, Row
from activations.connectors.postgres import deliver
from activations.retries import Retry
from tests.activations.bench import Bench, bench
from tests.activations.postgres_server import PASSWORD, PostgresServer

ONCE = Retry(attempts=1, seconds=5)


def people(tmp_path: Path, server: PostgresServer, **more: Any) -> Bench:
    """A sync of people to the table `people`."""
    settings = server.settings | {"password": "{{ env_var('PG_PASSWORD') }}"}
    more = {"environ": {"PG_PASSWORD": PASSWORD}} | more
    options = {"table": "people"}
    return bench(
        tmp_path, "postgres", settings, action="table", options=options, **more
    )


def send(
    server: PostgresServer,
    rows: list[Row],
    *,
    columns: tuple[str, ...] = ("id", "value"),
    **more: Any,
) -> dict[str, Outcome]:
    """Deliver rows to the table `things`; the outcome of each key."""
    settings = server.settings | {"password": PASSWORD} | more.pop("settings", {})
    batch = Batch(
        sync="s",
        key="id",
        columns=columns,
        rows=tuple(rows),
        options={"schema": "public", "table": "things"},
        private_network=more.pop("private_network", True),
        **more,
    )
    outcomes = list(deliver(batch, settings, retry=ONCE))
    assert sorted(o.row.key for o in outcomes) == sorted(row.key for row in rows)
    return {outcome.row.key: outcome for outcome in outcomes}


def thing(key: str, value: Any, operation: Any = "insert") -> Row:
    return Row(operation, key, "f", {"id": key, "value": value})


def gone(key: str) -> Row:
    return Row("delete", key, "f", None)


def told(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {key: one.code or one.outcome for key, one in outcomes.items()}
