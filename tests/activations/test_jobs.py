"""Jobs: a tool takes records, works on them, and tells later what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.activations.bench import Bench, email
from tests.activations.made_up import POST, upsert, work_with
from tests.activations.scripted import Destination, Give, Got

JOB: Mapping[str, Any] = {
    "request": {"method": "GET", "path": "/jobs/{{ response.id }}"},
    "ended": "{{ response.state != 'busy' }}",
    "every_seconds": 0.01,
    "found": {
        "when": "{{ response.failed }}",
        "request": {
            "method": "GET",
            "path": "/jobs/{{ response.id }}/errors",
            "query": {"page": "{{ page }}"},
        },
        "items": "{{ response.errors }}",
        "next": "{{ response.next }}",
    },
    "responses": [
        {"when": "{{ response.job.state == 'lost' }}", "outcome": "retry"},
        {
            "when": "{{ true }}",
            "outcome": "partial",
            "rejected": {
                "items": "{{ response.items }}",
                "key": "{{ item.email }}",
                "code": "{{ item.code }}",
                "message": "{{ item.why }}",
            },
        },
    ],
}


class Worker:
    """A tool that works for three looks, and then tells what it refused, two a page."""

    def __init__(self, refused: Sequence[str] = (), *, ends: str = "done") -> None:
        self.refused = refused
        self.ends = ends
        self.jobs: list[list[str]] = []
        self.looks: dict[int, int] = {}
        self.names = True

    def __call__(self, got: Got) -> Give:
        if got.method == "POST":
            self.jobs.append([each["email"] for each in got.json])
            return Give(202, {"id": len(self.jobs)})
        path, _, query = got.path.partition("?page=")
        number = int(path.split("/")[2])
        bad = [key for key in self.jobs[number - 1] if key in self.refused]
        if path.endswith("/errors"):
            start = int(query or 0)
            told = [self._error(key) for key in bad[start : start + 2]]
            more = start + 2 if len(bad) > start + 2 else None
            return Give(200, {"errors": told, "next": more})
        self.looks[number] = self.looks.get(number, 0) + 1
        state = "busy" if self.looks[number] < 3 else self.ends
        return Give(200, {"id": number, "state": state, "failed": len(bad)})

    def _error(self, key: str) -> dict[str, str | None]:
        told = {"code": "bad", "why": "No such person."}
        return told | {"email": key if self.names else None}


def at_work(tmp_path: Path, destination: Destination, **job: Any) -> Bench:
    operation = upsert(request=POST, batch_size=10, job={**JOB, **job})
    return work_with(tmp_path, destination.url, operation, in_flight=1)


def test_a_job_is_waited_for_and_tells_of_each_record(
    destination: Destination, tmp_path: Path
) -> None:
    refused = {email(n) for n in (1, 3, 4, 5, 7)}
    destination.answer = tool = Worker([*refused])
    work = at_work(tmp_path, destination)
    work.people(range(12))
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert, run.stopped) == (7, 5, None)
    assert tool.looks == {1: 3, 2: 3}
    asked = [got.path for got in destination.requests if "errors" in got.path]
    assert asked == ["/jobs/1/errors" + page for page in ("", "?page=2", "?page=4")]
    told = {row["key"]: row for row in work.log()}
    rejected = {key for key, row in told.items() if row["outcome"] == "rejected"}
    assert rejected == refused
    assert {told[key]["code"] for key in refused} == {"bad"}
    assert {told[key]["message"] for key in refused} == {"No such person."}
    assert work.run().planned.total == 0


def test_culprits_without_a_name_are_found_by_halves(
    destination: Destination, tmp_path: Path
) -> None:
    destination.answer = tool = Worker([email(5)])
    tool.names = False
    work = at_work(tmp_path, destination)
    work.people(range(8))
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (7, 1)
    assert work.outcomes()[email(5)] == "rejected"
    assert [len(job) for job in tool.jobs] == [8, 4, 4, 2, 1, 1, 2]


@pytest.mark.parametrize(
    ("ends", "job", "message"),
    [
        ("busy", {"within_seconds": 0.05}, "not ended within 0.05 s"),
        ("lost", {}, "it was not done"),
        ("done", {"ended": "{{ response.end }}"}, "not as its documentation"),
        (
            "done",
            {"request": {"method": "GET", "path": "/nothing"}},
            "nothing is here",
        ),
    ],
)
def test_rows_of_which_nobody_can_tell_are_sent_again(
    destination: Destination,
    tmp_path: Path,
    ends: str,
    job: dict[str, Any],
    message: str,
) -> None:
    tool = Worker(ends=ends)
    destination.answer = lambda got: (
        Give(400, "nothing is here") if got.path == "/nothing" else tool(got)
    )
    work = at_work(tmp_path, destination, **job)
    work.people(range(3))
    run = work.run()
    assert (run.failed.insert, run.succeeded.total, run.stopped) == (3, 0, None)
    assert {row["code"] for row in work.log()} == {"job"}
    assert all(message in row["message"] for row in work.log())
    destination.answer = Worker()
    work.configure(account=at_work(tmp_path, destination).sync.account)
    assert work.run().succeeded.insert == 3


def test_a_request_that_is_refused_begins_no_job(
    destination: Destination, tmp_path: Path
) -> None:
    destination.answer = lambda got: Give(400, {"message": "no"})
    work = at_work(tmp_path, destination)
    work.people(range(1))
    assert work.run().rejected.insert == 1
    assert [got.method for got in destination.requests] == ["POST"]


def test_a_refused_credential_leaves_the_rows_in_doubt(
    destination: Destination, tmp_path: Path
) -> None:
    """They have been taken: nobody may say that they never left."""
    destination.answer = lambda got: Give(
        401 if got.method == "GET" else 202, {"id": 1}
    )
    work = at_work(tmp_path, destination)
    work.people(range(2))
    assert work.run().stopped is not None
    assert [row["code"] for row in work.log()] == ["unknown"] * 2


@pytest.mark.parametrize("errors", [5, "oops", {"a": 1}])
def test_what_was_found_must_be_a_list(
    destination: Destination, tmp_path: Path, errors: Any
) -> None:
    tool = Worker([email(0)])
    destination.answer = lambda got: (
        Give(200, {"errors": errors, "next": None})
        if "errors" in got.path
        else tool(got)
    )
    work = at_work(tmp_path, destination)
    work.people(range(3))
    assert (work.run().failed.insert, len(tool.jobs)) == (3, 1)
    assert all("is no list" in row["message"] for row in work.log())


def test_what_was_taken_is_in_doubt_though_nobody_may_ask(
    destination: Destination, tmp_path: Path
) -> None:
    """The rate has room for the request that begins the job, and for no other."""
    operation = upsert(request=POST, batch_size=10, job=JOB)
    rate = {"requests": 1, "seconds": 3600}
    work = work_with(tmp_path, destination.url, operation, rate_limit=rate)
    work.people(range(3))
    destination.answer = Worker()
    run = work.run()
    assert run.stopped is not None
    assert (run.failed.insert, run.left) == (3, 0)
    assert {row["code"] for row in work.log()} == {"job"}
    assert all("the rate is used up" in row["message"] for row in work.log())
