"""`kith plan` and `kith sync`: a list that breaks, and how people see to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.activations.processes import NAME, build, build_plans, prepare
from tests.activations.scripted import Destination, Give, run_destination
from tests.kith import Kith


@pytest.fixture
def destination() -> Iterator[Destination]:
    with run_destination() as running:
        yield running


@pytest.fixture
def kith(tmp_path: Path, destination: Destination) -> Kith:
    """The command on a data directory with a sync of thirty people, not yet sent."""
    account: dict[str, object] = {
        "manifest": "webhook",
        "private_network": True,
        "settings": {"url": destination.url},
    }
    data_dir = prepare(tmp_path, account, action="row")
    build(data_dir, range(30))
    destinations = str(tmp_path / "destinations.yml")
    return Kith(data_dir, environ={"KITH_DESTINATIONS": destinations}, in_process=True)


def told(kith: Kith, *arguments: str, code: int = 0) -> str:
    done = kith.run(*arguments)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def test_a_list_that_breaks_is_held_shown_and_released(
    kith: Kith, destination: Destination
) -> None:
    plan = kith.json("plan", NAME)
    assert (plan["insert"], len(plan["samples"]["insert"])) == (30, 5)
    assert "succeeded: 30 insert" in told(kith, "sync", NAME)
    build(kith.data_dir, range(1))
    shown = told(kith, "plan", NAME)
    assert "held (mass_delete,shrunk): 29 delete. 29 rows would be deleted" in shown
    assert "p001@example.com" in shown
    assert f"| {NAME} | 0 | 0 | 0 | 29 | held (mass_delete" in told(
        kith, "plan", "--all", "--markdown"
    )
    report = told(kith, "sync", NAME)
    assert len(destination.held) == 30
    assert "29 held mass_delete,shrunk" in told(kith, "sync", "errors", NAME)
    (release,) = [line for line in report.splitlines() if "kith sync release" in line]
    run = release.split()[-1]
    released = told(kith, "sync", "release", run, "--reason", "they are gone")
    assert "up to 0 insert, 0 update, 29 delete" in released
    assert "among them what a held run was released for" in told(kith, "plan", NAME)
    assert "succeeded: 29 delete" in told(kith, "sync", NAME)
    assert "has run since" in told(kith, "sync", "release", run, code=2)


def test_rejected_rows_are_listed_explained_and_sent_again(
    kith: Kith, destination: Destination
) -> None:
    destination.script = [Give(422, {"error": "no such country"})] * 2
    told(kith, "sync", NAME)
    listed = told(kith, "sync", "errors", NAME, "--limit", "1")
    assert "2 rejected 422" in listed
    assert "and 1 more: --limit" in listed
    (row,) = kith.json("sync", "errors", NAME, "--limit", "1")["rows"]
    story = told(kith, "sync", "explain", NAME, row["key"])
    assert "has rejected just this" in story
    assert "no such country" in story
    assert "or was rejected" in told(kith, "sync", "retry", NAME, "--rejected")
    assert "succeeded: 2 insert" in told(kith, "sync", NAME)
    told(kith, "sync", "resync", NAME, "--by", "ada")
    assert kith.json("plan", NAME)["update"] == 30
    story = told(kith, "sync", "explain", NAME, row["key"])
    assert "resync by ada" in story


def test_what_cannot_be_planned_has_no_numbers(kith: Kith) -> None:
    build_plans(kith.data_dir, {"": "free"})
    assert "cannot be planned" in told(kith, "plan", NAME, code=1)
    table = told(kith, "plan", "--all", "--markdown", code=1)
    assert f"| {NAME} | ? | ? | ? | ? |" in table
    assert "1 rows have no email (NULL_KEY)" in table
