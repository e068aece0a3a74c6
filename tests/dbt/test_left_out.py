"""Whom a sync leaves out: control group, holdouts, priority lists, frequency caps."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from collector.datasets import SYNC_LOG
from tests.dbt.conftest import DAY, PROJECT_DIR, Project, Row, event_row

NOW = datetime.now(UTC).replace(microsecond=0)
PEOPLE = [f"p{number:02}" for number in range(80)]
BUYERS = frozenset(PEOPLE[::2])
MAILED = {name: number % 4 for number, name in enumerate(PEOPLE)}
"""How often each was sent the mail of an abandoned cart lately."""

VARS = """
  control_group: {percent: 15}
  priority_lists: {shop: [vip_customers, cart_abandoners]}
  frequency_caps:
    - {cap: weekly, limit: 2, within_days: 7, syncs: [mail__carts], events: [signed_in]}
"""
MAIL_SQL = """
select
    members.profile_id as _profile_id,
    profiles.email
from {{ ref('cart_abandoners') }} as members
inner join {{ ref('profiles') }} as profiles
    on members.profile_id = profiles.profile_id
"""
MAIL_YML = """
models:
  - name: mail__carts
    config:
      meta: {sync: {destination: crm, action: rows, mode: upsert, key: email}}
    columns:
      - {name: email}
"""
SELECTION = (
    *("--select", "+mail__carts", "+crm__vip_customers"),
    *("+files__newsletter_subscribers",),
)


@pytest.fixture(scope="module")
def shop(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A built project of people who all abandoned a cart; half of them are VIPs."""
    directory = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(PROJECT_DIR, directory)
    replace(
        directory / "dbt_project.yml",
        "  control_group: {percent: 0}\n  priority_lists: {}\n  frequency_caps: []\n",
        VARS.lstrip("\n"),
    )
    replace(
        directory / "models/audiences/newsletter_subscribers.yml",
        "    columns:\n",
        "    config: {meta: {splits: {salt: s, groups: {a: 40, b: 30, holdout: 30}}}}\n"
        "    columns:\n",
    )
    (directory / "models/syncs/mail__carts.sql").write_text(MAIL_SQL)
    (directory / "models/syncs/mail__carts.yml").write_text(MAIL_YML)
    project = make_project()
    project.project_dir = directory
    project.land(list(events()), segment="s1")
    project.land(
        list(mails()),
        segment="run",
        dataset=SYNC_LOG,
        partition={"sync": "mail__carts", "dt": DAY},
    )
    project.dbt("run", *SELECTION)
    return project


def replace(file: Path, found: str, text: str) -> None:
    before = file.read_text()
    assert before.count(found) == 1
    file.write_text(before.replace(found, text))


def events() -> Iterator[Row]:
    """Each signs up, half of them buy much, then all leave something in a cart."""
    places = count()

    def row(name: str, hours: float, **overrides: object) -> Row:
        at = NOW - timedelta(hours=hours)
        times = {"timestamp": at, "received_at": at}
        message = {"message_id": f"m{next(places)}", "anonymous_id": None}
        return event_row(**times, **message, user_id=name, **overrides)

    for name in PEOPLE:
        traits = {"email": f"{name}@example.com", "marketing_consent": True}
        yield row(name, 30, type="identify", traits=traits)
        if name in BUYERS:
            order = {"order_id": name, "total": 900, "currency": "EUR"}
            yield row(name, 20, event="Order Completed", properties=order)
        cart = {"cart_id": name, "product_id": "p"}
        yield row(name, 10, event="Product Added", properties=cart)
        if name == PEOPLE[3]:  # beyond the last mail, one more contact
            yield row(name, 1, event="Signed In", properties={"method": "email"})


def mails() -> Iterator[Row]:
    for name, number in MAILED.items():
        for days in range(number):
            yield mail(name, days=days * 2)
        yield mail(name, days=8)
        yield mail(name, days=0, outcome="failed")
        yield mail(name, days=0, operation="delete")


def mail(
    name: str, *, days: int, outcome: str = "succeeded", operation: str = "update"
) -> Row:
    row: Row = dict.fromkeys(SYNC_LOG.schema.names)
    return row | {
        "sync": "mail__carts",
        "run_id": f"run-{days}-{outcome}",
        "at": NOW - timedelta(days=days, minutes=1),
        "key": f"{name}@example.com",
        "operation": operation,
        "outcome": outcome,
        "destination": "crm",
        "action": "rows",
        "attempts": 1,
    }


def place(salt: str, text: str) -> int:
    """Where a text falls among a million places, counted without the warehouse."""
    digest = hashlib.md5(f"{salt}:{text}".encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest[8:], "little") >> 1) % 1_000_000


def profiles(project: Project) -> dict[str, str]:
    """Each person's profile."""
    return dict(
        project.query(
            """
            select identifier_value, profile_id from identity.profile_identifiers
            where identifier_type = 'user_id'
            """
        )
    )


