"""Digests: plans that read little of the log find what those find that read all."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

import pytest

from activations import digest
from activations.connectors import Outcome
from activations.errors import PayloadError
from tests.activations.bench import Bench, bench, email
from tests.activations.scripted import Destination


@pytest.fixture
def crm(tmp_path: Path) -> Bench:
    work = bench(tmp_path, "webhook", {"url": "http://x"}, action="rows", mode="mirror")
    work.people(range(20))
    arrive(work)
    return work


def arrive(work: Bench, *, stale_share: float = 0.0) -> None:
    """Let all that is planned arrive, and write the digest as a run does."""
    plan = work.plan()
    log = work.write_log(f"run-{uuid.uuid4().hex}", plan.last_logged_at)
    log.add_all([Outcome(row, "succeeded") for row in plan.rows()])
    log.flush()
    work.digest(plan, stale_share=stale_share)


def digests(work: Bench) -> list[Path]:
    return sorted((work.data_dir / "log").glob("*.digest.parquet"))


def test_only_what_is_not_the_same_is_compared(crm: Bench) -> None:
    crm.people([*range(2, 19), 30])
    crm.con.execute("update syncs.acct__people set plan = 'pro' where email like '%5%'")
    plan = crm.plan(allow_deletes=9)
    assert plan.digest == digests(crm)[0]
    compared = crm.con.execute("select count(*) from sync_compared_payload").fetchone()
    assert compared == (3,)
    rows = {(row.operation, row.key, str(row.record)) for row in plan.rows()}
    (path,) = digests(crm)
    path.unlink()
    plan = crm.plan()
    assert plan.digest is None
    assert {(row.operation, row.key, str(row.record)) for row in plan.rows()} == rows
    assert plan.counts == {"insert": 1, "update": 2, "delete": 3}


def test_a_run_of_a_large_sync_leaves_a_digest(
    tmp_path: Path, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "WORTH_KEYS", 10)
    work = bench(tmp_path, "webhook", {"url": destination.url}, action="rows")
    work.people(range(9))
    work.run()
    assert digests(work) == []
    work.people(range(10))
    work.run()
    assert len(digests(work)) == 1
    assert work.plan().digest is not None
    assert work.run().planned.total == 0


def test_a_digest_is_written_anew_when_much_was_logged_since(crm: Bench) -> None:
    first = digests(crm)
    for people, written in (([0], 1), ([0, 1, 2, 3, 4], 2), (range(20), 2)):
        crm.con.execute(
            "update syncs.acct__people set plan = plan || '!' "
            "where list_contains($emails, email)",
            {"emails": [email(number) for number in people]},
        )
        arrive(crm, stale_share=0.1)
        assert len(digests(crm)) == written
        assert crm.plan().planned == 0
    assert first[0] not in digests(crm)


def test_a_row_that_comes_back_is_a_new_request(
    crm: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It was inserted and deleted: its insert is not the one that a tool knows."""
    directory = tmp_path_factory.mktemp("fresh")
    fresh = bench(directory, "webhook", {"url": "http://x"}, action="rows")
    fresh.people([0])
    crm.people(range(1, 20))
    arrive(crm)
    crm.people(range(20))
    plan = crm.plan()
    assert plan.digest is not None
    (row,), (first,) = plan.rows(), fresh.plan().rows()
    assert (row.key, row.fingerprint) == (first.key, first.fingerprint)
    assert row.idempotency_key != first.idempotency_key


def test_a_resync_compares_everything(crm: Bench) -> None:
    """Also what has left, and what the digest knows no hash of."""
    crm.people(range(1, 20))
    crm.ask("resync")
    plan = crm.plan()
    assert plan.digest is not None
    assert plan.counts == {"insert": 0, "update": 19, "delete": 1}


def test_a_digest_at_odds_with_the_log_is_not_used(crm: Bench) -> None:
    (path,) = digests(crm)
    content = path.read_bytes()
    assert crm.plan().digest == path
    for damaged in (b"", content[:-9], content[:-9] + bytes(9)):
        path.write_bytes(damaged)
        assert crm.plan().digest is None
    path.write_bytes(content)
    crm.con.execute("alter table syncs.acct__people add column _seen integer")
    assert crm.plan().digest == path
    crm.con.execute("alter table syncs.acct__people add column country varchar")
    plan = crm.plan()
    assert (plan.digest, plan.counts["update"]) == (None, 20)
    crm.con.execute("alter table syncs.acct__people drop column country")
    assert crm.plan().digest == path
    for file in (crm.data_dir / "raw" / "sync_log").rglob("*.parquet"):
        file.unlink()
    plan = crm.plan()
    assert (plan.digest, plan.counts["insert"]) == (None, 20)


@pytest.mark.parametrize("numbers", [[7, 7], [25, 25]])
@pytest.mark.parametrize("change", ["", "plan = 'pro'"])
def test_keys_that_stand_twice_are_found_among_rows_that_are_the_same(
    crm: Bench, numbers: Iterable[int], change: str
) -> None:
    crm.people([*range(7), *numbers, *range(8, 20)])
    if change:
        crm.con.execute(
            f"update syncs.acct__people set {change} "  # noqa: S608 - written above
            "where rowid = (select max(rowid) from syncs.acct__people "
            "where email in ('p007@example.com', 'p025@example.com'))"
        )
    with pytest.raises(
        PayloadError, match=r"NON_UNIQUE_PRIMARY_KEY\): p0\d\d@.* \(2 rows"
    ):
        crm.plan()


@pytest.mark.parametrize("key", [None, "", " "])
def test_rows_without_a_key_are_found(crm: Bench, key: str | None) -> None:
    crm.con.execute("insert into syncs.acct__people values (?, 'free')", [key])
    with pytest.raises(PayloadError, match=r"1 rows have no email \(NULL_KEY\)"):
        crm.plan()
