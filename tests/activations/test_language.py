"""What manifests can say, tool by made-up tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from activations.errors import ConfigError
from tests.activations.bench import email
from tests.activations.made_up import GET, POST, upsert, work_with
from tests.activations.scripted import Destination, Give, Got


def test_fields_are_cleaned_and_what_is_left_empty_is_null(
    destination: Destination, tmp_path: Path
) -> None:
    action = upsert() | {
        "fields": {
            "email": {
                "description": "E-mail.",
                "value": "{{ value | email | sha256 }}",
            },
            "phone": {
                "description": "Phone.",
                "value": "{{ value | e164(row.country) | sha256 }}",
            },
            "country": {"description": "Two letters.", "required": True},
        },
        "needs_one_of": ["email", "phone"],
        "other_fields": "Are attributes.",
    }
    action["operations"]["upsert"]["entry"] = {
        "id": "{{ record }}",
        "rest": "{{ other }}",
    }
    work = work_with(tmp_path, destination.url, action)
    keys = ("email", "phone", "country", "plan")
    work.payload(
        dict(zip(keys, row, strict=True))
        for row in [
            (" Ada@Example.com ", "(415) 555-2671", "US", "pro"),
            ("no address", "nothing", "US", "pro"),
            ("bob@example.com", None, None, "free"),
        ]
    )
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (1, 2)
    messages = {row["key"]: row["message"] for row in work.log() if row["message"]}
    assert "None of email, phone" in messages["no address"]
    assert "'country' is missing" in messages["bob@example.com"]
    (got,) = destination.requests
    (entry,) = got.json
    assert entry["rest"] == {"plan": "pro"}
    assert entry["id"]["country"] == "US"
    # SHA-256 of ada@example.com and of +14155552671.
    assert entry["id"]["email"].startswith("b5fc85e55755f9e0")
    assert entry["id"]["phone"].startswith("cb6880e416769253")


def test_a_step_finds_or_makes_what_the_records_go_into(
    destination: Destination, tmp_path: Path
) -> None:
    """Pages are read until the name is found; what is not found is made, once."""
    action = upsert(request=POST | {"path": "/lists/{{ prepared.made }}/members"}) | {
        "prepare": [
            {
                "name": "found",
                "request": {
                    "method": "GET",
                    "path": "/lists",
                    "query": {"p": "{{ page }}"},
                },
                "value": "{{ response.lists | selectattr('name', 'equalto', sync) "
                "| map(attribute='id') | first | default(none) }}",
                "next": "{{ response.next }}",
            },
            {
                "name": "made",
                "when": "{{ prepared.found is none }}",
                "request": {
                    "method": "POST",
                    "path": "/lists",
                    "form": {"name": "{{ sync }}"},
                },
                "value": "{{ response.id }}",
            },
        ]
    }

    def answer(got: Got) -> Give:
        if got.method == "GET":
            last = got.path.endswith("p=2")
            return Give(
                200, {"lists": [{"name": "x", "id": 1}], "next": None if last else 2}
            )
        return Give(200, {"id": 9} if got.path == "/lists" else {})

    destination.answer = answer
    work = work_with(tmp_path, destination.url, action)
    work.people(range(3))
    assert work.run().succeeded.insert == 3
    paths = [f"{got.method} {got.path}" for got in destination.requests]
    assert paths == [
        "GET /lists",
        "GET /lists?p=2",
        "POST /lists",
        "POST /lists/9/members",
    ]
    made = destination.requests[2]
    assert dict(parse_qsl(made.body.decode())) == {"name": "acct__people"}
    assert made.headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_step_that_is_refused_sends_nothing(
    destination: Destination, tmp_path: Path
) -> None:
    step = {"name": "s", "request": {"method": "GET", "path": "/s"}, "value": "{{ 1 }}"}
    destination.answer = lambda got: Give(422, {"why": "no such plan"})
    work = work_with(tmp_path, destination.url, upsert() | {"prepare": [step]})
    work.people(range(3))
    run = work.run()
    assert run.stopped is not None
    assert "no such plan" in run.stopped
    assert (len(destination.requests), run.left) == (1, 3)


def test_a_step_gives_the_tool_time(destination: Destination, tmp_path: Path) -> None:
    step = {"name": "s", "request": {"method": "GET", "path": "/s"}, "value": "{{ 1 }}"}
    action = upsert() | {"prepare": [step | {"wait_seconds": 0.2}]}
    work = work_with(tmp_path, destination.url, action)
    work.people(range(1))
    assert work.run().succeeded.insert == 1
    made, sent = destination.requests
    assert sent.at - made.at >= 0.2


def test_a_step_that_cannot_be_asked_tells_why(
    destination: Destination, tmp_path: Path
) -> None:
    request = {"method": "GET", "path": "/s/{{ prepared.none | required('no list') }}"}
    steps = [
        {"name": "none", "when": "{{ false }}", "request": GET, "value": "{{ 1 }}"},
        {"name": "s", "request": request, "value": "{{ 1 }}"},
    ]
    work = work_with(tmp_path, destination.url, upsert() | {"prepare": steps})
    work.people(range(1))
    run = work.run()
    assert run.stopped is not None
    assert "no list" in run.stopped
    assert destination.requests == []


@pytest.mark.parametrize("missing", ["kept", "rejected"])
def test_records_are_looked_up_by_their_keys(
    destination: Destination, tmp_path: Path, missing: str
) -> None:
    action = upsert(
        entry={"id": "{{ ref }}", "email": "{{ key }}"},
        find={
            "request": POST | {"path": "/search"},
            "items": "{{ response }}",
            "key": "{{ item.email }}",
            "ref": "{{ item.id }}",
            "missing": missing,
        },
    )
    known = [("p000@example.com", 5), ("P001@example.com", 6), ("p002@example.com", 7)]
    known.append(("p002@example.com", 8))
    found = [{"email": email, "id": ref} for email, ref in known]
    destination.answer = lambda got: Give(200, found if got.path == "/search" else {})
    work = work_with(tmp_path, destination.url, action)
    work.people(range(4))
    run = work.run()
    kept = missing == "kept"
    assert (run.succeeded.insert, run.rejected.insert) == ((3, 1) if kept else (2, 2))
    sent = {entry["email"]: entry["id"] for entry in destination.requests[-1].json}
    expected = {"p000@example.com": "5", "p001@example.com": "6"}
    assert sent == (expected | {"p003@example.com": None} if kept else expected)
    messages = {row["key"]: row["message"] for row in work.log() if row["message"]}
    assert messages["p002@example.com"].startswith("2 records")


def test_what_has_no_identifier_yet_is_created(
    destination: Destination, tmp_path: Path
) -> None:
    action = {
        "operations": {
            "upsert": {
                "find": {
                    "request": {
                        "method": "GET",
                        "path": "/c",
                        "query": {"q": "{{ key }}"},
                    },
                    "items": "{{ response.found }}",
                    "key": "{{ item.email }}",
                    "ref": "{{ item.id }}",
                    "missing": "kept",
                },
                "request": {
                    "method": "PUT",
                    "path": "/c/{{ ref }}",
                    "json": "{{ record }}",
                },
                "create": {"method": "POST", "path": "/c", "json": "{{ record }}"},
                "responses": [
                    {"status": 200, "outcome": "succeeded", "ref": "{{ response.id }}"}
                ],
            }
        }
    }

    def answer(got: Got) -> Give:
        if got.method == "GET":
            found = [{"email": "p000@example.com", "id": "a/b"}]
            return Give(200, {"found": found if "p000" in got.path else []})
        return Give(200, {"id": "new"})

    destination.answer = answer
    work = work_with(tmp_path, destination.url, action, in_flight=1)
    work.people(range(2))
    assert work.run().succeeded.insert == 2
    told = [f"{got.method} {got.path}" for got in destination.requests]
    assert told == [
        "GET /c?q=p000%40example.com",
        "PUT /c/a%2Fb",
        "GET /c?q=p001%40example.com",
        "POST /c",
    ]
    destination.requests.clear()
    work.people(range(2), plan="pro")
    assert work.run().succeeded.update == 2
    # What the tool calls them is known now.
    told = [f"{got.method} {got.path}" for got in destination.requests]
    assert told == ["PUT /c/new", "PUT /c/new"]


def test_an_identifier_that_the_tool_has_no_more_is_asked_for_again(
    destination: Destination, tmp_path: Path
) -> None:
    """The tool merged a record into another: the ref of the last run is gone."""
    held = {"p000@example.com": "old", "p001@example.com": "other"}

    def answer(got: Got) -> Give:
        if got.method == "GET":
            (email,) = [email for email in held if email[:4] in got.path]
            return Give(200, {"found": [{"email": email, "id": held[email]}]})
        is_known = got.path.removeprefix("/c/") in held.values()
        return Give(200 if is_known else 404)

    destination.answer = answer
    find = {
        "request": {"method": "GET", "path": "/c", "query": {"q": "{{ key }}"}},
        "items": "{{ response.found }}",
        "key": "{{ item.email }}",
        "ref": "{{ item.id }}",
    }
    request = {"method": "PUT", "path": "/c/{{ ref }}", "json": "{{ record }}"}
    action = upsert(find=find, request=request, batch_size=1)
    work = work_with(tmp_path, destination.url, action, in_flight=1)
    work.people(range(2))
    assert work.run().succeeded.insert == 2
    held["p000@example.com"] = "new"
    for plan in ("pro", "team"):
        destination.requests.clear()
        work.people(range(2), plan=plan)
        assert work.run().succeeded.update == 2
        told = [f"{got.method} {got.path}" for got in destination.requests]
        again = ["PUT /c/old", "GET /c?q=p000%40example.com"] if plan == "pro" else []
        assert told == [*again, "PUT /c/new", "PUT /c/other"]
    # Found, and refused all the same: once is enough.
    destination.answer = lambda got: answer(got) if got.method == "GET" else Give(404)
    destination.requests.clear()
    work.people(range(2), plan="free")
    assert work.run().rejected.update == 2
    assert len(destination.requests) == 6


ALIGNED = {
    "status": 200,
    "outcome": "partial",
    "accepted": {
        "items": "{{ response }}",
        "when": "{{ item.ok }}",
        "index": "{{ position }}",
    },
    "rejected": {
        "items": "{{ response }}",
        "when": "{{ not item.ok }}",
        "index": "{{ position }}",
        "message": "{{ item.why }}",
    },
}


def test_results_in_the_order_of_the_request_are_matched(
    destination: Destination, tmp_path: Path
) -> None:
    destination.answer = lambda got: Give(
        200, [{"ok": "p001" not in each["email"], "why": "odd"} for each in got.json]
    )
    work = work_with(tmp_path, destination.url, upsert(responses=[ALIGNED]))
    work.people(range(4))
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (3, 1)
    assert work.outcomes()["p001@example.com"] == "rejected"


def test_results_of_another_number_are_matched_to_nobody(
    destination: Destination, tmp_path: Path
) -> None:
    """One item too few: whose it is nobody knows, so each record goes alone."""
    destination.answer = lambda got: Give(
        200, [{"ok": True}] * max(len(got.json) - 1, 1)
    )
    work = work_with(tmp_path, destination.url, upsert(responses=[ALIGNED]))
    work.people(range(4))
    assert work.run().succeeded.insert == 4
    assert [len(got.json) for got in destination.requests] == [4, 1, 1, 1, 1]


def test_a_batch_that_is_refused_for_named_culprits_goes_again_without_them(
    destination: Destination, tmp_path: Path
) -> None:
    rule = {
        "status": 400,
        "outcome": "partial",
        "others": "again",
        "rejected": {
            "items": "{{ response.errors | default([]) }}",
            "index": "{{ item.pointer | capture('/data/([0-9]+)/') | int }}",
            "message": "{{ item.detail }}",
        },
    }

    def answer(got: Got) -> Give:
        bad = [n for n, each in enumerate(got.json) if "p001" in each["email"]]
        errors = [{"pointer": f"/data/{n}/email", "detail": "no"} for n in bad]
        return Give(400 if bad else 202, {"errors": errors})

    destination.answer = answer
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(5))
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (4, 1)
    assert [len(got.json) for got in destination.requests] == [5, 4]


def test_a_refusal_that_names_nobody_is_halved(
    destination: Destination, tmp_path: Path
) -> None:
    rule = {
        "status": 400,
        "outcome": "partial",
        "others": "again",
        "rejected": {
            "items": "{{ response.errors | default([]) }}",
            "key": "{{ item }}",
        },
        "message": "{{ response.detail }}",
    }
    destination.answer = lambda got: (
        Give(400, {"detail": "odd one"}) if b"p001" in got.body else Give(200)
    )
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(4))
    run = work.run()
    assert (run.succeeded.insert, run.rejected.insert) == (3, 1)
    (message,) = [row["message"] for row in work.log() if row["message"]]
    assert message == "odd one"


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("uses entri. Names here", upsert(request=POST | {"json": "{{ entri }}"})),
    ("has either 'json' or 'form'", upsert(request=POST | {"form": {"a": "b"}})),
    ("goes with a batch size of 1", upsert(create=POST)),
    (
        "a 'job' tells of single records",
        upsert(
            job={
                "request": GET,
                "ended": "{{ true }}",
                "responses": [{"status": 200, "outcome": "succeeded"}],
            },
            responses=[
                {
                    "status": 200,
                    "outcome": "partial",
                    "rejected": {"items": "{{ response }}", "key": "{{ item }}"},
                }
            ],
        ),
    ),
    ("'needs_one_of' names no field", upsert() | {"needs_one_of": ["email"]}),
    ("'keys' names no field", upsert() | {"keys": ["email"]}),
    ("No filter named 'shout'", upsert(entry="{{ key | shout }}")),
]


@pytest.mark.parametrize(("expected", "action"), WRONG, ids=[w[0] for w in WRONG])
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, expected: str, action: dict[str, Any]
) -> None:
    with pytest.raises((ValueError, ConfigError), match=expected):
        work_with(tmp_path, "http://127.0.0.1:9", action)


def test_an_answer_whose_refusals_cannot_be_read_delivers_nothing(
    destination: Destination, tmp_path: Path
) -> None:
    """Nobody knows whether the list is absent or empty: nobody counts as delivered."""
    rule = {
        "status": 200,
        "outcome": "partial",
        "rejected": {"items": "{{ response.result.errors }}", "key": "{{ item }}"},
    }
    destination.answer = lambda got: Give(200, {"outcome": {"errors": []}})
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(3))
    run = work.run()
    assert (run.succeeded.insert, run.failed.insert) == (0, 3)


def test_a_culprit_without_a_place_is_nobody_s_neighbour(
    destination: Destination, tmp_path: Path
) -> None:
    rule = {
        "status": 400,
        "outcome": "partial",
        "others": "again",
        "rejected": {
            "items": "{{ response }}",
            "index": "{{ item | capture('([0-9]+)') | int }}",
        },
    }
    destination.answer = lambda got: (
        Give(400, ["somewhere"]) if b"p002" in got.body else Give(200)
    )
    work = work_with(tmp_path, destination.url, upsert(responses=[rule]))
    work.people(range(4))
    assert work.run().succeeded.insert == 3
    assert work.outcomes()["p002@example.com"] == "rejected"


@pytest.mark.parametrize("value", ["\u00e9", "a\r\nX-Other: b"])
def test_a_header_that_cannot_be_sent_is_one_row_s_problem(
    destination: Destination, tmp_path: Path, value: str
) -> None:
    request = POST | {"headers": {"X-Plan": "{{ record.plan }}"}}
    work = work_with(tmp_path, destination.url, upsert(request=request, batch_size=1))
    plans = [value, "free"]
    work.payload([{"email": email(n), "plan": plan} for n, plan in enumerate(plans)])
    run = work.run()
    assert (run.rejected.insert, run.succeeded.insert) == (1, 1)
    assert work.outcomes()[email(0)] == "rejected"


def test_an_address_that_is_none_is_told_in_short(
    destination: Destination, tmp_path: Path
) -> None:
    request = POST | {"path": "/{{ record.plan }}"}
    work = work_with(
        tmp_path,
        destination.url,
        upsert(request=request, batch_size=1),
        token="s3 cr/et",  # noqa: S106 - of a tool that does not exist
        query={"key": "{{ settings.token }}"},
    )
    work.people(range(1), plan="x" * 70_000)
    run = work.run()
    assert run.stopped is not None
    assert "is not a URL" in run.stopped
    assert len(run.stopped) < 500
    assert "et" not in run.stopped.partition("is not a URL")[0]
