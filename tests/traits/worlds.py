"""Generated events in a DuckDB of their own, and the definitions that can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from orchestration.conditions.catalogue import Catalogue, Table
from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import for_database
from orchestration.conditions.reading import Mistakes
from orchestration.traits.definitions import Topic
from orchestration.traits.queries import topic_query
from orchestration.traits.reading import read_topic

NOW = datetime(2026, 11, 18, 15, 30, tzinfo=UTC)

ENVELOPE = {
    "source_id": "varchar",
    "message_id": "varchar",
    "profile_id": "varchar",
    "timestamp": "timestamptz",
    "received_at": "timestamptz",
}
PROPERTIES = {
    "word": "varchar",
    "amount": "decimal(12, 2)",
    "number": "bigint",
    "is_new": "boolean",
    "seen_at": "timestamptz",
    "tags": "varchar[]",
}
_ARROW = {
    "varchar": pa.string(),
    "timestamptz": pa.timestamp("us", "UTC"),
    "decimal(12, 2)": pa.decimal128(12, 2),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "varchar[]": pa.list_(pa.string()),
}

WORDS = [None, "", "a", "ab", "Ab", "b", "it's", "a\\b", "ä %_", "{{ x }}"]
TIMES = [timedelta(0), timedelta(microseconds=1)]
LENGTHS = ["90 minutes", "1 hour", "1 day", "30 days", "2 weeks"]


def table(model: str, title: str, columns: Mapping[str, str]) -> Table:
    """A model of the catalogue."""
    return Table(
        model,
        "main",
        {name: Column(name, data_type) for name, data_type in columns.items()},
        title,
    )


CATALOGUE = Catalogue(
    events={
        "thing_done": table("thing_done", "Thing Done", ENVELOPE | PROPERTIES),
        "thing_seen": table("thing_seen", "Thing Seen", ENVELOPE | PROPERTIES),
    },
    traits={
        "traits_known": table(
            "traits_known",
            "",
            {"profile_id": "varchar", "country": "varchar", "age": "bigint"},
        )
    },
    audiences=frozenset(),
    tables={},
)


@dataclass
class World:
    """Events, what is known of people, and who belongs to which account."""

    events: Mapping[str, list[dict[str, Any]]]
    known: Mapping[str, Mapping[str, Any]]
    members: Sequence[tuple[str, str]]
    on_behalf: Mapping[str, str]
    """The account of an event, by the event's message_id."""

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A database with the world's tables."""
        connection = duckdb.connect(config={"threads": 1})
        connection.execute("set TimeZone = 'UTC'")
        types = ENVELOPE | PROPERTIES
        schema = pa.schema([(name, _ARROW[one]) for name, one in types.items()])
        for model, rows in self.events.items():
            _create(connection, model, pa.Table.from_pylist(rows, schema=schema))
        text = pa.string()
        known = [{"profile_id": one, **traits} for one, traits in self.known.items()]
        _create(
            connection,
            "traits_known",
            pa.Table.from_pylist(
                known,
                schema=pa.schema(
                    [("profile_id", text), ("country", text), ("age", pa.int64())]
                ),
            ),
        )
        members = [{"account_id": one, "profile_id": who} for one, who in self.members]
        _create(
            connection,
            "account_profiles",
            pa.Table.from_pylist(
                members, schema=pa.schema([("account_id", text), ("profile_id", text)])
            ),
        )
        sources = {
            row["message_id"]: row["source_id"]
            for rows in self.events.values()
            for row in rows
        }
        calls = [
            {"account_id": account, "message_id": one, "source_id": sources[one]}
            for one, account in self.on_behalf.items()
        ]
        names = ("account_id", "source_id", "message_id")
        schema = pa.schema([(name, text) for name in names])
        table = pa.Table.from_pylist(calls, schema=schema)
        _create(connection, "account_events", table)
        return connection

    def rows_of(self, topic: Topic, model: str, key: str) -> list[dict[str, Any]]:
        """The events of a model that belong to a person or account."""
        rows = self.events[model]
        if topic.per == "profile":
            return [row for row in rows if row["profile_id"] == key]
        if topic.events == "on_behalf":
            return [row for row in rows if self.on_behalf.get(row["message_id"]) == key]
        people = {who for account, who in self.members if account == key}
        return [row for row in rows if row["profile_id"] in people]


