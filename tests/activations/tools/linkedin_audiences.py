from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

HEADERS = {
    "authorization": "Bearer t0ken",
    "linkedin-version": "202608",
    "x-restli-protocol-version": "2.0.0",
}
ADA = {
    "email": "Ada@Example.com ",
    "mobile_id": None,
    "first_name": " Ada",
    "last_name": "Lovelace",
    "title": None,
    "company": "Analytical Engines",
    "country": "gb",
}
BOB = dict.fromkeys(ADA) | {"email": "bob@example.com", "mobile_id": "cdda802e-fb9c"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def row(number: int) -> dict[str, Any]:
    return ADA | {"email": f"p{number}@example.com"}


def refusing(refused: Collection[str]) -> Answer:
    """LinkedIn's segments, and a result for each member in the order of the request."""
    bad = {sha(key) for key in refused}

    def result(element: dict[str, Any]) -> dict[str, Any]:
        if element["userIds"][0]["idValue"] in bad:
            return {"status": 400, "error": {"status": 400, "message": "Invalid id"}}
        return {"status": 201}

    def answer(got: Got) -> Give:
        if got.path == "/oauth/v2/accessToken":
            return Give(200, {"access_token": "t0ken", "expires_in": 5184000})
        if got.method == "GET":
            start = int(got.path.partition("start=")[2].partition("&")[0] or 0)
            count = 1 if start else 100
            other = {"id": 1, "name": "VIPs", "type": "COMPANY"}
            paging = {"start": start, "count": 100, "links": []}
            return Give(200, {"paging": paging, "elements": [other] * count})
        if got.path == "/rest/dmpSegments":
            return Give(201, headers={"x-restli-id": "77"})
        return Give(200, {"elements": [result(each) for each in got.json["elements"]]})

    return answer


def found(start: int) -> Sent:
    query = (
        f"q=account&account=urn%3Ali%3AsponsoredAccount%3A42&start={start}&count=100"
    )
    return Sent("GET", f"/rest/dmpSegments?{query}", headers=HEADERS)


BEFORE = [
    Sent(
        "POST",
        "/oauth/v2/accessToken",
        form={
            "grant_type": "refresh_token",
            "client_id": "client",
            "client_secret": "s3cret",
            "refresh_token": "s3cret",
        },
    ),
    found(0),
    found(100),
    Sent(
        "POST",
        "/rest/dmpSegments",
        json={
            "name": "VIPs",
            "account": "urn:li:sponsoredAccount:42",
            "sourcePlatform": "EXAMPLE",
            "accessPolicy": "PRIVATE",
            "type": "USER",
            "destinations": [{"destination": "LINKEDIN"}],
        },
        headers=HEADERS,
    ),
]


def users(*elements: dict[str, Any]) -> Sent:
    return Sent(
        "POST",
        "/rest/dmpSegments/77/users",
        json={"elements": list(elements)},
        headers=HEADERS | {"x-restli-method": "BATCH_CREATE"},
    )


def by_email(email: str) -> dict[str, Any]:
    return {"idType": "SHA256_EMAIL", "idValue": sha(email)}


TOOL = Tool(
    settings={
        "ad_account_id": "42",
        "source_platform": "EXAMPLE",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": SECRET,
    },
    answer=refusing(()),
    refusing=refusing,
    stopping=[
        ("/users", Give(426, {"message": "Requested version is not active"})),
        ("/users", Give(404, {"message": "no such segment"})),
    ],
    examples={
        "audience": Example(
            key="email",
            options={"audience": "VIPs"},
            rows=[ADA, BOB],
            row=row,
            mark=sha,
            requests=[
                *BEFORE,
                users(
                    {
                        "action": "ADD",
                        "userIds": [by_email("ada@example.com")],
                        "firstName": "Ada",
                        "lastName": "Lovelace",
                        "company": "Analytical Engines",
                        "country": "GB",
                    },
                    {
                        "action": "ADD",
                        "userIds": [
                            by_email("bob@example.com"),
                            {"idType": "GOOGLE_AID", "idValue": "cdda802e-fb9c"},
                        ],
                    },
                ),
            ],
            leaving=[
                *BEFORE,
                users(
                    {"action": "REMOVE", "userIds": [by_email("ada@example.com")]},
                    {"action": "REMOVE", "userIds": [by_email("bob@example.com")]},
                ),
            ],
        ),
    },
)
