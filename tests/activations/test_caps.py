"""Frequency caps: no run passes one, whatever was sent since the build."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activations.connectors import Outcome
from activations.errors import CapHeld, LeaseLost
from activations.leases import Together, hold_lease
from collector.datasets import SYNC_LOG
from collector.landing import write_file
from tests.activations.bench import NAME, Bench, bench, email
from tests.activations.scripted import Destination
from tests.activations.test_leases import fall_silent, kill_while_sending, write_log

OTHER = "acct__other"
SYNCS = (NAME, OTHER, "acct__third")
NOW = datetime.now(UTC)
PEOPLE = {email(number): f"person-{number // 2}" for number in range(6)}
"""Two addresses each; those from number 6 on are nobody's."""


@dataclass(frozen=True)
class Cap:
    name: str
    limit: int
    days: int
    syncs: Sequence[str]
    events: Mapping[str, int]
    """How many events that stand for a contact the build has counted of each person."""


def publish(con: duckdb.DuckDBPyConnection, caps: Sequence[Cap]) -> None:
    """The tables of caps, as a build makes them."""
    con.execute("create schema if not exists audiences")
    tables: dict[str, tuple[str, list[Any]]] = {
        "capped_syncs": (
            "cap varchar, sync varchar, key_type varchar, contact_limit integer, "
            "within_days integer",
            [
                (cap.name, sync, "email", cap.limit, cap.days)
                for cap in caps
                for sync in cap.syncs
            ],
        ),
        "contact_keys": (
            "key_type varchar, key varchar, profile_id varchar",
            [("email", key, person) for key, person in PEOPLE.items()],
        ),
        "frequency_caps": (
            "cap varchar, profile_id varchar, event_contacts bigint",
            [(cap.name, *found) for cap in caps for found in cap.events.items()],
        ),
    }
    for name, (columns, rows) in tables.items():
        con.execute(f"create or replace table audiences.{name} ({columns})")
        marks = ", ".join("?" for _ in columns.split(", "))
        for row in rows:
            con.execute(f"insert into audiences.{name} values ({marks})", row)  # noqa: S608 - ours


def waits(keys: Sequence[str], caps: Sequence[Cap], log: Sequence[Any]) -> set[str]:
    """The keys whose rows have to wait, told row by row."""
    found = set()
    for cap in caps:
        if NAME not in cap.syncs:
            continue
        contacts = Counter(cap.events)
        for place, row in enumerate(log):
            is_later = row["at"] > NOW - timedelta(days=cap.days)
            is_contact = row["operation"] != "delete" and is_later
            same = [one for one in log[place + 1 :] if _of(one) == _of(row)]
            is_in_doubt = row["code"] == "unknown" and not any(
                one["operation"] != "delete" for one in same
            )
            arrived = row["outcome"] == "succeeded"
            if (
                row["sync"] in cap.syncs
                and is_contact
                and (arrived or (is_in_doubt and row["sync"] != NAME))
            ):
                contacts[PEOPLE.get(row["key"], row["key"])] += 1
        for key in sorted(keys):
            person = PEOPLE.get(key, key)
            contacts[person] += 1
            if contacts[person] > cap.limit:
                found.add(key)
    return found