def controls(project: Project) -> set[str]:
    return {
        name
        for name, profile_id in profiles(project).items()
        if place("control_group", profile_id) < 150_000
    }


def sent(project: Project, sync: str) -> set[str]:
    """Who is in the payload."""
    rows = project.query(f"select email from syncs.{sync}")  # noqa: S608 -- a constant
    return {email.partition("@")[0] for (email,) in rows}


def fates(project: Project, sync: str) -> dict[str, int]:
    return dict(
        project.query(
            "select fate, row_count from monitoring.sync_payloads "  # noqa: S608
            f"where sync = '{sync}'"  # a constant
        )
    )


def test_the_control_group_is_a_share_of_all_people_by_their_hash(
    shop: Project,
) -> None:
    found = {row[0] for row in shop.query("from audiences.control_group")}
    assert found == {profiles(shop)[name] for name in controls(shop)} != set()
    assert sent(shop, "crm__vip_customers") == BUYERS - controls(shop)
    assert fates(shop, "crm__vip_customers") == {
        "payload": len(BUYERS - controls(shop)),
        "control group": len(BUYERS & controls(shop)),
    }


def test_members_fall_into_the_groups_of_a_split_and_the_holdout_gets_nothing(
    shop: Project,
) -> None:
    expected = {}
    for name, profile_id in profiles(shop).items():
        at = place("s", profile_id)
        expected[name] = "a" if at < 400_000 else "b" if at < 700_000 else "holdout"
    by_profile = {
        profile_id: (split, is_holdout)
        for profile_id, split, is_holdout in shop.query(
            """
            select profile_id, split, is_holdout from audiences.audience_splits
            where audience = 'newsletter_subscribers'
            """
        )
    }
    assert by_profile == {
        profile_id: (expected[name], expected[name] == "holdout")
        for name, profile_id in profiles(shop).items()
    }
    held_out = {name for name in PEOPLE if expected[name] == "holdout"}
    left = {*PEOPLE} - held_out - controls(shop)
    assert sent(shop, "files__newsletter_subscribers") == left
    assert fates(shop, "files__newsletter_subscribers") == {
        "payload": len(left),
        "control group": len(controls(shop)),
        "holdout": len(held_out - controls(shop)),
    }
    columns = shop.query("describe syncs.files__newsletter_subscribers")
    assert "_profile_id" not in {column[0] for column in columns}


def test_a_lower_audience_of_a_list_and_a_reached_cap_leave_people_out(
    shop: Project,
) -> None:
    highest = Counter(
        audience
        for (audience,) in shop.query(
            "select audience from audiences.audience_priorities"
        )
    )
    assert highest == {"vip_customers": 40, "cart_abandoners": 40}
    contacts = MAILED | {PEOPLE[3]: 4}
    capped = {name for name, number in contacts.items() if number >= 2}
    waiting = {*PEOPLE} - BUYERS - controls(shop)
    assert sent(shop, "mail__carts") == waiting - capped
    assert fates(shop, "mail__carts") == {
        "payload": len(waiting - capped),
        "control group": len(controls(shop)),
        "priority list": len(BUYERS - controls(shop)),
        "frequency cap": len(waiting & capped),
    }


def test_a_capped_profile_is_free_when_its_oldest_contact_that_counts_is_past(
    shop: Project,
) -> None:
    found = {
        name: (contacts, events, is_capped, free_at)
        for name, contacts, events, is_capped, free_at in shop.query(
            """
            select identifier_value, contacts, event_contacts, is_capped, free_at
            from audiences.frequency_caps
            inner join identity.profile_identifiers using (profile_id)
            where identifier_type = 'user_id' and cap = 'weekly'
            """
        )
    }
    last_mail = NOW - timedelta(minutes=1)
    week = timedelta(days=7)
    assert PEOPLE[0] not in found
    assert found[PEOPLE[1]] == (1, 0, False, None)
    assert found[PEOPLE[2]] == (2, 0, True, last_mail - timedelta(days=2) + week)
    assert found[PEOPLE[3]] == (4, 1, True, NOW - timedelta(hours=1) + week)
    assert found[PEOPLE[7]] == (3, 0, True, last_mail - timedelta(days=2) + week)


def test_a_run_is_told_of_its_caps_and_of_whom_its_keys_stand_for(
    shop: Project,
) -> None:
    assert shop.query("from audiences.capped_syncs") == [
        ("weekly", "mail__carts", "email", 2, 7)
    ]
    found = shop.query("select key_type, key, profile_id from audiences.contact_keys")
    assert sorted(found) == sorted(
        ("email", f"{name}@example.com", profile_id)
        for name, profile_id in profiles(shop).items()
    )


def test_rows_that_tell_nobody_s_profile_stop_the_build(shop: Project) -> None:
    file = shop.project_dir / "models/syncs/mail__carts.sql"
    file.write_text(MAIL_SQL.replace("members.profile_id as _profile_id,", ""))
    with pytest.raises(AssertionError, match="do not tell whose they are"):
        shop.dbt("run", "--select", "mail__carts")
