"""A published database that holds a small identity graph, made without dbt.

It has the columns that the commands about identities read, in the types of the models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from profiles.published import publish

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
TABLES = """
create schema identity;
create schema staging;
create table identity.profile_identifiers (
    profile_id varchar, identifier_type varchar, identifier_value varchar,
    identifier_id bigint
);
create table identity.int_identity_edges (
    left_id bigint, right_id bigint, received_at timestamptz, message_id varchar,
    source_id varchar, priority integer
);
create table identity.identity_conflicts (
    profile_id varchar, identifier_type varchar, identifier_value varchar,
    other_profile_id varchar, other_identifier_type varchar,
    other_identifier_value varchar, state varchar, reason varchar,
    received_at timestamptz, message_id varchar, source_id varchar
);
create table staging.stg_identity_rules (
    rule_id varchar, action varchar, left_type varchar, left_value varchar,
    right_type varchar, right_value varchar, reason varchar, created_by varchar,
    created_at timestamptz
);
create table staging.stg_events (
    source_id varchar, message_id varchar, type varchar, event varchar
);
"""


@dataclass
class Graph:
    """Profiles with their identifiers as `type:value`, and what links these."""

    profiles: Mapping[str, Iterable[str]]
    events: Iterable[tuple[str, str, str]] = ()
    """Left, right, and the name of the event, in order of arrival."""
    rules: Iterable[tuple[str, str, str]] = ()
    """The action, left and right."""
    source_id: str = "shop"
    _ids: dict[str, int] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)

    def publish(self, data_dir: Path) -> Path:
        """Publish the graph; an event between two profiles is one that was refused."""
        with duckdb.connect(data_dir / "warehouse.duckdb") as connection:
            connection.execute(TABLES)
            for profile_id, identifiers in self.profiles.items():
                for name in identifiers:
                    self._ids[name] = len(self._ids)
                    self._owners[name] = profile_id
                    row = [profile_id, *name.split(":", 1), self._ids[name]]
                    _insert(connection, "identity.profile_identifiers", row)
            for number, (left, right, event) in enumerate(self.events):
                self._add_event(connection, number, left, right, event)
            for number, (action, left, right) in enumerate(self.rules):
                ends = [*left.split(":", 1), *right.split(":", 1)]
                row = [f"r{number}", action, *ends, "she said so", "ann", START]
                _insert(connection, "staging.stg_identity_rules", row)
        return publish(data_dir / "warehouse.duckdb", data_dir / "published")

    def _add_event(
        self,
        connection: duckdb.DuckDBPyConnection,
        number: int,
        left: str,
        right: str,
        event: str,
    ) -> None:
        at, message = START + timedelta(minutes=number), f"m{number}"
        ids = sorted((self._ids[left], self._ids[right]))
        row = [*ids, at, message, self.source_id, 2]
        _insert(connection, "identity.int_identity_edges", row)
        row = [self.source_id, message, "track", event or None]
        _insert(connection, "staging.stg_events", row)
        if self._owners[left] != self._owners[right]:
            ends = [
                part
                for name in (left, right)
                for part in (self._owners[name], *name.split(":", 1))
            ]
            row = [*ends, "refused", "limit of user_id", at, message, self.source_id]
            _insert(connection, "identity.identity_conflicts", row)


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, row: list[object]
) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(f"insert into {table} values ({marks})", row)  # noqa: S608 -- a table above
