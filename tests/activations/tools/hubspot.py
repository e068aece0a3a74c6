from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

BEARER = {"authorization": "Bearer s3cret"}
ADA = {"email": "ada@example.com", "firstname": "Ada", "vip": True, "city": None}
BOB = {"email": "bob@example.com", "firstname": "Bob", "vip": False, "city": "Bern"}


def row(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com", "firstname": "P", "city": None}


def member(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com"}


def contact(email: str, **properties: Any) -> dict[str, Any]:
    return {
        "idProperty": "email",
        "id": email,
        "objectWriteTraceId": email,
        "properties": {"email": email, **properties},
    }


def refusing(refused: Collection[str], *, named: bool = True) -> Answer:
    """Contacts' batch endpoints; `named` errors say which input they are about."""

    def answer(got: Got) -> Give:
        if got.path.startswith("/crm/v3/lists/object-type-id/"):
            return Give(404, {"category": "OBJECT_NOT_FOUND", "message": "no list"})
        if got.path == "/crm/v3/lists":
            return Give(200, {"list": {"listId": "77", "name": got.json["name"]}})
        if "/memberships/" in got.path:
            missing = [ref for ref in got.json if ref[3:] in refused]
            return Give(200, {"recordIdsMissing": missing, "recordsIdsAdded": []})
        if got.path.endswith("/batch/read"):
            return Give(200, {"results": [result(i["id"]) for i in got.json["inputs"]]})
        if got.path.endswith("/batch/upsert"):
            return upserted(got, refused, named=named)
        return Give(204)

    return answer


def result(email: str) -> dict[str, Any]:
    return {"id": f"id-{email}", "properties": {"email": email.lower()}}


def upserted(got: Got, refused: Collection[str], *, named: bool) -> Give:
    inputs = got.json["inputs"]
    results = [
        result(i["id"]) | {"objectWriteTraceId": i["objectWriteTraceId"]}
        for i in inputs
        if i["id"] not in refused
    ]
    errors = [
        {
            "category": "VALIDATION_ERROR",
            "message": f"Email address {i['id']} is invalid",
            "context": {"objectWriteTraceId": [i["id"]]} if named else {},
        }
        for i in inputs
        if i["id"] in refused
    ]
    body = {"status": "COMPLETE", "results": results, "errors": errors}
    return Give(207 if errors else 200, body)


FIND = Sent(
    "POST",
    "/crm/v3/objects/contacts/batch/read",
    json={
        "idProperty": "email",
        "properties": ["email"],
        "inputs": [{"id": "ada@example.com"}, {"id": "bob@example.com"}],
    },
)
IDS = ["id-ada@example.com", "id-bob@example.com"]
FIND_LIST = Sent("GET", "/crm/v3/lists/object-type-id/0-1/name/VIP%20customers")
MAKE_LIST = Sent(
    "POST",
    "/crm/v3/lists",
    json={"name": "VIP customers", "objectTypeId": "0-1", "processingType": "MANUAL"},
)

TOOL = Tool(
    settings={"access_token": SECRET},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "contacts": Example(
            key="email",
            rows=[ADA, BOB],
            row=row,
            requests=[
                Sent(
                    "POST",
                    "/crm/v3/objects/contacts/batch/upsert",
                    json={
                        "inputs": [
                            contact("ada@example.com", firstname="Ada", vip=True),
                            contact(
                                "bob@example.com",
                                firstname="Bob",
                                vip=False,
                                city="Bern",
                            ),
                        ]
                    },
                    headers=BEARER,
                )
            ],
            leaving=[
                Sent(
                    "POST",
                    "/crm/v3/objects/contacts/batch/archive",
                    json={"inputs": [{"id": ref} for ref in IDS]},
                    headers=BEARER,
                )
            ],
        ),
        "list": Example(
            key="email",
            options={"list": "VIP customers"},
            rows=[{"email": "ada@example.com"}, {"email": "bob@example.com"}],
            row=member,
            requests=[
                FIND_LIST,
                MAKE_LIST,
                FIND,
                Sent("PUT", "/crm/v3/lists/77/memberships/add", json=IDS),
            ],
            leaving=[
                FIND_LIST,
                MAKE_LIST,
                Sent("PUT", "/crm/v3/lists/77/memberships/remove", json=IDS),
            ],
        ),
        "forget": Example(
            key="email",
            rows=[{"email": "ada@example.com"}],
            row=member,
            requests=[
                Sent(
                    "POST",
                    "/crm/v3/objects/contacts/gdpr-delete",
                    json={"idProperty": "email", "objectId": "ada@example.com"},
                    headers=BEARER,
                )
            ],
        ),
    },
)