def make_world(random: Random, size: int) -> World:
    """Events of few people with few values, so that they meet; many at the very ends of
    windows."""
    events = {
        model: [_event(random, f"{model}-{number}") for number in range(size)]
        for model in CATALOGUE.events
    }
    ids = [row["message_id"] for rows in events.values() for row in rows]
    return World(
        events,
        known={
            person: {
                "country": random.choice([None, "a", "ab", "GB"]),
                "age": random.choice([None, 0, 1, 2]),
            }
            for person in "ABC"
        },
        members=[("acme", "A"), ("acme", "B"), ("bolt", "B"), ("calm", "Z")],
        on_behalf={
            one: random.choice(["acme", "bolt"]) for one in ids if random.random() < 0.6
        },
    )


def topic_of(
    definitions: Mapping[str, Mapping[str, Any]],
    types: Mapping[str, str],
    settings: Mapping[str, str],
) -> Topic:
    """The topic of these definitions, read as from a yml; it must have no mistake."""
    key = {"name": f"{settings['per']}_id"}
    columns = [
        {"name": name, "data_type": types[name], "config": {"meta": {"trait": one}}}
        for name, one in definitions.items()
    ]
    model = {
        "name": "traits_asked",
        "config": {"meta": {"traits": settings}},
        "columns": [key, *columns],
    }
    mistakes = Mistakes()
    topic = read_topic(model, CATALOGUE, mistakes)
    assert topic is not None, mistakes.found
    return topic


def answer(
    topic: Topic, connection: duckdb.DuckDBPyConnection
) -> dict[str, dict[str, Any]]:
    """What the topic's query gives, by its key."""
    query = for_database(
        topic_query(topic), now=NOW, table_of=lambda model: exp.table_(model)
    )
    return rows_by_key(connection, query.sql(dialect="duckdb"))


def rows_by_key(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> dict[str, dict[str, Any]]:
    """The rows of a query by their first column, which must tell them apart."""
    result = connection.execute(sql)
    names = [column[0] for column in result.description or ()]
    rows = result.fetchall()
    found = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in rows}
    assert len(found) == len(rows)
    return found


def _event(random: Random, message_id: str) -> dict[str, Any]:
    at = _time(random)
    tags = [random.choice("abc") for _ in range(random.randrange(3))]
    return {
        "source_id": random.choice(["web", "shop"]),
        "message_id": message_id,
        "profile_id": random.choice([None, "A", "A", "B", "C"]),
        "timestamp": at,
        "received_at": at + random.choice([timedelta(0), timedelta(hours=1)]),
        "word": random.choice(WORDS),
        "amount": random.choice([None, *map(Decimal, ("-1.50", "0", "0.01", "50"))]),
        "number": random.choice([None, -1, 0, 1, 2, 2]),
        "is_new": random.choice([None, True, False]),
        "seen_at": random.choice([None, _time(random)]),
        "tags": random.choice([None, tags]),
    }


def _time(random: Random) -> datetime:
    """Some time about now: a random one, or the end of a window and just beside it."""
    ends = [
        NOW,
        *(
            NOW + sign * timedelta(days=days)
            for sign in (-1, 1)
            for days in (1, 14, 30)
        ),
        *(NOW + sign * timedelta(minutes=60) for sign in (-1, 1)),
        *(NOW + sign * timedelta(minutes=90) for sign in (-1, 1)),
        *(
            datetime(*when, tzinfo=UTC)
            for when in (
                *((2026, 11, 18), (2026, 11, 17), (2026, 11, 16), (2026, 11, 9)),
                *((2026, 11, 1), (2026, 10, 1), (2026, 7, 1), (2026, 1, 1)),
                *((2025, 1, 1), (2026, 11, 15)),
            )
        ),
    ]
    if random.random() < 0.5:
        return NOW + timedelta(hours=random.randrange(-24 * 60, 24 * 5))
    return random.choice(ends) + random.choice([-1, 0, 1]) * timedelta(microseconds=1)


def _create(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("rows", rows)
    connection.execute(f"create table {name} as from rows")
    connection.unregister("rows")