def _of(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["sync"], row["key"]


# Few enough people to meet often, and somebody whom no profile knows.
KEYS = st.sampled_from((0, 1, 2, 3, 9)).map(email)
CAPS = st.builds(
    Cap,
    name=st.uuids().map(str),
    limit=st.integers(1, 4),
    days=st.integers(1, 3),
    syncs=st.sets(st.sampled_from(SYNCS), min_size=1).map(sorted),
    events=st.dictionaries(st.sampled_from(sorted({*PEOPLE.values()})), st.just(1)),
)
ROWS = st.fixed_dictionaries(
    {
        "sync": st.sampled_from(SYNCS),
        "key": KEYS,
        "hours": st.integers(0, 80),
        "operation": st.sampled_from(("insert", "update", "delete")),
        "told": st.sampled_from(
            (("succeeded", None),) * 3 + (("failed", "unknown"), ("rejected", "400"))
        ),
    }
)


@settings(deadline=None, max_examples=15)
@given(
    keys=st.sets(KEYS, min_size=3),
    caps=st.lists(CAPS, min_size=1, max_size=3),
    rows=st.lists(ROWS, min_size=4, max_size=20),
)
def test_a_plan_leaves_out_what_would_pass_a_cap(
    tmp_path_factory: Any, keys: set[str], caps: list[Cap], rows: list[dict[str, Any]]
) -> None:
    crm = bench(
        tmp_path_factory.mktemp("caps"),
        "webhook",
        {"url": "http://127.0.0.1:8999"},
        action="rows",
        mode="upsert",
    )
    log = []
    for number, row in enumerate(sorted(rows, key=lambda row: -row["hours"])):
        outcome, code = row["told"]
        log.append(
            dict.fromkeys(SYNC_LOG.schema.names)
            | {"destination": "acct", "action": "rows", "attempts": 1}
            | {name: row[name] for name in ("sync", "key", "operation")}
            # Half an hour away from where a day begins or ends.
            | {"at": NOW - timedelta(hours=row["hours"], minutes=30, seconds=-number)}
            | {"run_id": str(number), "outcome": outcome, "code": code}
            | {"fingerprint": "0" * 32}
        )
    for sync in SYNCS:
        of_sync = [row for row in log if row["sync"] == sync]
        table = pa.Table.from_pylist(of_sync, schema=SYNC_LOG.schema)
        partition = {"sync": sync, "dt": f"{NOW:%Y-%m-%d}"}
        write_file(
            crm.data_dir / "raw", SYNC_LOG, table, partition=partition, name="all"
        )
    crm.payload([{"email": key, "plan": "new"} for key in keys])
    with closing(crm.con):
        publish(crm.con, [])
        planned = [row.key for row in crm.plan().rows()]
        publish(crm.con, caps)
        plan = crm.plan()
        waiting = waits(planned, caps, log)
        assert {row.key for row in plan.rows()} == set(planned) - waiting
        assert plan.capped == len(waiting)


def beside(crm: Bench, sync: str) -> Bench:
    """Another sync with the same payload, by a connection of its own."""
    other = replace(crm, sync=replace(crm.sync, name=sync), con=duckdb.connect())
    other.con.execute("set TimeZone = 'UTC'")
    return other


def contacts(destination: Destination) -> Counter[str]:
    """How many rows each person got."""
    return Counter(
        PEOPLE[row["key"]] for got in destination.requests for row in got.json
    )


def test_syncs_of_one_build_share_a_cap(crm: Bench, destination: Destination) -> None:
    cap = Cap("weekly", 1, 7, (NAME, OTHER), {})
    crm.configure(mode="upsert")
    syncs = [crm, beside(crm, OTHER)]
    for one in syncs:
        one.people(range(6))
        publish(one.con, [cap])
    first = crm.run()
    assert (first.succeeded.insert, first.capped, first.status) == (3, 3, "succeeded")
    assert "3 rows wait for a frequency cap" in first.describe()
    second = syncs[1].run()
    assert (second.succeeded.insert, second.capped) == (0, 6)
    assert [row["left_out"] for row in crm.runs() + syncs[1].runs()] == [3, 6]
    assert contacts(destination) == dict.fromkeys(PEOPLE.values(), 1)
    # Who waited is not forgotten once there is room.
    publish(crm.con, [replace(cap, limit=2)])
    assert crm.run().succeeded.insert == 3


def test_syncs_that_run_at_once_share_a_cap(
    crm: Bench, destination: Destination
) -> None:
    cap = Cap("a week/of mails", 1, 7, SYNCS, {})
    crm.configure(mode="upsert")
    syncs = [crm, *(beside(crm, name) for name in SYNCS[1:])]
    for one in syncs:
        one.people(range(6))
        publish(one.con, [cap])
    threads = [threading.Thread(target=one.run) for one in syncs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contacts(destination) == dict.fromkeys(PEOPLE.values(), 1)
    with hold_lease(crm.data_dir / "log", "cap-a%20week%2Fof%20mails"):
        pass


def test_a_run_waits_for_a_cap_says_so_and_gives_up(
    crm: Bench, destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    crm.people([0])
    publish(crm.con, [Cap("weekly", 1, 7, (NAME,), {})])
    impatient = replace(crm, retry=replace(crm.retry, seconds=0.6))
    told = f"'weekly' .* in process {os.getpid()}"
    with (
        hold_lease(crm.data_dir / "log", "cap-weekly"),
        pytest.raises(CapHeld, match=told),
    ):
        impatient.run()
    assert destination.requests == []
    assert [run["stop_code"] for run in crm.runs()] == ["cap_held"]
    [waited] = caplog.messages
    assert waited.startswith(f"{NAME} waits for the frequency cap 'weekly'")
    assert crm.run().succeeded.total == 1


def test_a_run_that_lost_a_cap_sends_no_more(crm: Bench) -> None:
    """It stood still, and another sync has the cap now; what it sent it still notes."""
    log_dir, name = crm.data_dir / "log", "cap-weekly"
    crm.people([0])
    with (
        hold_lease(log_dir, NAME) as own,
        hold_lease(log_dir, name, seconds=0.1) as cap,
    ):
        log = write_log(crm, Together(own, [cap]))
        (row,) = crm.plan().rows()
        log.sending([row])
        fall_silent(cap)
        time.sleep(0.2)
        with hold_lease(log_dir, name):
            with pytest.raises(LeaseLost, match="cap-weekly"):
                log.sending([row])
            log.add(Outcome(row=row, outcome="succeeded"))
            log.flush()
    assert crm.outcomes() == {email(0): "succeeded"}


def test_what_a_killed_run_of_another_sync_sent_counts(crm: Bench) -> None:
    """What it had told of, and what was under way: that may have arrived."""
    cap = Cap("weekly", 1, 7, (NAME, OTHER), {})
    crm.configure(mode="upsert")
    crm.people([0, 2, 4])
    other = beside(crm, OTHER)
    other.people([0, 2])
    kill_while_sending(other, 1)
    publish(crm.con, [cap])
    assert [row.key for row in crm.plan().rows()] == [email(4)]
    # The other one takes it up again: it is the same contact.
    publish(other.con, [cap])
    assert [row.key for row in other.plan().rows()] == [email(2)]
