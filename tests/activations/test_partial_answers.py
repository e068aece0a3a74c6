"""Answers that speak of some records only, in the ways that tools have of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activations.manifest import Manifest, Requester, Windows, load_catalog
from tests.activations.bench import Bench, bench
from tests.activations.scripted import Destination, Give, Got

CATALOG = load_catalog()
Work = Callable[..., Bench]
KEY = "{{ env_var('KEY') }}"
SETTINGS = {
    "iterable": {"api_key": KEY},
    "klaviyo": {"api_key": KEY},
    "salesforce": {"domain": "acme", "client_id": "app", "client_secret": KEY},
}


@pytest.fixture
def work(destination: Destination, tmp_path: Path) -> Work:
    """Makes a workbench for an action of a tool, which is the scripted destination."""

    def work(tool: str, action: str, *, key: str, **options: Any) -> Bench:
        manifest: Manifest = CATALOG[tool]
        assert manifest.requester is not None
        unlimited: dict[str, Windows] = dict.fromkeys(manifest.requester.rates, ())
        requester = Requester(base_url=destination.url, rates=unlimited)
        made = bench(
            tmp_path,
            tool,
            SETTINGS[tool],
            action=action,
            options=options,
            catalog={tool: manifest.model_copy(update={"requester": requester})},
            environ={"KEY": "s3cret"},
        )
        made.configure(key=key, mode=made.sync.action.modes[0])
        return made

    return work


def iterable_answer(name: Callable[[dict[str, Any]], dict[str, list[str]]]) -> Any:
    """Refuses u3, and names it as `name` says."""

    def answer(got: Got) -> Give:
        users = got.json["users"]
        bad = [user for user in users if user["userId"] == "u3"]
        body = {"successCount": len(users) - len(bad), "failCount": len(bad)}
        return Give(200, body | (name(bad[0]) if bad else {}))

    return answer


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        (lambda user: {"invalidUserIds": [user["userId"]]}, 1),
        (lambda user: {"failedUpdates": {"notFoundUserIds": [user["userId"]]}}, 1),
        # By its e-mail address, which is not the sync's key: each goes again alone.
        (lambda user: {"invalidEmails": [user["dataFields"]["email"]]}, 6),
        # Not at all: the batch is halved until the culprit is alone.
        (lambda user: {}, 7),
    ],
    ids=["by-key", "by-reason", "by-another-name", "nameless"],
)
def test_iterable_names_who_is_refused_or_does_not(
    destination: Destination, work: Work, name: Any, requests: int
) -> None:
    destination.answer = iterable_answer(name)
    bench = work("iterable", "users_by_id", key="user_id")
    rows = [{"user_id": f"u{n}", "email": f"p{n}@x.io", "plan": "a"} for n in range(5)]
    bench.payload(rows)
    run = bench.run()
    assert (run.succeeded.insert, run.rejected.insert) == (4, 1)
    assert bench.outcomes()["u3"] == "rejected"
    assert len(destination.requests) == requests


def klaviyo_job(*, failed: int = 0) -> dict[str, Any]:
    """A bulk import that has ended."""
    return {
        "data": {
            "id": "J1",
            "attributes": {"status": "complete", "failed_count": failed},
        }
    }


@pytest.mark.parametrize("is_nested", [True, False])
def test_klaviyo_finds_something_wrong_later(
    destination: Destination, work: Work, is_nested: bool
) -> None:
    """An error of a job repeats the profile; two pages of them."""

    def answer(got: Got) -> Give:
        if "import-errors" not in got.path:
            return Give(202, klaviyo_job(failed=2))
        key = "p1@x.io" if "cursor" not in got.path else "p3@x.io"
        profile = {"email": key, "first_name": "P"}
        error = {
            "code": "invalid",
            "detail": f"{key} bounces",
            "original_payload": {"attributes": profile} if is_nested else profile,
        }
        cursor = (
            "https://a.klaviyo.com/api/x?page%5Bcursor%5D=bmV4dA&page%5Bsize%5D=100"
        )
        more = None if "cursor" in got.path else cursor
        found = {"data": [{"attributes": error}], "links": {"next": more}}
        return Give(200, found)

    destination.answer = answer
    bench = work("klaviyo", "profiles_bulk", key="email")
    bench.payload([{"email": f"p{n}@x.io"} for n in range(5)])
    run = bench.run()
    assert (run.succeeded.insert, run.rejected.insert) == (3, 2)
    told = {row["key"]: row["message"] for row in bench.log() if row["message"]}
    assert told == {key: f"{key} bounces" for key in ("p1@x.io", "p3@x.io")}
    assert [got.path for got in destination.requests] == [
        "/profile-bulk-import-jobs",
        "/profile-bulk-import-jobs/J1",
        "/profile-bulk-import-jobs/J1/import-errors?page%5Bsize%5D=100",
        "/profile-bulk-import-jobs/J1/import-errors?page%5Bsize%5D=100"
        "&page%5Bcursor%5D=bmV4dA",
    ]


def test_klaviyo_refuses_a_job_and_points_at_nobody(
    destination: Destination, work: Work
) -> None:
    """An error about the request itself blames no profile: the batch is halved."""

    def answer(got: Got) -> Give:
        error = {"code": "invalid", "detail": "odd", "source": {"pointer": "/data"}}
        is_bad = b"p3@x.io" in got.body
        return Give(400, {"errors": [error]}) if is_bad else Give(202, klaviyo_job())

    destination.answer = answer
    bench = work("klaviyo", "profiles_bulk", key="email")
    bench.payload([{"email": f"p{n}@x.io"} for n in range(5)])
    run = bench.run()
    assert (run.succeeded.insert, run.rejected.insert) == (4, 1)
    (refused,) = [row for row in bench.log() if row["outcome"] == "rejected"]
    assert (refused["key"], refused["message"]) == ("p3@x.io", "odd")


def salesforce_answer(locked_for: int) -> Callable[[Got], Give]:
    """One result a record; k1's row is locked for so many requests."""
    asked = []

    def answer(got: Got) -> Give:
        asked.append(got)
        is_locked = len(asked) <= locked_for
        error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "locked"}
        return Give(
            200,
            [
                {"success": False, "errors": [error]}
                if each["K__c"] == "k1" and is_locked
                else {"id": f"id-{each['K__c']}", "success": True, "errors": []}
                for each in got.json["records"]
            ],
        )

    return answer


@pytest.mark.parametrize("locked_for", [1, 9])
def test_salesforce_has_locked_a_row(
    destination: Destination, work: Work, locked_for: int
) -> None:
    """That is no fault of the record: it goes again alone, and in the next run."""
    destination.answer = salesforce_answer(locked_for)
    bench = work("salesforce", "records", key="K__c", object="Lead", external_id="K__c")
    bench.payload([{"K__c": f"k{n}", "Name": "P"} for n in range(3)])
    run = bench.run()
    assert run.rejected.total == 0
    assert run.succeeded.insert == (3 if locked_for == 1 else 2)
    assert run.failed.insert == (0 if locked_for == 1 else 1)
    assert [len(got.json["records"]) for got in destination.requests] == [3, 1]
