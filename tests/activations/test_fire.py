"""Runs under fire: scripted answers, SIGKILL anywhere, a process that stands still.

The destination notes every version of every key that it accepts. Whatever happens,
versions of a key arrive in order, and what was accepted is accepted again only where
nobody could know, and then under the same idempotency key.
"""

from __future__ import annotations

import random
import signal
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from activations.retries import Retry
from tests.activations.bench import Bench, bench, catalog_at, email
from tests.activations.processes import (
    IN_FLIGHT,
    Start,
    build_plans,
    finish,
    logged,
    prepare,
    wait_for_lease,
    wait_for_requests,
)
from tests.activations.scripted import Destination, Give, Got

IMPATIENT = Retry(
    attempts=3, first_wait=0.001, longest_wait=0.004, longest_retry_after=1, seconds=20
)


@dataclass
class Accepted:
    """What a destination took: per key the versions and their idempotency keys.

    `unanswered` are keys whose acceptance the client could not learn of.
    """

    versions: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    idempotency: dict[tuple[str, int], set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    unanswered: set[tuple[str, int]] = field(default_factory=set)

    def take(self, got: Got, *, is_answered: bool) -> None:
        entries = got.json if isinstance(got.json, list) else [got.json]
        for entry in entries:
            if entry["operation"] == "delete":
                continue
            key, version = entry["key"], int(entry["record"]["plan"])
            self.versions[key].append(version)
            own = entry.get("idempotency_key", got.headers["idempotency-key"])
            self.idempotency[key, version].add(own)
            if not is_answered:
                self.unanswered.add((key, version))

    def answer(self, got: Got) -> Give:
        """Take everything, and say so."""
        self.take(got, is_answered=True)
        return Give()

    def check_order(self) -> None:
        for key, versions in self.versions.items():
            assert versions == sorted(versions), f"{key}: {versions}"

    def repeated(self) -> set[tuple[str, int]]:
        """What was accepted more than once; always under one idempotency key."""
        assert all(len(keys) == 1 for keys in self.idempotency.values())
        return {
            (key, version)
            for key, versions in self.versions.items()
            for version in versions
            if versions.count(version) > 1
        }


STATUSES = (
    *(200, 200, 200, 201, 204),
    *(400, 408, 422, 423, 425, 429, 500, 502, 503, 504),
)


def fire(destination: Destination, seed: int) -> Accepted:
    """Let the destination answer anything: taking, refusing, breaking off."""
    accepted = Accepted()
    choose = random.Random(seed)  # noqa: S311 - for tests

    def answer(got: Got) -> Give:
        status = choose.choice(STATUSES)
        breaks_off = choose.random() < 0.08
        if status < 300:
            accepted.take(got, is_answered=not breaks_off)
        headers = {"Retry-After": "0"} if status == 429 else {}
        return Give(status, headers=headers, reset=breaks_off)

    destination.answer = answer
    return accepted


def sender(tmp_path: Path, destination: Destination, batch_size: int) -> Bench:
    catalog = catalog_at(destination.url, "webhook", batch_size=batch_size)
    settings = {"url": destination.url}
    work = bench(
        tmp_path, "webhook", settings, action="rows", mode="upsert", catalog=catalog
    )
    return replace(work, retry=IMPATIENT)


@pytest.mark.parametrize(
    ("batch_size", "seed", "versions"),
    [(7, 12, 20), pytest.param(1, 11, 40, marks=pytest.mark.slow)],
)
def test_any_answers_keep_the_order_and_repeat_nothing(
    tmp_path: Path, destination: Destination, batch_size: int, seed: int, versions: int
) -> None:
    """50 keys of many versions each, while every third request is answered well."""
    work = sender(tmp_path, destination, batch_size)
    accepted = fire(destination, seed)
    for version in range(versions):
        work.people(range(50), plan=str(version))
        run = work.run()
        assert run.planned.total == sum(
            [run.succeeded.total, run.rejected.total, run.failed.total, run.left]
        )
    destination.answer = accepted.answer
    work.people(range(50), plan=str(versions))
    assert work.run().is_complete
    assert {record["plan"] for record in destination.held.values()} == {str(versions)}
    accepted.check_order()
    assert accepted.repeated() <= accepted.unanswered
    assert len(accepted.versions) == 50
    # The fire was real: some versions never arrived, some answers never came.
    assert accepted.unanswered
    assert sum(map(len, accepted.versions.values())) < 50 * (versions + 1)
    sent = len(destination.requests)
    assert work.run().planned.total == 0
    assert len(destination.requests) == sent


@pytest.mark.parametrize("rounds", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_a_run_killed_anywhere_repeats_only_what_was_under_way(
    tmp_path: Path, destination: Destination, start: Start, rounds: int
) -> None:
    account: dict[str, object] = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": destination.url},
    }
    # Nearly everything changes each time, and goes: guards are shown elsewhere.
    off = {"max_delete_share": 1.0, "max_change_share": 1.0, "max_shrink_share": 1.0}
    data_dir = prepare(tmp_path, account, action="row", guards=off)
    choose = random.Random()  # noqa: S311 - for tests
    accepted = Accepted()
    under_way = 0
    destination.answer = accepted.answer
    payload: Mapping[str, str] = {}
    for number in range(rounds):
        people = choose.sample(range(60), 40)
        payload = build_plans(data_dir, {email(n): str(number) for n in people})
        process = start(data_dir)
        # Anywhere: while it starts, plans, sends, lands; or by the count of requests.
        if choose.random() < 0.5:
            time.sleep(choose.uniform(0.0, 1.5))
        else:
            arrived = len(destination.requests) + choose.randint(0, 40)
            while len(destination.requests) < arrived and process.poll() is None:
                time.sleep(0.001)
        process.kill()
        process.communicate()
        under_way += IN_FLIGHT
        time.sleep(0.05)  # what had left the process still arrives
    payload = build_plans(data_dir, {**payload, email(99): str(rounds)})
    assert finish(start(data_dir))[0] == 0
    # Also what was under way at a kill and left the payload before the next run.
    assert destination.held == {
        key: {"email": key, "plan": plan} for key, plan in payload.items()
    }
    accepted.check_order()
    assert len(accepted.repeated()) <= under_way
    assert logged(data_dir) >= set(payload)
    sent = len(destination.requests)
    assert finish(start(data_dir))[0] == 0
    assert len(destination.requests) == sent


def test_a_run_that_stood_still_loses_its_place(
    tmp_path: Path, destination: Destination, start: Start
) -> None:
    """Stopped for longer than its lease, it is replaced; what it logs late fails."""
    account: dict[str, object] = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": destination.url},
    }
    data_dir = prepare(tmp_path, account, action="row")
    keys = set(build_plans(data_dir, {email(n): "0" for n in range(60)}))
    accepted = Accepted()

    def answer(got: Got) -> Give:
        accepted.take(got, is_answered=True)
        return Give(seconds=0.02)

    destination.answer = answer
    first = start(data_dir, lease_seconds=1.0)
    wait_for_lease(data_dir, first)
    wait_for_requests(destination, 20)
    first.send_signal(signal.SIGSTOP)
    # As long as the lease lasts, nobody takes it over.
    code, message = finish(start(data_dir))
    if code == 3:
        assert f"by process {first.pid}" in message
        time.sleep(1.0)
        assert finish(start(data_dir))[0] == 0
    assert logged(data_dir) == keys == set(destination.held)
    told = len(destination.requests)
    first.send_signal(signal.SIGCONT)
    code, message = finish(first)
    assert code == 1
    assert "another one has taken over" in message
    assert len(destination.requests) - told <= IN_FLIGHT
    accepted.check_order()
    assert len(accepted.repeated()) <= 2 * IN_FLIGHT
    sent = len(destination.requests)
    assert finish(start(data_dir))[0] == 0
    assert len(destination.requests) == sent
