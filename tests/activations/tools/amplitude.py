from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

KEYS = {"authorization": "Basic " + base64.b64encode(b"s3cret:s3cret").decode()}
ADA = {"user_id": "u-1", "plan": "pro", "orders": 3, "city": None}
BOB = {"user_id": "u-2", "plan": "free", "orders": None, "city": "Bern"}
ORDER = {
    "event_id": "o-1",
    "event_type": "Order Completed",
    "time": "2026-11-22T10:00:00.500000Z",
    "user_id": "u-1",
    "device_id": None,
    "session_id": "2026-11-22T09:00:00.000000Z",
    "revenue": 42.5,
    "product_id": "sku-1",
    "coupon": None,
    "currency": "USD",
}
VISIT = dict.fromkeys(ORDER) | {
    "event_id": "v-1",
    "event_type": "Visit",
    "time": "2026-11-22T10:00:00.000000Z",
    "device_id": "d-1",
}


def user(number: int) -> dict[str, Any]:
    return ADA | {"user_id": f"u-{number}."}


def event(number: int) -> dict[str, Any]:
    return ORDER | {"event_id": f"o-{number}.", "user_id": f"u-{number}"}


def member(number: int) -> dict[str, Any]:
    return {"user_id": f"u-{number}."}


def refusing(refused: Collection[str]) -> Answer:
    """Amplitude refuses whole batches and names the culprits; cohorts skip them."""

    def answer(got: Got) -> Give:
        if got.path == "/batch":
            return uploaded(got.json["events"])
        if got.path == "/api/3/cohorts":
            return Give(200, {"cohorts": [{"id": "a1", "name": "Others"}]})
        if got.path == "/api/3/cohorts/upload":
            return Give(200, {"cohort_id": "c7"})
        if got.path == "/api/3/cohorts/membership":
            (membership,) = got.json["memberships"]
            skipped = [each for each in membership["ids"] if each in refused]
            result = {"skipped_ids": skipped, "operation": membership["operation"]}
            body = {"cohort_id": "c7", "memberships_result": [result]}
            return Give(200, body)
        return Give(200, {"status": "staging"})

    def uploaded(events: list[dict[str, Any]]) -> Give:
        bad = [
            number
            for number, each in enumerate(events)
            if {each.get("user_id"), each["insert_id"]} & {*refused}
        ]
        if not bad:
            return Give(200, {"code": 200, "events_ingested": len(events)})
        first, *others = bad
        return Give(
            400,
            {
                "code": 400,
                "error": "Request missing required field",
                "missing_field": None,
                "events_with_invalid_fields": {"time": [first]},
                "events_with_missing_fields": {"event_type": others},
                "silenced_events": [],
            },
        )

    return answer


def batch(*events: dict[str, Any]) -> Sent:
    body = {"api_key": "s3cret", "events": [*events], "options": {"min_id_length": 1}}
    return Sent("POST", "/batch", json=body)


def identify(user_id: str, **properties: Any) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "event_type": "$identify",
        "insert_id": "<any>",
        "user_properties": {"$set": properties},
    }


def membership(operation: str, *ids: str) -> Sent:
    change = {"ids": [*ids], "id_type": "BY_NAME", "operation": operation}
    return Sent(
        "POST",
        "/api/3/cohorts/membership",
        json={"cohort_id": "c7", "skip_invalid_ids": True, "memberships": [change]},
        headers=KEYS,
    )


BEFORE = [
    Sent("GET", "/api/3/cohorts", headers=KEYS),
    Sent(
        "POST",
        "/api/3/cohorts/upload",
        json={
            "name": "VIPs",
            "app_id": 123,
            "id_type": "BY_USER_ID",
            "ids": ["u-0"],
            "owner": "ada@example.com",
            "published": True,
        },
        headers=KEYS,
    ),
    membership("REMOVE", "u-0"),
]

TOOL = Tool(
    settings={
        "api_key": SECRET,
        "secret_key": SECRET,
        "app_id": 123,
        "owner": "ada@example.com",
    },
    answer=refusing(()),
    refusing=refusing,
    stopping=[
        ("/batch", Give(400, {"code": 400, "error": "Invalid API key: s3cret"})),
        ("/batch", Give(400, {"code": 400, "missing_field": "api_key"})),
    ],
    examples={
        "users": Example(
            key="user_id",
            rows=[ADA, BOB],
            row=user,
            requests=[
                batch(
                    identify("u-1", plan="pro", orders=3),
                    identify("u-2", plan="free", city="Bern"),
                )
            ],
        ),
        "events": Example(
            key="event_id",
            rows=[ORDER, VISIT],
            row=event,
            requests=[
                batch(
                    {
                        "insert_id": "o-1",
                        "event_type": "Order Completed",
                        "time": 1795341600500,
                        "user_id": "u-1",
                        "session_id": 1795338000000,
                        "revenue": 42.5,
                        "productId": "sku-1",
                        "event_properties": {"currency": "USD"},
                    },
                    {
                        "insert_id": "v-1",
                        "event_type": "Visit",
                        "time": 1795341600000,
                        "device_id": "d-1",
                        "event_properties": {},
                    },
                )
            ],
        ),
        "cohort": Example(
            key="user_id",
            options={"cohort": "VIPs", "first_user": "u-0"},
            rows=[{"user_id": "u-1"}, {"user_id": "u-2"}],
            row=member,
            requests=[*BEFORE, membership("ADD", "u-1", "u-2")],
            leaving=[*BEFORE, membership("REMOVE", "u-1", "u-2")],
        ),
        "forget": Example(
            key="user_id",
            rows=[{"user_id": "u-1"}, {"user_id": "u-2"}],
            row=member,
            requests=[
                Sent(
                    "POST",
                    "/api/2/deletions/users",
                    json={"user_ids": ["u-1", "u-2"], "requester": "Kith"},
                    headers=KEYS,
                )
            ],
        ),
    },
)
