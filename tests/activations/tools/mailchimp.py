from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

BASIC = {"authorization": "Basic " + base64.b64encode(b"kith:s3cret").decode()}
ADA, BOB = "ada@example.com", "bob@example.com"
# MD5 of the address in lower case.
ADA_ID = "3e3417d7ef77d5932a6734b916515ed5"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def member(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com", "language": "de", "FNAME": "P"}


def known(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com"}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "email": f"p-e{number}@example.com",
        "event": "signed_in",
        "occurred_at": "2026-11-22T10:00:00.250000Z",
        "attempt": 2,
        "is_new": False,
    }


def refusing(refused: Collection[str]) -> Answer:
    """Single members get problem documents; a tag's answer lists who it left out."""
    emails = {*refused, *(f"p-{key}@example.com" for key in refused)}
    hashes = {md5(email) for email in emails}

    def answer(got: Got) -> Give:
        if "/tag-search" in got.path:
            return Give(200, {"tags": [{"id": 3, "name": "VIP"}], "total_items": 1})
        if got.path.endswith("/segments"):
            return Give(200, {"id": 77, "name": got.json["name"]})
        if "/segments/" in got.path:
            (addresses,) = got.json.values()
            bad = [email for email in addresses if email in emails]
            error = {"email_addresses": bad, "error": "Not on the list"}
            return Give(200, {"errors": [error] if bad else []})
        if any(part in got.path for part in hashes):
            detail = "The resource submitted could not be validated."
            return Give(400, {"title": "Invalid Resource", "detail": detail})
        return Give(200, {"id": "x"}) if got.method == "PUT" else Give(204)

    return answer


FIND = Sent(
    "GET", "/3.0/lists/a1b2/tag-search?name=VIP+customers", json=None, headers=BASIC
)
MAKE = Sent(
    "POST",
    "/3.0/lists/a1b2/segments",
    json={"name": "VIP customers", "static_segment": []},
    headers=BASIC,
)


def tagging(field: str) -> list[Sent]:
    body = {field: [ADA, BOB]}
    path = "/3.0/lists/a1b2/segments/77"
    return [FIND, MAKE, Sent("POST", path, json=body, headers=BASIC)]


TOOL = Tool(
    settings={"api_key": SECRET, "server": "us21"},
    answer=refusing(()),
    refusing=refusing,
    stopping=[("/members/", Give(404, {"title": "Resource Not Found"}))],
    # From before the API, where too much is under way.
    passing=[("/members/", Give(403, b"<html>Forbidden</html>"))],
    examples={
        "members": Example(
            key="email",
            options={"audience": "a1b2", "status_if_new": "transactional"},
            rows=[
                {
                    "email": "Ada@Example.com",
                    "language": None,
                    "FNAME": "Ada",
                    "LNAME": None,
                }
            ],
            row=member,
            requests=[
                Sent(
                    "PUT",
                    f"/3.0/lists/a1b2/members/{ADA_ID}?skip_merge_validation=true",
                    json={
                        "email_address": ADA,
                        "status_if_new": "transactional",
                        "merge_fields": {"FNAME": "Ada"},
                    },
                    headers=BASIC,
                )
            ],
            leaving=[
                Sent("DELETE", f"/3.0/lists/a1b2/members/{ADA_ID}", headers=BASIC)
            ],
        ),
        "tag": Example(
            key="email",
            options={"audience": "a1b2", "tag": "VIP customers"},
            rows=[{"email": ADA}, {"email": BOB}],
            row=known,
            requests=tagging("members_to_add"),
            leaving=tagging("members_to_remove"),
        ),
        "events": Example(
            key="event_id",
            options={"audience": "a1b2"},
            rows=[event(1) | {"email": ADA, "is_new": None}],
            row=event,
            mark=lambda key: md5(f"p-{key}@example.com"),
            requests=[
                Sent(
                    "POST",
                    f"/3.0/lists/a1b2/members/{ADA_ID}/events",
                    json={
                        "name": "signed_in",
                        "occurred_at": "2026-11-22T10:00:00Z",
                        "properties": {"attempt": "2"},
                    },
                    headers=BASIC,
                )
            ],
        ),
        "forget": Example(
            key="email",
            options={"audience": "a1b2"},
            rows=[{"email": ADA}],
            row=known,
            mark=md5,
            requests=[
                Sent(
                    "POST",
                    f"/3.0/lists/a1b2/members/{ADA_ID}/actions/delete-permanent",
                    headers=BASIC,
                )
            ],
        ),
    },
)
