"""A profile is found by whatever identifies it, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from profiles.lookup import Identifier, Membership, find_profile
from profiles.published import connect
from tests.profiles.conftest import ADA, BOB


@pytest.fixture
def connection(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(published) as connection:
        yield connection


def test_a_profile_comes_whole(connection: duckdb.DuckDBPyConnection) -> None:
    profile = find_profile(connection, "email", "ada@example.com")
    assert profile is not None
    assert profile.profile_id == ADA
    assert profile.traits == {
        "first_seen_at": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "email": "ada@example.com",
        "order_count": 3,
        "lifetime_value": Decimal("120.50"),
        "has_marketing_consent": True,
        "last_ordered_on": date(2026, 1, 3),
        "favourites": ["tea", "ink"],
        "build": 0,
    }
    first, last = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    assert profile.identifiers[0] == Identifier("email", "ada@example.com", first, last)
    assert [one.type for one in profile.identifiers] == ["email", "user_id"]
    assert profile.audiences == (
        Membership("vip_customers", datetime(2026, 1, 3, 9, 30, tzinfo=UTC)),
    )


def test_absent_traits_are_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    profile = find_profile(connection, "user_id", "Bob")
    assert profile is not None
    assert set(profile.traits) == {"first_seen_at", "order_count", "build"}
    assert profile.audiences == ()


@pytest.mark.parametrize(
    ("identifier_type", "value", "profile_id"),
    [
        ("email", "  ADA@Example.com ", ADA),
        ("user_id", " a/da ÅÄÖ?#%  ", ADA),
        ("user_id", "Bob", BOB),
        ("user_id", "bob", None),
        ("User_id", "Bob", None),
        ("email", "Bob", None),
        ("profile_id", BOB, BOB),
        ("profile_id", "00000000000000a1", ADA),
        ("profile_id", "00000000000000a0", ADA),
        ("profile_id", "00000000000000c0", None),
        ("profile_id", "nobody", None),
        ("user_id", "", None),
        ("user_id", "   ", None),
        ("", "Bob", None),
        ("user_id", "' or 1=1 --", None),
        ("user_id' or '1'='1", "Bob", None),
        ("user_id", "%", None),
        ("user_id", "Bo\0b", None),
    ],
)
def test_who_is_found(
    connection: duckdb.DuckDBPyConnection,
    identifier_type: str,
    value: str,
    profile_id: str | None,
) -> None:
    profile = find_profile(connection, identifier_type, value)
    assert (profile and profile.profile_id) == profile_id
