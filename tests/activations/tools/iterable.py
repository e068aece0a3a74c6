from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

KEY = {"api-key": "s3cret"}
SEEN = "2026-11-22T10:00:00.250000Z"
ADA, BOB = "ada@example.com", "bob@example.com"


def user(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com", "user_id": None, "plan": "free"}


def user_by_id(number: int) -> dict[str, Any]:
    return {"user_id": f"u{number}", "email": f"p{number}@x.io", "plan": "free"}


def member(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com"}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "email": f"p-e{number}@example.com",
        "user_id": None,
        "event": "Signed In",
        "occurred_at": SEEN,
        "method": "email",
    }


LISTS = [
    {"id": 3, "name": "Other", "listType": "Standard"},
    {"id": 4, "name": "VIP customers", "listType": "Dynamic"},
]


def refusing(refused: Collection[str]) -> Answer:
    """200 in any case: who is refused stands in lists, by the name they were given."""
    emails = {*refused, *(f"p-{key}@example.com" for key in refused)}

    def answer(got: Got) -> Give:
        if got.method == "GET":
            return Give(200, {"lists": LISTS, "channels": []})
        if got.path == "/api/lists":
            return Give(200, {"listId": 77})
        if got.path == "/api/users/forget":
            return Give(200, {"code": "Success", "msg": "", "params": None})
        (each,) = [v for v in got.json.values() if isinstance(v, list)]
        bad = [e["email"] for e in each if e.get("email") in emails]
        bad_ids = [e["userId"] for e in each if e.get("userId") in emails]
        count = len(bad) + len(bad_ids)
        body = {
            "successCount": len(each) - count,
            "failCount": count,
            "invalidEmails": bad,
            "invalidUserIds": bad_ids,
            "failedUpdates": {"invalidEmails": bad, "notFoundUserIds": []},
        }
        return Give(200, body)

    return answer


def post(path: str, body: dict[str, Any]) -> Sent:
    return Sent("POST", path, json=body, headers=KEY)


FIND = Sent("GET", "/api/lists", headers=KEY)
MAKE = post("/api/lists", {"name": "VIP customers"})
MEMBERS = [{"email": ADA}, {"email": BOB}]

TOOL = Tool(
    settings={"api_key": SECRET, "region": "eu"},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "users": Example(
            key="email",
            rows=[
                {"email": ADA, "user_id": "u1", "plan": "pro", "age": None},
                {"email": BOB, "user_id": None, "plan": None, "age": 40},
            ],
            row=user,
            requests=[
                post(
                    "/api/users/bulkUpdate",
                    {
                        "users": [
                            {
                                "email": ADA,
                                "dataFields": {
                                    "plan": "pro",
                                    "age": None,
                                    "userId": "u1",
                                },
                            },
                            {"email": BOB, "dataFields": {"plan": None, "age": 40}},
                        ]
                    },
                )
            ],
        ),
        "users_by_id": Example(
            key="user_id",
            rows=[
                {"user_id": "u1", "email": "Ada@Example.com", "plan": "pro"},
                {"user_id": "u2", "email": None, "plan": None},
            ],
            row=user_by_id,
            requests=[
                post(
                    "/api/users/bulkUpdate",
                    {
                        "users": [
                            {
                                "userId": "u1",
                                "preferUserId": True,
                                "dataFields": {"plan": "pro", "email": ADA},
                            },
                            {
                                "userId": "u2",
                                "preferUserId": True,
                                "dataFields": {"plan": None},
                            },
                        ]
                    },
                )
            ],
        ),
        "list": Example(
            key="email",
            options={"list": "VIP customers"},
            rows=MEMBERS,
            row=member,
            requests=[
                FIND,
                MAKE,
                post(
                    "/api/lists/subscribe",
                    {
                        "listId": 77,
                        "subscribers": MEMBERS,
                        "updateExistingUsersOnly": True,
                    },
                ),
            ],
            leaving=[
                FIND,
                MAKE,
                post(
                    "/api/lists/unsubscribe",
                    {
                        "listId": 77,
                        "subscribers": MEMBERS,
                        "channelUnsubscribe": False,
                    },
                ),
            ],
        ),
        "events": Example(
            key="event_id",
            rows=[event(1), event(2) | {"email": None, "user_id": "u2"}],
            row=event,
            requests=[
                post(
                    "/api/events/trackBulk",
                    {
                        "events": [
                            {
                                "id": "e1",
                                "email": "p-e1@example.com",
                                "eventName": "Signed In",
                                "createdAt": 1795341600,
                                "dataFields": {"method": "email"},
                            },
                            {
                                "id": "e2",
                                "userId": "u2",
                                "eventName": "Signed In",
                                "createdAt": 1795341600,
                                "dataFields": {"method": "email"},
                            },
                        ]
                    },
                )
            ],
        ),
        "forget": Example(
            key="email",
            rows=[{"email": ADA}],
            row=member,
            requests=[post("/api/users/forget", {"email": ADA})],
        ),
    },
)
