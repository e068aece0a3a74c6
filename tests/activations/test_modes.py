"""Modes: what each of them sends, and what becomes of rows that leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from activations.actions import Mode
from activations.errors import PayloadError
from activations.sync import Leave
from tests.activations.bench import Bench, email
from tests.activations.scripted import Destination, Give

START = datetime(2026, 11, 1, tzinfo=UTC)


def sent(destination: Destination) -> list[tuple[str, str, Any]]:
    """What the destination was told: operation, key and record, in order."""
    return [
        (entry["operation"], entry["key"], entry["record"])
        for got in destination.requests
        for entry in got.json
    ]


@pytest.mark.parametrize(
    ("mode", "operations"),
    [
        ("insert", ["insert", "insert", "insert"]),
        ("update", ["update", "update", "update", "update"]),
        ("upsert", ["insert", "insert", "insert", "update"]),
        ("mirror", ["insert", "insert", "insert", "update", "delete"]),
    ],
)
def test_a_mode_sends_what_it_says(
    crm: Bench, destination: Destination, mode: Mode, operations: list[str]
) -> None:
    """Two rows; then one of them changes, the other leaves, and a third comes."""
    crm.configure(mode=mode)
    crm.people([1, 2])
    crm.run()
    crm.people([2, 3], plan="pro")
    crm.run()
    # Requests about different keys are under way at once, in any order.
    told = [operation for operation, _, _ in sent(destination)]
    assert sorted(told) == sorted(operations)
    assert crm.run().planned.total == 0


@pytest.mark.parametrize(
    ("mode", "leave"),
    [
        ("mirror", "nothing"),
        ("mirror", "set"),
        ("upsert", "delete"),
        ("update", "set"),
        ("insert", "set"),
    ],
)
def test_a_row_that_leaves_meets_what_was_said(
    crm: Bench, destination: Destination, mode: Mode, leave: Leave
) -> None:
    values = {"plan": "none", "seats": 0, "vip": False, "note": None}
    crm.configure(mode=mode, on_leave=leave, leave_values=values)
    crm.people([1, 2])
    crm.run()
    crm.people([1])
    run = crm.run()
    told = sent(destination)[2:]
    expected: dict[str, list[Any]] = {
        "nothing": [],
        "delete": [("delete", email(2), None)],
        "set": [("update", email(2), {"email": email(2), **values})],
    }
    assert told == expected[leave]
    assert run.status == "succeeded"
    plan = crm.plan()
    assert (plan.planned, plan.destination_rows) == (0, 2 if leave == "nothing" else 1)
    crm.people([1, 2])
    if (mode, leave) == ("insert", "set"):
        return  # the record is there, and this mode leaves it as it is
    assert crm.run().planned.total == (0 if leave == "nothing" else 1)
    assert destination.held[email(2)]["plan"] == "free"


def consents(crm: Bench, numbers: dict[int, bool | None]) -> None:
    schema = pa.schema(
        [("email", pa.string()), ("plan", pa.string()), ("_may_mail", pa.bool_())]
    )
    rows = [
        {"email": email(number), "plan": "free", "_may_mail": may}
        for number, may in numbers.items()
    ]
    crm.payload(rows, schema)


@pytest.mark.parametrize("mode", ["upsert", "mirror"])
def test_only_who_consents_is_sent_and_who_withdraws_is_removed(
    crm: Bench, destination: Destination, mode: Mode
) -> None:
    crm.configure(mode=mode, consent=("_may_mail",))
    consents(crm, {1: True, 2: True, 3: False, 4: None})
    run = crm.run()
    assert (run.succeeded.insert, run.left_out) == (2, 2)
    # The column of consent is not told to the destination.
    assert destination.held[email(1)] == {"email": email(1), "plan": "free"}
    consents(crm, {1: True, 2: False, 3: True, 4: None})
    run = crm.run()
    assert (run.succeeded.insert, run.succeeded.delete, run.left_out) == (1, 1, 2)
    assert set(destination.held) == {email(1), email(3)}
    assert crm.runs()[-1]["left_out"] == 2
    assert crm.run().planned.total == 0


def test_a_column_whose_name_begins_with_an_underscore_changes_nothing(
    crm: Bench, destination: Destination
) -> None:
    crm.payload([{"email": "a@x", "_score": 1}])
    crm.run()
    crm.payload([{"email": "a@x", "_score": 2}])
    assert crm.run().planned.total == 0
    assert destination.held == {"a@x": {"email": "a@x"}}


def orders(crm: Bench, hours: dict[int, int | None], *, plan: str = "free") -> None:
    """Rows that came so many hours after the start."""
    schema = pa.schema(
        [
            ("email", pa.string()),
            ("plan", pa.string()),
            ("at", pa.timestamp("us", tz="UTC")),
        ]
    )
    rows = [
        {
            "email": email(number),
            "plan": plan,
            "at": None if hour is None else START + timedelta(hours=hour),
        }
        for number, hour in hours.items()
    ]
    crm.payload(rows, schema)


def appending(crm: Bench) -> None:
    crm.configure(mode="append", watermark="at")


def test_append_sends_each_key_once(crm: Bench, destination: Destination) -> None:
    appending(crm)
    orders(crm, {1: 1, 2: 2})
    assert crm.run().watermark == "2026-11-01 02:00:00+00"
    # A change, a row of the same moment, a later one; and the first is gone.
    orders(crm, {2: 2, 3: 2, 4: 4}, plan="pro")
    assert crm.run().succeeded.insert == 2
    assert [key for _, key, _ in sent(destination)] == [email(n) for n in (1, 2, 3, 4)]
    assert crm.run().planned.total == 0


def test_append_does_not_look_at_what_is_below_the_watermark(crm: Bench) -> None:
    appending(crm)
    orders(crm, {1: 1, 2: 3})
    crm.run()
    orders(crm, {1: 1, 2: 3, 9: 2})
    assert crm.run().planned.total == 0


def test_append_sends_nothing_that_it_does_not_look_at(
    crm: Bench, destination: Destination
) -> None:
    """A key stands below the watermark without consent, and above it with it."""
    appending(crm)
    crm.configure(consent=("ok",))
    first = {"email": email(1), "ok": False, "at": START}
    second = {"email": email(2), "ok": True, "at": START + timedelta(hours=1)}
    crm.payload([first, second])
    crm.run()
    later = {"email": email(1), "ok": True, "at": START + timedelta(hours=2)}
    crm.payload([first, second, later])
    (sample,) = crm.plan().samples("insert")
    assert sample.record is not None
    assert sample.record["ok"] is True
    run = crm.run()
    assert (run.succeeded.insert, run.left) == (1, 0)
    told = [(key, record["ok"]) for _, key, record in sent(destination)]
    assert told == [(email(2), True), (email(1), True)]


def test_append_sends_later_what_a_stopped_run_did_not(
    crm: Bench, destination: Destination
) -> None:
    appending(crm)
    orders(crm, {1: 1})
    crm.run()
    orders(crm, {1: 1, 2: 2, 3: 3})
    destination.answer = lambda got: Give(401)
    assert crm.run().watermark is None
    destination.answer = lambda got: Give()
    assert crm.run().succeeded.insert == 2


def test_append_tries_again_what_failed_below_the_watermark(
    crm: Bench, destination: Destination
) -> None:
    appending(crm)
    crm.configure(action_name="row")
    orders(crm, {number: number for number in range(1, 5)})
    destination.answer = lambda got: Give(400 if got.json["key"] == email(1) else 200)
    run = crm.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 3)
    destination.answer = lambda got: Give()
    assert crm.run().planned.total == 0
    crm.ask("retry", rejected=True)
    assert crm.run().succeeded.insert == 1


@pytest.mark.parametrize(
    "highest", ["timestamptz 'infinity'", "date 'infinity'", "'nan'::double"]
)
def test_append_needs_a_watermark_that_others_can_pass(
    crm: Bench, destination: Destination, highest: str
) -> None:
    """Else no row that comes later would ever be sent."""
    appending(crm)
    crm.con.execute("create schema syncs")
    crm.con.execute(
        f"create table syncs.acct__people as select 'a' as email, {highest} as at"
    )
    with pytest.raises(PayloadError, match="nothing that comes later would be sent"):
        crm.run()
    assert destination.requests == []


def test_append_needs_a_watermark_in_every_row(
    crm: Bench, destination: Destination
) -> None:
    appending(crm)
    orders(crm, {1: 1, 2: None})
    with pytest.raises(PayloadError, match="1 rows have no at, so nobody could tell"):
        crm.run()
    crm.people([1])
    with pytest.raises(PayloadError, match="'at' is not a column"):
        crm.run()
    assert destination.requests == []
