"""Deliveries: every answer a destination can give ends in the right outcome."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from activations.counts import Counts
from activations.journal import journals_left
from activations.retries import retry_after
from tests.activations.bench import NAME, Bench, bench, catalog_at, email
from tests.activations.processes import journal_lines
from tests.activations.scripted import Destination, Give, Got


def small_batches(tmp_path: Path, destination: Destination, **changes: Any) -> Bench:
    """A webhook that takes few rows at a time."""
    changes = {"batch_size": 3} | changes
    catalog = catalog_at(destination.url, "webhook", **changes)
    settings = {"url": destination.url}
    return bench(tmp_path, "webhook", settings, action="rows", catalog=catalog)


def test_a_second_run_sends_nothing(crm: Bench, destination: Destination) -> None:
    crm.people(range(7))
    run = crm.run()
    assert (run.planned.insert, run.succeeded.insert, run.is_complete) == (7, 7, True)
    assert destination.held[email(3)] == {"email": email(3), "plan": "free"}
    sent = len(destination.requests)
    assert crm.run().planned.total == 0
    assert len(destination.requests) == sent
    crm.people(range(1, 8), plan="pro")
    run = crm.run()
    assert run.succeeded == Counts(insert=1, update=6, delete=1)
    assert set(destination.held) == {email(n) for n in range(1, 8)}


def test_batches_keep_to_rows_and_bytes(
    tmp_path: Path, destination: Destination
) -> None:
    work = small_batches(tmp_path, destination, batch_size=4, batch_bytes=600)
    work.people(range(10))
    work.run()
    sizes = [(len(got.json), len(got.body)) for got in destination.requests]
    assert sum(rows for rows, _ in sizes) == 10
    assert all(rows <= 4 and size <= 600 for rows, size in sizes)
    assert len(destination.held) == 10


def test_a_row_too_large_for_any_request_is_rejected_alone(
    tmp_path: Path, destination: Destination
) -> None:
    work = small_batches(tmp_path, destination, batch_bytes=600)
    work.payload([{"email": email(1), "n": "x" * 900}, {"email": email(2), "n": "x"}])
    run = work.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 1)
    assert "a request takes 600" in work.log()[0]["message"]


def test_nan_is_rejected_not_sent(crm: Bench, destination: Destination) -> None:
    crm.payload([{"email": email(1), "n": float("nan")}, {"email": email(2), "n": 1.0}])
    run = crm.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 1)
    assert list(destination.held) == [email(2)]


@pytest.mark.parametrize(
    "passing",
    [
        Give(500),
        Give(503),
        Give(429),
        Give(408),
        Give(502, b"<html>"),
        Give(reset=True),
    ],
    ids=["500", "503", "429", "408", "502", "reset"],
)
def test_what_may_pass_is_tried_again(
    crm: Bench, destination: Destination, passing: Give
) -> None:
    destination.script = [passing, passing]
    crm.people([1])
    assert crm.run().succeeded.insert == 1
    assert len(destination.requests) == 3
    assert crm.log()[0]["attempts"] == 3
    # A repetition carries the key of the first try.
    assert len({got.headers["idempotency-key"] for got in destination.requests}) == 1


def test_429_uses_no_attempts(crm: Bench, destination: Destination) -> None:
    destination.script = [Give(429, headers={"Retry-After": "0"})] * 8
    crm.people([1])
    assert crm.run().succeeded.insert == 1
    assert crm.log()[0]["attempts"] == 9


def test_retry_after_is_kept_for_the_whole_account(
    tmp_path: Path, destination: Destination
) -> None:
    work = small_batches(tmp_path, destination)
    destination.script = [Give(429, headers={"Retry-After": "1"})]
    # No other answer comes before that is read, on however busy a machine.
    destination.answer = lambda got: Give(seconds=0.2)
    work.people(range(30))
    assert work.run().succeeded.insert == 30
    first = destination.requests[0].at
    # The few that were under way already had left; all others waited.
    waited = [got.at - first for got in destination.requests if got.at - first > 0.3]
    assert len(waited) >= 10 - 4
    assert min(waited) >= 1.0


def test_a_wait_beyond_the_budget_ends_the_run_at_once(
    crm: Bench, destination: Destination
) -> None:
    crm.retry = replace(crm.retry, longest_retry_after=3600)
    destination.answer = lambda got: Give(429, headers={"Retry-After": "3000"})
    crm.people([1])
    run = crm.run()
    assert run.failed.insert == 1
    assert (run.finished_at - run.started_at).total_seconds() < 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("-3", 0.0), ("soon", None), (None, None), ("Wed, 99 Xyz", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, now=datetime.now(UTC)) == seconds


def test_retry_after_as_a_date() -> None:
    now = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
    value = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert retry_after(value, now=now) == 90.0


def test_an_outage_fails_what_was_tried_and_leaves_the_rest(
    tmp_path: Path, destination: Destination
) -> None:
    work = small_batches(tmp_path, destination)
    destination.answer = lambda got: Give(503)
    work.people(range(30))
    run = work.run()
    assert run.stopped is not None
    assert "503" in run.stopped
    assert 3 <= run.failed.insert <= 12
    assert run.left == 30 - run.failed.insert
    assert set(work.outcomes().values()) == {"failed"}
    destination.answer = lambda got: Give()
    assert work.run().succeeded.insert == 30
    assert work.run().planned.total == 0


def test_a_row_that_breaks_the_destination_ends_up_alone(
    tmp_path: Path, destination: Destination
) -> None:
    """One record makes the tool answer 500: all others arrive within two runs."""
    work = small_batches(tmp_path, destination)
    destination.answer = lambda got: Give(500 if email(4).encode() in got.body else 200)
    work.people(range(12))
    work.run()
    run = work.run()
    assert set(destination.held) == {email(n) for n in range(12)} - {email(4)}
    assert run.failed.insert == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_stops_the_sync(
    tmp_path: Path, destination: Destination, status: int
) -> None:
    work = small_batches(tmp_path, destination)
    destination.answer = lambda got: Give(status, {"error": "no such key"})
    work.people(range(60))
    run = work.run()
    assert run.stopped is not None
    assert "credential" in run.stopped
    assert len(destination.requests) <= 4
    assert work.log() == []
    destination.answer = lambda got: Give()
    assert work.run().succeeded.insert == 60


@pytest.mark.parametrize("status", [301, 302, 307, 404, 405, 410, 501])
def test_a_wrong_address_rejects_no_record(
    crm: Bench, destination: Destination, status: int
) -> None:
    """After the address is mended, everything is still planned."""
    elsewhere = {"Location": "http://169.254.169.254/"}
    destination.answer = lambda got: Give(status, headers=elsewhere)
    crm.people(range(3))
    run = crm.run()
    assert run.stopped is not None
    assert str(status) in run.stopped
    assert len(destination.requests) == 1
    assert crm.log() == []
    assert crm.plan().planned == 3


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refused_batch_is_halved_until_the_culprit_is_alone(
    crm: Bench, destination: Destination, status: int
) -> None:
    bad = {email(13), email(57)}

    def answer(got: Got) -> Give:
        wrong = bad & {entry["key"] for entry in got.json}
        return Give(status, {"error": f"{sorted(wrong)}"}) if wrong else Give()

    destination.answer = answer
    crm.people(range(100))
    run = crm.run()
    assert (run.rejected.insert, run.succeeded.insert) == (2, 98)
    rejected = [row for row in crm.log() if row["outcome"] == "rejected"]
    assert {row["key"] for row in rejected} == bad
    assert {row["code"] for row in rejected} == {str(status)}
    assert email(13) in rejected[0]["message"] + rejected[1]["message"]
    assert len(destination.requests) < 40
    assert crm.run().planned.total == 0
    destination.answer = lambda got: Give()
    crm.people(range(100), plan="pro")
    assert crm.run().succeeded.total == 100


HOSTILE = {
    "long": Give(200, b"x" * 1_500_000),
    "header": Give(200, headers={"X-Long": "x" * 200_000}),
}


@pytest.mark.parametrize("give", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_are_survived(
    crm: Bench, destination: Destination, give: Give
) -> None:
    destination.answer = lambda got: give
    crm.people([1])
    run = crm.run()
    assert run.failed.insert == 1
    assert crm.plan().planned == 1


@pytest.mark.parametrize(
    "body", [b"\xff\xfe\x00", b"[" * 50_000, b"9" * 5_000, b"", b"null"]
)
def test_answers_that_are_no_json_count_by_their_status(
    crm: Bench, destination: Destination, body: bytes
) -> None:
    destination.answer = lambda got: Give(200, body)
    crm.people([1])
    assert crm.run().succeeded.insert == 1


def test_compressed_answers_are_not_inflated(
    crm: Bench, destination: Destination
) -> None:
    import gzip

    bomb = gzip.compress(b"0" * 50_000_000)
    destination.answer = lambda got: Give(
        200, bomb, headers={"Content-Encoding": "gzip"}
    )
    crm.people([1])
    assert crm.run().succeeded.insert == 1
    assert destination.requests[0].headers["accept-encoding"] == "identity"


def test_a_slow_destination_is_given_up(
    tmp_path: Path, destination: Destination
) -> None:
    catalog = catalog_at(destination.url, "webhook")
    requester = catalog["webhook"].requester
    assert requester is not None
    quick = requester.model_copy(update={"timeout_seconds": 0.2})
    catalog["webhook"] = catalog["webhook"].model_copy(update={"requester": quick})
    settings = {"url": destination.url}
    work = bench(tmp_path, "webhook", settings, action="rows", catalog=catalog)
    destination.answer = lambda got: Give(seconds=0.5)
    work.people([1])
    run = work.run()
    assert run.failed.insert == 1
    assert work.log()[0]["code"] == "timeout"


def test_a_few_requests_are_under_way_and_never_more(
    tmp_path: Path, destination: Destination
) -> None:
    work = small_batches(tmp_path, destination)
    destination.answer = lambda got: Give(seconds=0.02)
    work.people(range(60))
    work.run()
    assert 2 <= destination.most_at_once <= 4


def test_bodies_are_signed(tmp_path: Path, destination: Destination) -> None:
    settings = {
        "url": destination.url,
        "method": "PUT",
        "signing_secret": "{{ env_var('HOOK_SECRET') }}",
        "headers": {"X-Team": "growth", "Authorization": "Bearer {{ env_var('KEY') }}"},
    }
    environ = {"HOOK_SECRET": "s3cret", "KEY": "k"}
    work = bench(tmp_path, "webhook", settings, action="row", environ=environ)
    work.people([1])
    assert work.run().succeeded.insert == 1
    (got,) = destination.requests
    digest = hmac.new(b"s3cret", got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-kith-signature"] == f"sha256={digest}"
    assert (got.method, got.headers["x-team"]) == ("PUT", "growth")
    assert got.headers["authorization"] == "Bearer k"
    assert json.loads(got.body)["key"] == email(1)


def test_secrets_never_reach_the_log(tmp_path: Path, destination: Destination) -> None:
    settings = {
        "url": destination.url,
        "headers": {"Authorization": "Bearer {{ env_var('KEY') }}"},
    }
    environ = {"KEY": "hunter2"}
    work = bench(tmp_path, "webhook", settings, action="row", environ=environ)
    destination.answer = lambda got: Give(422, {"you sent": got.headers})
    work.people([1])
    run = work.run()
    assert run.rejected.insert == 1
    assert "***" in work.log()[0]["message"]
    assert "hunter2" not in work.log()[0]["message"]
    destination.answer = lambda got: Give(401, {"you sent": got.headers})
    work.people([2])
    assert "hunter2" not in str(work.run())


def test_outcomes_are_written_down_as_answers_come(
    tmp_path: Path, destination: Destination
) -> None:
    """When a request arrives, all but the few under way are told of already."""
    work = small_batches(tmp_path, destination, batch_size=50)
    log_dir = work.data_dir / "log"
    told: list[int] = []

    def answer(got: Got) -> Give:
        told.append(sum(map(count_rows, journals_left(log_dir, NAME))))
        return Give()

    destination.answer = answer
    work.people(range(999))
    assert work.run().succeeded.insert == 999
    assert len(told) == 20
    assert all(rows >= (number - 4) * 50 for number, rows in enumerate(told))
    assert journals_left(log_dir, NAME) == []
    assert len(work.log()) == 999


def count_rows(journal: Path) -> int:
    return sum(len(told["key"]) for told in journal_lines(journal, "outcomes"))
