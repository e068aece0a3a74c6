from __future__ import annotations

import hashlib
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Example, Sent, Tool

BEARER = {"authorization": "Bearer s3cret"}
SCHEMA = [
    *("EXTERN_ID", "EMAIL", "PHONE", "MADID", "FN", "LN", "GEN"),
    *("DOBY", "DOBM", "DOBD", "CT", "ST", "ZIP", "COUNTRY"),
]
# The hashes of mary@example.com and 15559876543 are Meta's own examples.
# https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences
MARY = {
    "external_id": "c-17",
    "email": " Mary@Example.com ",
    "phone": "(555) 987-6543",
    "mobile_id": "AECE52E7-03EE-455A-B3C4-E57283966239",
    "first_name": "Mary-Jane",
    "last_name": "O'Neil",
    "gender": "Female",
    "birth_date": "1990-02-13",
    "city": "Menlo Park",
    "state": "CA",
    "postcode": "94025-1234",
    "country": "us",
}
BOB = {name: None for name in MARY} | {"email": "bob@example.com", "postcode": "SW1A"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def row(number: int) -> dict[str, Any]:
    return MARY | {"email": f"p{number}@example.com", "external_id": f"c-{number}"}


def only(email: str) -> list[str]:
    return ["", sha(email), *[""] * 12]


def sent(method: str, path: str, *data: list[str]) -> Sent:
    payload = {"schema": SCHEMA, "data": list(data)}
    return Sent(method, f"/v25.0{path}", json={"payload": payload}, headers=BEARER)


def answer(got: Got) -> Give:
    if got.method == "GET" and "/customaudiences" in got.path:
        # A page of others, then one that has another subtype.
        last = got.path.endswith("after=QVFI")
        audience = {"id": "1", "name": "VIPs", "subtype": "LOOKALIKE"}
        paging: dict[str, Any] = {"cursors": {"after": "QVFI"}}
        if not last:
            paging["next"] = "https://graph.facebook.com/"
        return Give(200, {"data": [audience], "paging": paging})
    if got.path.endswith("/customaudiences"):
        return Give(200, {"id": "77"})
    if got.method == "GET":
        return Give(200, {"id": "act_42"})
    received = len(got.json["payload"]["data"])
    return Give(200, {"num_received": received, "num_invalid_entries": 0})


ALL_OF_MARY = [
    "c-17",
    "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
    "1ef970831d7963307784fa8688e8fce101a15685d62aa765fed23f3a2c576a4e",
    "aece52e7-03ee-455a-b3c4-e57283966239",
    *map(sha, ("maryjane", "oneil", "f", "1990", "02", "13")),
    *map(sha, ("menlopark", "ca", "94025", "us")),
]
ALL_OF_BOB = only("bob@example.com")
ALL_OF_BOB[12] = sha("sw1a")
FIND = [
    Sent(
        "GET",
        "/v25.0/act_42/customaudiences?fields=id%2Cname%2Csubtype&limit=100" + page,
        headers=BEARER,
    )
    for page in ("", "&after=QVFI")
]
MAKE = Sent(
    "POST",
    "/v25.0/act_42/customaudiences",
    json={
        "name": "VIPs",
        "subtype": "CUSTOM",
        "customer_file_source": "USER_PROVIDED_ONLY",
    },
    headers=BEARER,
)


def error(code: int, subcode: int | None = None, *, status: int = 400) -> Give:
    said = {"message": "(#1) no", "type": "OAuthException", "code": code}
    if subcode is not None:
        said |= {"error_subcode": subcode, "error_user_msg": "Not like this."}
    return Give(status, {"error": said | {"fbtrace_id": "A"}})


TOOL = Tool(
    settings={"access_token": SECRET, "ad_account_id": "act_42"},
    answer=answer,
    stopping=[
        ("/77/users", error(190)),
        ("/77/users", error(200, 1870090)),
        ("/77/users", error(100, 1713230)),
        ("/customaudiences", error(100, 1713098)),
    ],
    passing=[
        ("/77/users", error(17)),
        ("/77/users", error(80003, status=403)),
        ("/77/users", error(2650, 1870145)),
    ],
    examples={
        "audience": Example(
            key="email",
            options={"audience": "VIPs"},
            rows=[MARY, BOB],
            row=row,
            mark=sha,
            requests=[*FIND, MAKE, sent("POST", "/77/users", ALL_OF_MARY, ALL_OF_BOB)],
            leaving=[
                *FIND,
                MAKE,
                sent(
                    "DELETE",
                    "/77/users",
                    only("mary@example.com"),
                    only("bob@example.com"),
                ),
            ],
        ),
        "forget": Example(
            key="email",
            rows=[{"email": "bob@example.com"}],
            row=lambda number: {"email": f"p{number}@example.com"},
            mark=sha,
            requests=[
                sent("DELETE", "/act_42/usersofanyaudience", only("bob@example.com"))
            ],
        ),
    },
)
