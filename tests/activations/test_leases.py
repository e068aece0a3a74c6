"""Leases and journals: one run at a time, and nothing written by a late one."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from activations.connectors import Outcome
from activations.errors import LeaseLost, SyncRunning
from activations.explain import explain, find_troubles
from activations.journal import (
    Columns,
    Journal,
    journal_path,
    journals_left,
    read_journals,
)
from activations.leases import Fence, Lease, hold_lease
from activations.sync_log import SyncLog, land_what_is_left
from tests.activations.bench import NAME, Bench, email
from tests.activations.scripted import Destination


def fall_silent(lease: Lease) -> None:
    """Stop renewing, as a process does that is stopped."""
    lease._ended.set()
    lease._renewer.join()


def write_log(work: Bench, lease: Fence, *, journal_rows: int = 1000) -> SyncLog:
    return SyncLog(
        work.data_dir / "raw",
        work.sync,
        run_id=f"run{lease.token}",
        log_dir=work.data_dir / "log",
        lease=lease,
        after=work.plan().last_logged_at,
        journal_rows=journal_rows,
    )


def note_all(work: Bench, log: SyncLog) -> None:
    for row in work.plan().rows():
        log.add(Outcome(row=row, outcome="succeeded"))


def test_a_second_holder_is_told_of_the_first(tmp_path: Path) -> None:
    with hold_lease(tmp_path, "s"):
        with pytest.raises(SyncRunning, match=r"by process \d+\. This run did nothing"):
            hold_lease(tmp_path, "s").__enter__()
        with hold_lease(tmp_path, "other"):
            pass
    with hold_lease(tmp_path, "s") as lease:
        assert lease.token == 2


def test_a_lease_is_renewed_while_its_holder_works(tmp_path: Path) -> None:
    with hold_lease(tmp_path, "s", seconds=1.5) as lease:
        time.sleep(2.0)
        with pytest.raises(SyncRunning):
            hold_lease(tmp_path, "s").__enter__()
        lease.check()


def test_a_late_holder_finds_itself_fenced_off(tmp_path: Path) -> None:
    with hold_lease(tmp_path, "s", seconds=0.1) as late:
        fall_silent(late)
        time.sleep(0.15)
        with hold_lease(tmp_path, "s") as lease:
            assert lease.token == late.token + 1
            with (
                pytest.raises(LeaseLost, match="another one has taken over"),
                late.fenced(),
            ):
                pytest.fail("it does what only the holder may")
            with pytest.raises(LeaseLost):
                late.check()
            with lease.fenced():
                pass
    # The late one gives nothing back that is not its own.
    with hold_lease(tmp_path, "s") as lease:
        assert lease.token == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sync-s.guard",
        "sync-s.lease",
    ]


def test_an_overdue_lease_that_nobody_took_is_still_held(tmp_path: Path) -> None:
    with hold_lease(tmp_path, "s", seconds=1.0) as lease:
        fall_silent(lease)
        time.sleep(1.1)
        lease.check()
        with pytest.raises(SyncRunning):
            hold_lease(tmp_path, "s").__enter__()


def test_nobody_takes_over_in_the_middle_of_a_commit(tmp_path: Path) -> None:
    entered = threading.Event()
    with hold_lease(tmp_path, "s", seconds=1.0) as slow:
        fall_silent(slow)
        time.sleep(1.1)
        with slow.fenced():
            taker = threading.Thread(target=_take, args=(tmp_path, entered))
            taker.start()
            assert not entered.wait(0.2)
        taker.join()
        assert not entered.is_set(), "the commit has renewed the lease"


def _take(tmp_path: Path, entered: threading.Event) -> None:
    try:
        with hold_lease(tmp_path, "s"):
            entered.set()
    except SyncRunning:
        return


def test_a_torn_lease_file_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / "sync-s.lease").write_bytes(b"\0\0\0")
    with hold_lease(tmp_path, "s") as lease:
        assert lease.token == 1


def test_the_late_commit_of_a_stopped_run_fails(crm: Bench) -> None:
    """What it had written before counts; what it writes later does not exist."""
    log_dir, raw = crm.data_dir / "log", crm.data_dir / "raw"
    crm.people(range(3))
    rows = list(crm.plan().rows())
    with hold_lease(log_dir, NAME, seconds=0.1) as stopped:
        late = write_log(crm, stopped)
        late.add(Outcome(row=rows[0], outcome="succeeded"))
        late.commit()
        fall_silent(stopped)
        time.sleep(0.15)
        with hold_lease(log_dir, NAME) as lease:
            land_what_is_left(raw, log_dir, NAME, lease=lease)
            late.add(Outcome(row=rows[1], outcome="succeeded"))
            with pytest.raises(LeaseLost):
                late.commit()
            with pytest.raises(LeaseLost):
                late.flush()
            assert late.counts["succeeded", "insert"] == 1
            assert [row["key"] for row in crm.log()] == [rows[0].key]
            log = write_log(crm, lease)
            note_all(crm, log)
            log.flush()
    assert [row["run_id"] for row in crm.log()] == ["run1", "run2", "run2"]
    assert journals_left(log_dir, NAME) == []


def test_a_journal_ends_where_it_is_torn(crm: Bench) -> None:
    """Each cut, and each damaged byte, leaves whole lines before it and no others."""
    log_dir = crm.data_dir / "log"
    crm.people(range(6))
    rows = list(crm.plan().rows())
    with hold_lease(log_dir, NAME) as lease:
        log = write_log(crm, lease)
        for row in rows:
            log.add(Outcome(row=row, outcome="succeeded", message="ü"))
            log.commit()
    (path,) = journals_left(log_dir, NAME)
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x10
        lines = sum(end <= position for end in ends)
        for content in (whole[:position], bytes(flipped)):
            path.write_bytes(content)
            told = sum(one.rows.num_rows for one in read_journals(log_dir, NAME))
            assert told == max(lines - 1, 0)
            if position % 50:
                continue
            for file in (crm.data_dir / "raw").rglob("*.parquet"):
                file.unlink()
            with hold_lease(log_dir, NAME) as lease:
                land_what_is_left(crm.data_dir / "raw", log_dir, NAME, lease=lease)
            assert len(crm.log()) == told


def test_much_that_was_under_way_is_told_of_soon(tmp_path: Path) -> None:
    """A connector has 50,000 rows under way at once, and a plan reads of them all."""
    keys = [f"{number:032x}" for number in range(50_000)]
    path = journal_path(tmp_path, NAME, token=1, number=1)
    names = ("sync", "run_id", "destination", "action")
    journal = Journal(path, name="run1-1", shared=dict.fromkeys(names, "x"))
    same: Columns = {"at": [1] * len(keys), "operation": ["insert"] * len(keys)}
    journal.expect({**same, "key": keys, "fingerprint": keys})
    journal.close()
    started = time.process_time()
    (told,) = read_journals(tmp_path, NAME)
    assert told.rows["key"].to_pylist() == told.rows["fingerprint"].to_pylist() == keys
    assert time.process_time() - started < 5


def test_a_journal_that_lands_twice_is_there_once(crm: Bench) -> None:
    log_dir, raw = crm.data_dir / "log", crm.data_dir / "raw"
    crm.people(range(6))
    with hold_lease(log_dir, NAME) as lease:
        log = write_log(crm, lease)
        note_all(crm, log)
        log.commit()
        (path,) = journals_left(log_dir, NAME)
        content = path.read_bytes()
        for _ in range(2):
            path.write_bytes(content)
            land_what_is_left(raw, log_dir, NAME, lease=lease)
    assert len(crm.log()) == 6


def test_a_journal_that_is_full_lands_while_the_run_goes_on(crm: Bench) -> None:
    crm.people(range(6))
    rows = list(crm.plan().rows())
    with hold_lease(crm.data_dir / "log", NAME) as lease:
        log = write_log(crm, lease, journal_rows=4)
        landed = []
        for row in rows:
            log.add(Outcome(row=row, outcome="succeeded"))
            log.commit()
            log.tidy()
            landed.append(len(crm.log()))
        log.flush()
    assert landed == [0, 0, 0, 4, 4, 4]
    assert [row["key"] for row in crm.log()] == [row.key for row in rows]


def test_a_plan_knows_what_a_killed_run_had_told(
    crm: Bench, destination: Destination
) -> None:
    crm.people(range(6))
    with hold_lease(crm.data_dir / "log", NAME) as lease:
        log = write_log(crm, lease)
        note_all(crm, log)
        log.commit()
    assert crm.run().planned.total == 0
    assert destination.requests == []


def kill_while_sending(work: Bench, answered: int, *, journal_rows: int = 1000) -> None:
    """A run that had these answers and was killed while it waited for the others."""
    with hold_lease(work.data_dir / "log", NAME) as lease:
        rows = list(work.plan().rows())
        log = write_log(work, lease, journal_rows=journal_rows)
        log.sending(rows)
        for row in rows[:answered]:
            log.add(Outcome(row=row, outcome="succeeded"))
            log.commit()
            log.tidy()


@pytest.mark.parametrize("journal_rows", [1000, 2])
def test_what_was_under_way_at_a_kill_may_have_arrived(
    crm: Bench, destination: Destination, journal_rows: int
) -> None:
    """It is in doubt, wherever journals began and ended: sent again, or removed."""
    crm.people(range(6))
    kill_while_sending(crm, 3, journal_rows=journal_rows)
    crm.people(range(2, 5))
    run = crm.run(allow_deletes=4)
    unknown = [row["key"] for row in crm.log() if row["code"] == "unknown"]
    assert unknown == [email(3), email(4), email(5)]
    # Together in one batch: that their run ended is no fault of theirs. Which of the
    # two requests is first to arrive is anyone's guess.
    assert (run.succeeded.insert, run.succeeded.delete) == (2, 3)
    added, deleted = sorted((got.json for got in destination.requests), key=len)
    assert len(added) == 2
    assert {each["key"] for each in deleted} == {email(0), email(1), email(5)}


@pytest.mark.parametrize("journal_rows", [1000, 2])
def test_a_plan_counts_what_has_not_landed_yet(crm: Bench, journal_rows: int) -> None:
    """It tells the same before, while and after it lands, and lands nothing itself."""
    log_dir, raw = crm.data_dir / "log", crm.data_dir / "raw"
    crm.people(range(6))
    kill_while_sending(crm, 3, journal_rows=journal_rows)
    left = {path: path.read_bytes() for path in journals_left(log_dir, NAME)}
    logged = crm.log()
    told = []

    def tell() -> None:
        plan = crm.plan()
        rows = [(row.key, row.operation, row.idempotency_key) for row in plan.rows()]
        troubles = find_troubles(plan, data_dir=crm.data_dir)
        story = explain(plan, email(3), data_dir=crm.data_dir)
        told.append((plan.as_dict(), rows, troubles, story.as_dict()))

    tell()
    assert [key for key, *_ in told[0][1]] == [email(3), email(4), email(5)]
    assert [trouble.code for trouble in told[0][2]] == ["unknown"] * 3
    assert {path: path.read_bytes() for path in journals_left(log_dir, NAME)} == left
    assert crm.log() == logged
    with hold_lease(log_dir, NAME) as lease:
        land_what_is_left(raw, log_dir, NAME, lease=lease)
    tell()
    # As a process leaves them that was killed between the two steps of landing.
    for path, content in left.items():
        path.write_bytes(content)
    tell()
    assert told[0] == told[1] == told[2]


def test_what_changes_back_after_a_kill_is_sent_once_more(
    crm: Bench, destination: Destination
) -> None:
    crm.people([1])
    crm.run()
    crm.people([1], plan="pro")
    kill_while_sending(crm, 0)
    crm.people([1])
    assert crm.run().succeeded.update == 1
    assert crm.run().planned.total == 0


def test_what_did_not_leave_is_in_no_doubt(crm: Bench) -> None:
    log_dir = crm.data_dir / "log"
    crm.people(range(3))
    with hold_lease(log_dir, NAME) as lease:
        log = write_log(crm, lease)
        rows = list(crm.plan().rows())
        log.sending(rows)
        log.not_sent(rows[:2])
    with hold_lease(log_dir, NAME) as lease:
        land_what_is_left(crm.data_dir / "raw", log_dir, NAME, lease=lease)
    assert [row["key"] for row in crm.log()] == [email(2)]


def test_the_lease_file_names_the_process(tmp_path: Path) -> None:
    import os

    with hold_lease(tmp_path, "s"):
        holder = json.loads((tmp_path / "sync-s.lease").read_text())
        assert holder["process"] == os.getpid()
