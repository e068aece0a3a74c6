"""Entities other than people: accounts, and households that a user adds.

The household is what `kith new entity household` writes, without a line changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.cli.new import Kind, create
from tests.dbt.conftest import PROJECT_DIR, Project, Row, event_row
from tests.identity.reference import profile_id

ENTITIES = ("+account_profiles", "+traits_account", "+household_profiles")


def told(user: str, minute: int, **address: str) -> Row:
    """An identify call by which a person tells an address."""
    return event_row(
        message_id=f"{user}-{minute}",
        type="identify",
        user_id=user,
        anonymous_id=None,
        traits={"address": address} if address else None,
        minute=minute,
    )


def called(user: str | None, minute: int, group: str, **traits: str) -> Row:
    """A group call."""
    return event_row(
        message_id=f"{user}-{minute}",
        type="group",
        user_id=user,
        anonymous_id=None,
        group_id=group,
        traits=traits,
        minute=minute,
    )


def events() -> list[Row]:
    """A family over two addresses, neighbours, a hotel, and two companies."""
    hotel = {"street": "2 Station Square", "postalCode": "10115"}
    home = {"street": "1 Elm Street", "postalCode": "10115"}
    cabin = {"street": "9 Lake Road", "postalCode": "80331"}
    return [
        told("ann", 1, **home),
        told("ben", 2, street=" 1 ELM street ", postalCode="10115"),
        told("ben", 3, **cabin),
        told("cleo", 4, **cabin),
        told("dora", 5, street="1 Elm Street", postalCode="99999"),
        told("emil", 6, street="1 Elm Street"),
        told("finn", 7),
        called("ann", 10, "acme", name="Acme", plan="free"),
        called("ben", 11, " acme ", name="Acme Inc"),
        called("ben", 12, "bolt", name="Bolt"),
        called("finn", 13, "null", name="Nobody"),
        event_row(
            message_id="on-behalf",
            user_id="cleo",
            event="Report Opened",
            context={"groupId": "bolt"},
            minute=14,
        ),
        *(told(f"guest-{n}", 100 + n, **hotel) for n in range(60)),
    ]


@pytest.fixture(scope="module")
def household(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """This project with a household added to it, built from the events."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(PROJECT_DIR, root / "dbt_project")
    create(Kind.ENTITY, "household", root=root)
    data_dir = make_project().data_dir
    project = Project(data_dir, project_dir=Path(root / "dbt_project"))
    project.land(events(), segment="first")
    project.dbt("run", "--select", *ENTITIES)
    return project


def households(project: Project) -> dict[str, str]:
    """The household of each user who has one, but for the guests of the hotel."""
    return dict(
        project.query(
            "select identifier_value, household_id from entities.household_profiles "
            "inner join identity.profile_identifiers using (profile_id) "
            "where identifier_type = 'user_id' and identifier_value not like 'guest%'"
        )
    )


def test_people_who_share_addresses_are_one_household(household: Project) -> None:
    found = households(household)
    # Ann and Cleo share no address; Ben told both.
    assert found["ann"] == found["ben"] == found["cleo"]
    assert found["dora"] != found["ann"]
    assert set(found) == {"ann", "ben", "cleo", "dora"}
    profiles = household.query("select distinct profile_id from events.events")
    assert len(profiles) == 66, "a household joins no profiles"


def test_a_hotel_is_no_household(household: Project) -> None:
    sizes = household.query(
        "select count(*) from entities.household_profiles "
        "group by household_id order by 1 desc"
    )
    # The hotel and its first 49 guests are 50 nodes.
    assert sizes == [(49,), (3,), *[(1,)] * 12]


def test_a_person_belongs_to_accounts(household: Project) -> None:
    links = household.query(
        """
        select
            account_id,
            identifier_value,
            account_profiles.event_count,
            group_call_count
        from entities.account_profiles
        inner join identity.profile_identifiers using (profile_id)
        where identifier_type = 'user_id'
        order by all
        """
    )
    assert links == [
        ("acme", "ann", 1, 1),
        ("acme", "ben", 1, 1),
        ("bolt", "ben", 1, 1),
        ("bolt", "cleo", 1, 0),
    ]
    accounts: list[tuple[Any, ...]] = household.query(
        "select account_id, account_name, account_plan, event_count, profile_count "
        "from entities.accounts order by account_id"
    )
    assert accounts == [
        ("acme", "Acme Inc", "free", 2, 2),
        ("bolt", "Bolt", None, 2, 2),
    ]


def test_a_household_is_called_by_its_earliest_member(household: Project) -> None:
    # So it keeps its name when others come, and the older name when it meets another.
    (ann,) = household.query(
        "select profile_id from identity.profile_identifiers "
        "where identifier_value = 'ann'"
    )
    assert households(household)["ann"] == profile_id(("household", *ann))
