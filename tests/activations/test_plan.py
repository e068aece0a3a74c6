"""Plans: the difference between payload and sync log, and what guards hold back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from activations.connectors import Outcome
from activations.errors import PayloadError
from activations.sync_log import SyncLog
from tests.activations.bench import Bench, bench, email
from tests.activations.scripted import Destination


def _log(work: Bench, run_id: str, after: datetime | None) -> SyncLog:
    return work.write_log(run_id, after)


def test_upsert_never_deletes(crm: Bench, destination: Destination) -> None:
    crm.configure(mode="upsert")
    crm.people(range(5))
    crm.run()
    crm.people(range(2))
    assert crm.plan().planned == 0
    assert len(destination.held) == 5


def test_a_refused_row_waits_until_it_changes(
    crm: Bench, destination: Destination
) -> None:
    crm.people([1])
    plan = crm.plan()
    log = _log(crm, "run", None)
    log.add(Outcome(row=next(plan.rows()), outcome="rejected", code="400"))
    log.flush()
    plan = crm.plan()
    assert (plan.planned, plan.refused) == (0, 1)
    crm.people([1], plan="pro")
    assert crm.plan().counts["insert"] == 1


def test_rows_that_failed_come_last(crm: Bench) -> None:
    """A row that always fails keeps no other from going out."""
    crm.people(range(3))
    log = _log(crm, "run", None)
    log.add(Outcome(row=next(crm.plan().rows()), outcome="failed"))
    log.flush()
    rows = list(crm.plan().rows())
    assert [row.key for row in rows] == [email(1), email(2), email(0)]
    assert [row.goes_alone for row in rows] == [False, False, True]


def test_keys_must_be_there_and_stand_once(
    crm: Bench, destination: Destination
) -> None:
    rows = [{"email": key} for key in ("a@x", "a@x", None, "", "b@x")]
    crm.payload(rows)
    with pytest.raises(PayloadError) as caught:
        crm.run()
    assert "a@x (2 rows)" in str(caught.value)
    assert "2 rows have no email" in str(caught.value)
    assert destination.requests == []
    assert crm.log() == []


def test_missing_tables_and_keys_are_named(crm: Bench) -> None:
    with pytest.raises(PayloadError, match=r"no table syncs\.acct__people"):
        crm.plan()
    crm.payload([{"mail": "a@x"}])
    with pytest.raises(PayloadError, match=r"Columns: mail\."):
        crm.plan()


def test_the_fingerprint_depends_on_values_alone(crm: Bench) -> None:
    """The MD5 of the record as sorted JSON, whatever the zone or order of columns.

    If a new version of anything below changed it, every row would be sent again.
    """
    at = datetime(2026, 11, 22, 6, 0, 0, 500_000, tzinfo=UTC)
    row = {"email": "a@x", "n": 5, "share": 0.1, "ok": True, "none": None, "at": at}
    schema = pa.schema(
        [
            ("email", pa.string()),
            ("n", pa.int64()),
            ("share", pa.float64()),
            ("ok", pa.bool_()),
            ("none", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
        ]
    )
    fingerprints = set()
    for zone, order in (("UTC", schema), ("Asia/Tokyo", pa.schema(list(schema)[::-1]))):
        crm.con.execute(f"set TimeZone = '{zone}'")
        crm.payload([row], order)
        (planned,) = crm.plan().rows()
        fingerprints.add(planned.fingerprint)
        assert planned.record is not None
        assert planned.record["at"] == "2026-11-22T06:00:00.500000Z"
    text = json.dumps(
        row | {"at": "2026-11-22T06:00:00.500000Z"},
        sort_keys=True,
        separators=(",", ":"),
    )
    assert fingerprints == {
        hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    }


def test_a_payload_may_name_its_columns_as_a_plan_does(crm: Bench) -> None:
    row = dict.fromkeys(["operation", "key", "fingerprint", "since_run", "kind"], "x")
    crm.payload([row | {"email": "a@x"}])
    (planned,) = crm.plan().rows()
    assert planned.record == row | {"email": "a@x"}
    identity = [crm.sync.name, "a@x", "insert", planned.fingerprint, ""]
    text = json.dumps(identity, separators=(",", ":"))
    assert planned.idempotency_key == hashlib.sha256(text.encode()).hexdigest()


def test_another_account_starts_from_nothing(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(3))
    crm.run()
    other = replace(crm.sync.account, name="other")
    crm.configure(account=other)
    plan = crm.plan()
    assert plan.counts == {"insert": 3, "update": 0, "delete": 0}
    assert plan.destination_rows == 0


def test_another_list_starts_from_nothing(tmp_path: Path) -> None:
    """Options that differ from their defaults are part of what the log remembers by."""
    settings = {"location": str(tmp_path / "out")}
    work = bench(tmp_path, "files", settings, action="file")
    work.people(range(3))
    work.run()
    assert work.sync.target == "file"
    work.configure(options={**work.sync.options, "name": "vip-members"})
    assert work.sync.target == "file?name=vip-members"
    assert work.plan().counts == {"insert": 3, "update": 0, "delete": 0}
    assert work.run().succeeded.insert == 3
    assert {row["action"] for row in work.log()} == {"file", work.sync.target}
    assert work.plan().planned == 0


def test_a_clock_that_goes_back_does_not_reorder_the_log(crm: Bench) -> None:
    crm.people([1])
    late = datetime(2030, 1, 1, tzinfo=UTC)
    clock = [late]
    for run in ("one", "two"):
        plan = crm.plan()
        log = crm.write_log(run, plan.last_logged_at, lambda: clock[0])
        log.add(Outcome(row=next(plan.rows()), outcome="succeeded"))
        log.flush()
        crm.people([1], plan="pro")
        clock[0] = late - timedelta(days=900)
    assert crm.plan().planned == 0


def test_idempotency_keys_live_until_the_effect(crm: Bench) -> None:
    crm.people([1])
    first, again = next(crm.plan().rows()), next(crm.plan().rows())
    assert first.idempotency_key == again.idempotency_key
    keys = [first.idempotency_key]
    for numbers in ([1], [2], [1, 2]):
        crm.people(numbers)
        plan = crm.plan(allow_deletes=9)
        log = _log(crm, f"run{len(keys)}", plan.last_logged_at)
        for row in list(plan.rows()):
            log.add(Outcome(row=row, outcome="succeeded"))
            keys.append(row.idempotency_key)
        log.flush()
    # The same row inserted again after its delete is a new request.
    assert len(set(keys)) == len(keys) - 1
