"""Rates: what an account's processes may send together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from activations.counts import Counts
from activations.errors import DestinationUnavailable
from activations.manifest import Manifest, RateLimit
from activations.rates import Budget, account_budget
from activations.runs import SyncRun
from tests.activations.bench import Bench, bench, catalog_at
from tests.activations.scripted import Destination, Give, Got


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def budgets(path: Path, number: int = 2, **options: Any) -> Iterator[list[Budget]]:
    """The same account's budget, as several processes have it."""
    with ExitStack() as stack:
        opened = [Budget(path, **options) for _ in range(number)]
        for budget in opened:
            stack.callback(budget.close)
        yield opened


WINDOWS = st.tuples(st.integers(1, 12), st.sampled_from([0.5, 1.0, 10.0]))


@given(
    windows=st.lists(WINDOWS, min_size=1, max_size=3),
    steps=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 3)), max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_the_rate_holds_in_every_window(
    windows: list[tuple[int, float]], steps: list[tuple[int, float]]
) -> None:
    """Nobody ever sends too early, and nobody waits for longer than needed."""
    clock = Clock()
    sent: list[float] = []
    with (
        TemporaryDirectory() as directory,
        budgets(Path(directory) / "x", 3, rate=windows, clock=clock) as opened,
    ):
        for who, pause in steps:
            clock.now += pause
            wait = opened[who].take()
            full_until = [
                sent[-requests] + seconds
                for requests, seconds in windows
                if len(sent) >= requests and sent[-requests] > clock.now - seconds
            ]
            if wait is None:
                sent.append(clock.now)
                assert not full_until
            else:
                assert wait.seconds == pytest.approx(max(full_until) - clock.now)


def test_a_rate_above_what_the_file_holds_is_kept_in_a_shorter_window(
    tmp_path: Path,
) -> None:
    clock = Clock()
    with budgets(tmp_path / "x", 1, rate=[(20_000, 20.0)], clock=clock) as (budget,):
        taken = 0
        while budget.take() is None:
            taken += 1
        assert taken == 8192
        clock.now += 8.2
        assert budget.take() is None


def test_a_pause_holds_for_all_processes(tmp_path: Path) -> None:
    clock = Clock()
    with budgets(tmp_path / "x", clock=clock) as (one, other):
        one.pause(30)
        other.pause(10)
        wait = other.take()
        assert wait is not None
        assert (wait.seconds, wait.code) == (30, "429")
        clock.now += 30
        assert other.take() is None


def test_the_circuit_opens_and_one_request_tries(tmp_path: Path) -> None:
    clock = Clock()
    with budgets(tmp_path / "x", clock=clock) as (one, other):
        for _ in range(10):
            one.failed()
            other.failed()
        wait = one.take()
        assert wait is not None
        assert (wait.seconds, wait.code) == (60, "circuit_open")
        clock.now += 60
        # One tries; while it does, and when it fails, all others wait.
        assert other.take() is None
        assert one.take() is not None
        clock.now += 30
        other.failed()
        clock.now += 59
        assert one.take() is not None
        clock.now += 1
        assert one.take() is None
        one.answered()
        assert other.take() is None
        assert one.take() is None


def test_a_try_that_was_killed_is_made_again(tmp_path: Path) -> None:
    clock = Clock()
    with budgets(tmp_path / "x", clock=clock) as (one, other):
        for _ in range(20):
            one.failed()
        clock.now += 60
        assert one.take() is None
        clock.now += 60
        assert other.take() is None


def test_an_answer_in_between_keeps_the_circuit_closed(tmp_path: Path) -> None:
    with budgets(tmp_path / "x", 1) as (budget,):
        for _ in range(3):
            for _ in range(19):
                budget.failed()
            budget.answered()
        assert budget.take() is None


def test_who_waits_with_higher_priority_goes_first(tmp_path: Path) -> None:
    clock = Clock()
    rate = [(1, 1.0)]
    with (
        budgets(tmp_path / "x", 1, rate=rate, clock=clock) as (usual,),
        budgets(tmp_path / "x", 1, rate=rate, clock=clock, priority=2) as (urgent,),
    ):
        assert usual.take() is None
        assert urgent.take() is not None
        clock.now += 1
        assert usual.take() is not None
        assert urgent.take() is None
        # Nobody urgent waits any more.
        clock.now += 1.3
        assert usual.take() is None


def test_another_boot_of_the_machine_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with budgets(tmp_path / "x", 1) as (budget,):
        budget.pause(3000)
    monkeypatch.setattr("activations.rates._boot", lambda: 7.0)
    with budgets(tmp_path / "x", 1) as (budget,):
        assert budget.take() is None


