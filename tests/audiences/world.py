"""A small world of people and what they did, in DuckDB and as plain rows.

The times lie close to the ends of windows, and many of them are the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import jinja2
from hypothesis import strategies as st

from orchestration.conditions.catalogue import Catalogue, Relation, Table
from orchestration.conditions.comparisons import Column

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
PEOPLE = ("ann", "ben", "cleo", "dan")
EVENTS = {"view": "Product Viewed", "buy": "Order Completed", "leave": "Left"}
TEXTS = ("a", "ab", "b", "it's", "{{ x }}", "a\\b", "100%", "", "Ä")
NUMBERS = (Decimal(0), Decimal(1), Decimal("2.5"), Decimal(4))
TIMES = (
    NOW,
    NOW + timedelta(minutes=1),
    NOW - timedelta(minutes=30),
    *(
        NOW + delta
        for unit in (timedelta(hours=1), timedelta(days=1), timedelta(days=30))
        for delta in (-2 * unit, -unit, -unit + timedelta(minutes=1), unit)
    ),
)
# Where calendar periods begin and end: the day, the week, the month, the quarter.
TURNS = tuple(
    datetime(year, month, day, tzinfo=UTC) + timedelta(seconds=seconds)
    for year, month, day in (
        (2026, 11, 22), (2026, 11, 21), (2026, 11, 16), (2026, 11, 9), (2026, 11, 1),
        (2026, 10, 1), (2026, 7, 1), (2026, 1, 1), (2025, 1, 1),
    )
    for seconds in (-1, 0)
)  # fmt: skip

Row = dict[str, Any]

PROPERTIES = {
    "total": "decimal(12, 2)",
    "product": "varchar",
    "is_gift": "boolean",
    "ships_at": "timestamptz",
    "tags": "varchar[]",
}
TRAITS = {
    "score": "decimal(12, 2)",
    "country": "varchar",
    "has_consent": "boolean",
    "seen_at": "timestamptz",
    "labels": "varchar[]",
}
TRAIT_TABLES = ("profiles", "traits_level", "traits_of_accounts")
_OF_PERSON = {"profile_id": "varchar"}
TABLES = {
    **{
        f"events.{name}": {**_OF_PERSON, "timestamp": "timestamptz", **PROPERTIES}
        for name in EVENTS
    },
    "profiles.profiles": {**_OF_PERSON, **TRAITS},
    "traits.traits_level": {**_OF_PERSON, "level": "bigint"},
    "traits.traits_of_accounts": {"account_id": "varchar", "orders": "bigint"},
    "audiences.fans": {**_OF_PERSON, "entered_at": "timestamptz"},
    "entities.accounts": {
        "account_id": "varchar",
        "plan": "varchar",
        "seats": "bigint",
    },
    "entities.account_profiles": {"account_id": "varchar", "profile_id": "varchar"},
    "shop.subscriptions": {**_OF_PERSON, "status": "varchar", "fee": "bigint"},
}


def catalogue() -> Catalogue:
    """What there is to name in this world, as the manifest of a project would say."""
    tables = {}
    for place, columns in TABLES.items():
        schema, _, model = place.partition(".")
        named = {name: Column(name, kind) for name, kind in columns.items()}
        tables[model] = Table(model, schema, named, EVENTS.get(model, ""))
    return Catalogue(
        events={name: tables[name] for name in EVENTS},
        traits={name: tables[name] for name in TRAIT_TABLES},
        audiences=frozenset({"fans"}),
        tables=tables,
        relations=(
            Relation("account_profiles", "profile_id", "profiles", "profile_id"),
            Relation("account_profiles", "account_id", "accounts", "account_id"),
            Relation("subscriptions", "profile_id", "profiles", "profile_id"),
        ),
    )


@dataclass(frozen=True)
class World:
    """The rows of each table."""

    tables: Mapping[str, list[Row]]

    def rows(self, table: str, **wanted: object) -> list[Row]:
        """The rows that have these values."""
        return [
            row
            for row in self.tables[table]
            if all(row[name] == value for name, value in wanted.items())
        ]

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables of it."""
        for place, columns in TABLES.items():
            schema, _, table = place.partition(".")
            connection.execute(f"create schema if not exists {schema}")
            typed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
            connection.execute(f"create or replace table {place} ({typed})")
            marks = ", ".join("?" for _ in columns)
            rows = [[row[name] for name in columns] for row in self.tables[table]]
            if rows:
                insert = f"insert into {place} values ({marks})"  # noqa: S608 - ours
                connection.executemany(insert, rows)


