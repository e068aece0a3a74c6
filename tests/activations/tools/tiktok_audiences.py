from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

TOKEN = {"access-token": "s3cret"}
ADA = {
    "email": " Ada@Example.com",
    "phone": "(415) 555-2671",
    "idfa": "AECE52E7-03EE-455A-B3C4-E57283966239",
    "gaid": None,
    "country": "us",
}
BOB = dict.fromkeys(ADA) | {"email": "bob@example.com"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def row(number: int) -> dict[str, Any]:
    return ADA | {"email": f"p{number}@example.com"}


def refusing(refused: Collection[str]) -> Answer:
    """TikTok's endpoints, all with status 200; it refuses a batch as a whole."""
    bad = {sha(key) for key in refused}

    def answer(got: Got) -> Give:
        if got.path.startswith("/open_api/v1.3/dmp/custom_audience/list/"):
            page = 2 if "&page=2&" in got.path else 1
            audiences = [{"audience_id": "1", "name": "Others"}]
            info = {"page": page, "total_page": 2, "page_size": 100}
            return said(0, "OK", {"list": audiences, "page_info": info})
        if got.path.endswith("/segment/audience/"):
            return said(0, "OK", {"audience_id": "77"})
        rows = got.json["batch_data"]
        if any(each[0].get("id") in bad for each in rows):
            return said(40002, "batch_data: invalid id")
        return said(0, "OK")

    return answer


def said(code: int, message: str, data: Any = None) -> Give:
    body = {"code": code, "message": message, "request_id": "r", "data": data or {}}
    return Give(200, body)


def found(page: int) -> Sent:
    query = f"advertiser_id=42&page={page}&page_size=100"
    path = f"/open_api/v1.3/dmp/custom_audience/list/?{query}"
    return Sent("GET", path, headers=TOKEN)


BEFORE = [
    found(1),
    found(2),
    Sent(
        "POST",
        "/open_api/v1.3/segment/audience/",
        json={
            "action": "create",
            "advertiser_id": "42",
            "custom_audience_name": "VIPs",
        },
        headers=TOKEN,
    ),
]


def mapping(action: str, *people: list[str | None]) -> Sent:
    data = [
        [{"id": each, "audience_ids": ["77"]} if each else {} for each in person]
        for person in people
    ]
    return Sent(
        "POST",
        "/open_api/v1.3/segment/mapping/",
        json={
            "action": action,
            "advertiser_ids": ["42"],
            "id_schema": ["EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256", "GAID_SHA256"],
            "batch_data": data,
        },
        headers=TOKEN,
    )


IDFA = sha("aece52e7-03ee-455a-b3c4-e57283966239")
ADA_MAIL, BOB_MAIL = sha("ada@example.com"), sha("bob@example.com")

TOOL = Tool(
    settings={"access_token": SECRET, "advertiser_id": "42"},
    answer=refusing(()),
    refusing=refusing,
    stopping=[
        ("/segment/mapping/", said(40105, "Access token is incorrect or revoked.")),
        ("/segment/mapping/", said(40001, "No permission to operate the account.")),
        ("/segment/mapping/", Give(200, {"hello": "world"})),
        ("/segment/audience/", said(40002, "custom_audience_name: too long")),
    ],
    passing=[
        ("/segment/mapping/", said(40100, "Too many requests.")),
        ("/segment/mapping/", said(50000, "System error.")),
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
                mapping(
                    "add",
                    [ADA_MAIL, sha("+14155552671"), IDFA, None],
                    [BOB_MAIL, None, None, None],
                ),
            ],
            leaving=[
                *BEFORE,
                mapping("delete", [ADA_MAIL, *[None] * 3], [BOB_MAIL, *[None] * 3]),
            ],
        ),
    },
)