def test_a_process_that_stands_still_inside_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("activations.rates._LONGEST_HOLD", 0.05)
    with budgets(tmp_path / "x", 1) as (budget,):
        descriptor = os.open(tmp_path / "x", os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(DestinationUnavailable, match="stands still"):
            budget.pause(1)
        os.close(descriptor)
        budget.pause(0)


# Two syncs of one account, for real.

WINDOW = 0.4


def two_syncs(tmp_path: Path, destination: Destination) -> tuple[Bench, Bench]:
    """Two syncs of one account that takes five requests in any 0.4 seconds."""
    catalog = catalog_at(destination.url, "webhook")
    requester = catalog["webhook"].requester
    assert requester is not None
    limited = requester.model_copy(
        update={"rate_limit": RateLimit(requests=5, seconds=WINDOW)}
    )
    catalog["webhook"] = catalog["webhook"].model_copy(update={"requester": limited})
    settings = {"url": destination.url}
    one = bench(tmp_path, "webhook", settings, action="row", catalog=catalog)
    other = bench(tmp_path, "webhook", settings, action="row", catalog=catalog)
    other.configure(name="acct__others", priority="high")
    one.people(range(60))
    other.people(range(100, 115))
    return one, other


def test_requests_with_a_rate_of_their_own_count_by_themselves(
    tmp_path: Path, destination: Destination
) -> None:
    """A tool that allows few deletes in a while, which do not hold up the others."""
    catalog = catalog_at(destination.url, "webhook")
    raw = catalog["webhook"].model_dump(by_alias=True, exclude_unset=True)
    raw["requester"]["rates"] = {"deletes": [{"requests": 1, "seconds": WINDOW}]}
    operations = raw["actions"]["row"]["operations"]
    operations["delete"]["request"]["rate"] = "deletes"
    catalog["webhook"] = Manifest.model_validate(raw)
    work = bench(
        tmp_path,
        "webhook",
        {"url": destination.url},
        action="row",
        mode="mirror",
        catalog=catalog,
    )
    work.people(range(5))
    started = time.monotonic()
    work.run()
    assert time.monotonic() - started < WINDOW
    work.people(range(2, 12))
    started = time.monotonic()
    assert work.run(allow_deletes=2).succeeded == Counts(insert=7, update=0, delete=2)
    assert time.monotonic() - started >= WINDOW
    rates = {path.name for path in (work.data_dir / "log").glob("*.rates")}
    assert rates == {"account-acct.rates", "account-acct.deletes.rates"}


def test_a_rate_that_nobody_gave_is_told(tmp_path: Path) -> None:
    raw = catalog_at("http://127.0.0.1:8080", "webhook")["webhook"].model_dump(
        by_alias=True, exclude_unset=True
    )
    raw["check"] = {"request": {"method": "GET", "rate": "checks"}}
    with pytest.raises(ValidationError, match="no rate 'checks'"):
        Manifest.model_validate(raw)


def run_both(*works: Bench) -> list[SyncRun]:
    runs: list[SyncRun] = []
    threads = [
        threading.Thread(target=lambda work=work: runs.append(work.run()))
        for work in works
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs


def test_two_syncs_share_one_budget_and_the_urgent_one_ends_first(
    tmp_path: Path, destination: Destination
) -> None:
    one, other = two_syncs(tmp_path, destination)
    runs = run_both(one, other)
    assert [run.sync for run in runs] == ["acct__others", "acct__people"]
    assert all(run.is_complete for run in runs)
    assert len(destination.held) == 75
    times = sorted(got.at for got in destination.requests)
    # What left in time may arrive late, and so closer to the next: that the rate holds
    # to the request is shown above.
    for first, other_window in zip(times, times[15:], strict=False):
        assert other_window - first > WINDOW
    assert times[-1] - times[0] > (75 / 5 - 2) * WINDOW


def test_retry_after_holds_the_other_sync_too(
    tmp_path: Path, destination: Destination
) -> None:
    one, other = two_syncs(tmp_path, destination)
    destination.script = [Give(429, headers={"Retry-After": "1"})]
    run_both(one, other)
    first = destination.requests[0].at
    waited = [got.at - first for got in destination.requests if got.at - first > 0.3]
    assert min(waited) >= 1.0
    assert len(destination.requests) == 76


def test_a_slow_account_holds_up_no_other(
    tmp_path: Path, destination: Destination
) -> None:
    """Each account has connections, rates and a circuit of its own."""
    slow = bench(tmp_path, "webhook", {"url": destination.url}, action="row")
    quick = bench(tmp_path, "webhook", {"url": destination.url}, action="row")
    quick.configure(name="b__people", account=replace(quick.sync.account, name="b"))
    slow.people(range(3))
    quick.people(range(100, 110))
    opened = threading.Event()

    def answer(got: Got) -> Give:
        return Give(until=opened if got.json["key"] < "p1" else None)

    destination.answer = answer
    waiting = threading.Thread(target=slow.run)
    waiting.start()
    assert quick.run().succeeded.insert == 10
    opened.set()
    waiting.join()
    assert len(destination.held) == 13


def test_an_outage_that_passes_is_waited_for(
    tmp_path: Path, destination: Destination
) -> None:
    """The circuit is open when the run begins, and closes by its first answer."""
    work = bench(tmp_path, "webhook", {"url": destination.url}, action="row")
    work.people(range(5))
    budget = account_budget(work.data_dir / "log", "acct")
    for _ in range(20):
        budget.failed()
    budget._cells[4] = budget._clock() + 0.3  # it has been open for nearly a minute
    assert work.run().succeeded.insert == 5
    assert not budget.is_open
    budget.close()