_EVENT = st.fixed_dictionaries(
    {
        "event": st.sampled_from(sorted(EVENTS)),
        "profile_id": st.sampled_from((*PEOPLE[:3], None)),
        "timestamp": st.sampled_from(TIMES) | st.sampled_from(TURNS),
        "total": st.none() | st.sampled_from(NUMBERS),
        "product": st.none() | st.sampled_from(TEXTS),
        "is_gift": st.none() | st.booleans(),
        "ships_at": st.none() | st.sampled_from(TIMES),
        "tags": st.none() | st.lists(st.sampled_from(TEXTS[:3]), max_size=2),
    }
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any world, with a handful of events of each person."""
    events = draw(st.lists(_EVENT, max_size=25))
    tables: dict[str, list[Row]] = {
        name: [event for event in events if event["event"] == name] for name in EVENTS
    }
    tables["profiles"] = [
        {
            "profile_id": person,
            "score": draw(st.none() | st.sampled_from(NUMBERS)),
            "country": draw(st.none() | st.sampled_from(TEXTS)),
            "has_consent": draw(st.none() | st.booleans()),
            "seen_at": draw(st.none() | st.sampled_from(TIMES)),
            "labels": draw(
                st.none() | st.lists(st.sampled_from(TEXTS[:3]), max_size=2)
            ),
        }
        for person in PEOPLE
    ]
    some = st.sets(st.sampled_from(PEOPLE))
    tables["traits_level"] = [
        {"profile_id": person, "level": draw(st.integers(0, 3))}
        for person in sorted(draw(some))
    ]
    tables["fans"] = [
        {"profile_id": person, "entered_at": NOW} for person in sorted(draw(some))
    ]
    tables["accounts"] = [
        {
            "account_id": account,
            "plan": draw(st.none() | st.sampled_from(TEXTS)),
            "seats": draw(st.none() | st.integers(0, 3)),
        }
        for account in ("acme", "bolt")
    ]
    pair = st.tuples(st.sampled_from(("acme", "bolt")), st.sampled_from(PEOPLE))
    tables["traits_of_accounts"] = [
        {"account_id": account, "orders": draw(st.integers(0, 3))}
        for account in sorted(draw(st.sets(st.sampled_from(("acme", "bolt")))))
    ]
    tables["account_profiles"] = [
        {"account_id": account, "profile_id": person}
        for account, person in draw(st.lists(pair, max_size=5))
    ]
    tables["subscriptions"] = [
        {
            "profile_id": draw(st.sampled_from((*PEOPLE, None))),
            "status": draw(st.none() | st.sampled_from(TEXTS)),
            "fee": draw(st.none() | st.integers(0, 3)),
        }
        for _ in range(draw(st.integers(0, 4)))
    ]
    return World(tables)


def crowd() -> World:
    """Many people who did a few things in the same hours, so that among them is about
    every order that things can come in."""
    chance = random.Random(5)  # noqa: S311 - repeatable, not secret
    tables: dict[str, list[Row]] = {place.partition(".")[2]: [] for place in TABLES}
    for person in (f"p{number:03}" for number in range(90)):
        traits = dict.fromkeys(TRAITS)
        tables["profiles"].append({"profile_id": person, **traits})
        for _ in range(chance.randint(4, 10)):
            event: Row = dict.fromkeys(PROPERTIES)
            event["profile_id"] = person
            event["timestamp"] = NOW - timedelta(hours=chance.randint(0, 6))
            event["product"] = chance.choice(("a", "a", "a", "b", None))
            event["is_gift"] = chance.choice((True, True, True, False, None))
            tables[chance.choice(sorted(EVENTS))].append(event)
    return World(tables)


def rendered(model: str, *, schema_of: Mapping[str, str]) -> str:
    """A compiled model as dbt would send it to DuckDB at `NOW`."""

    def literal(at: datetime) -> str:
        return f"cast('{at.isoformat()}' as timestamp with time zone)"

    def ago(number: int, unit: str) -> str:
        return f"({literal(NOW)} - interval '{number}' {unit})"

    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - SQL
    text = environment.from_string(model).render(
        ref=lambda name: f"{schema_of[name]}.{name}",
        build_started_at=lambda: literal(NOW),
        days_ago=lambda number: ago(number, "day"),
        time_ago=ago,
        time_literal=lambda written: literal(datetime.fromisoformat(written)),
        string_literal=lambda value: "'" + value.replace("'", "''") + "'",
    )
    assert "{{" not in text.replace("'{{ x }}'", "")
    return text
