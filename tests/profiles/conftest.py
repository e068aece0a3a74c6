"""A small warehouse with the tables that the read side relies on."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from profiles.published import publish

ADA = "00000000000000aa"
BOB = "00000000000000bb"

# Views are written as dbt writes them, with the warehouse's own name in them.
WAREHOUSE = """
create schema identity;
create schema profiles;
create schema audiences;
create table identity.profile_identifiers (
    profile_id varchar, identifier_type varchar, identifier_value varchar,
    first_seen_at timestamptz, last_seen_at timestamptz
);
create table identity.profile_merges (
    losing_profile_id varchar, profile_id varchar, merged_at timestamptz,
    message_id varchar
);
create table profiles.profiles (
    profile_id varchar, first_seen_at timestamptz, email varchar, order_count bigint,
    lifetime_value decimal(18, 2), has_marketing_consent boolean, last_ordered_on date,
    favourites varchar[], build bigint
);
create table audiences.members (
    audience varchar, profile_id varchar, since timestamptz
);
create view "warehouse"."audiences"."audience_memberships" as (
    select audience, profile_id, since as entered_at
    from "warehouse"."audiences"."members"
);
comment on view audiences.audience_memberships is 'Who is in. One row per member.';
insert into identity.profile_identifiers values
    ('00000000000000aa', 'email', 'ada@example.com',
     '2026-01-01 00:00:00Z', '2026-01-03 00:00:00Z'),
    ('00000000000000aa', 'user_id', 'a/da ÅÄÖ?#%',
     '2026-01-02 00:00:00Z', '2026-01-03 00:00:00Z'),
    ('00000000000000bb', 'user_id', 'Bob',
     '2026-01-02 00:00:00Z', '2026-01-02 00:00:00Z');
insert into identity.profile_merges values
    ('00000000000000a0', '00000000000000a1', '2026-01-02 00:00:00Z', 'm1'),
    ('00000000000000a1', '00000000000000aa', '2026-01-03 00:00:00Z', 'm2'),
    ('00000000000000c0', '00000000000000c1', '2026-01-03 00:00:00Z', 'm3'),
    ('00000000000000c1', '00000000000000c0', '2026-01-03 00:00:00Z', 'm4');
insert into profiles.profiles values
    ('00000000000000aa', '2026-01-01 12:00:00Z', 'ada@example.com', 3, 120.50, true,
     '2026-01-03', ['tea', 'ink'], 0),
    ('00000000000000bb', '2026-01-02 00:00:00Z', null, 0, null, null, null, null, 0);
insert into audiences.members values
    ('vip_customers', '00000000000000aa', '2026-01-03 09:30:00Z');
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """The small warehouse, as a build leaves it."""
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(WAREHOUSE)
    return path


@pytest.fixture
def published_dir(warehouse: Path, tmp_path: Path) -> Path:
    """A directory in which the small warehouse is published."""
    directory = tmp_path / "published"
    publish(warehouse, directory)
    return directory


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, for all tests that only read it."""
    place = tmp_path_factory.mktemp("once")
    with duckdb.connect(str(place / "warehouse.duckdb")) as connection:
        connection.execute(WAREHOUSE)
    publish(place / "warehouse.duckdb", place / "published")
    return place / "published"


def rebuild(warehouse: Path, number: int) -> None:
    """Write the number of a build into all that a lookup of Ada reads."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update profiles.profiles set build = ?", [number])
        connection.execute("update audiences.members set audience = ?", [str(number)])
