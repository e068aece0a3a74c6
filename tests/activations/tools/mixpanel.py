from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

SERVICE_ACCOUNT = {
    "authorization": "Basic " + base64.b64encode(b"kith.1:s3cret").decode()
}
ADA = {
    "distinct_id": "u-1",
    "email": "Ada@Example.com",
    "name": "Ada Lovelace",
    "phone": None,
    "created": "2026-11-22T10:00:00.000000Z",
    "plan": "pro",
    "orders": 3,
    "tags": ["a", "b"],
}
BOB = dict.fromkeys(ADA) | {"distinct_id": "u-2", "plan": "free"}
ORDER = {
    "event_id": "0b1e8f6e-9f6d-4a52-8d0c-6a6c4c8c6f10",
    "event": "Order Completed",
    "time": "2026-11-22T10:00:00.500000Z",
    "distinct_id": "u-1",
    "total": 42.5,
    "coupon": None,
    "products": [{"id": "sku-1"}],
}
VISIT = dict.fromkeys(ORDER) | {
    "event_id": "visit:7",
    "event": "Visit",
    "time": "2026-11-22T10:00:00.000000Z",
}


def profile(number: int) -> dict[str, Any]:
    return ADA | {"distinct_id": f"u-{number}."}


def event(number: int) -> dict[str, Any]:
    return ORDER | {"event_id": f"e-{number}-"}


def refusing(refused: Collection[str]) -> Answer:
    """Mixpanel's ingestion: profiles are refused together, events one by one."""

    def answer(got: Got) -> Give:
        if got.path.startswith("/engage"):
            bad = any(each["$distinct_id"] in refused for each in got.json)
            error = "invalid $distinct_id" if bad else None
            return Give(200, {"status": 0 if bad else 1, "error": error})
        if got.path.startswith("/import"):
            return imported(got.json)
        return Give(200, {"status": "ok", "results": {"task_id": "1"}})

    def imported(events: list[dict[str, Any]]) -> Give:
        ids = [each["properties"]["$insert_id"] for each in events]
        failed = [
            {
                "index": number,
                "insert_id": each,
                "field": "properties.time",
                "message": "'properties.time' is invalid",
            }
            for number, each in enumerate(ids)
            if each in refused
        ]
        good = len(events) - len(failed)
        if not failed:
            body = {"code": 200, "status": "OK", "num_records_imported": good}
            return Give(200, body)
        error = "some data points in the request failed validation"
        body = {"code": 400, "error": error, "status": "Bad Request"}
        return Give(
            400, body | {"num_records_imported": good, "failed_records": failed}
        )

    return answer


def gone(distinct_id: str) -> dict[str, Any]:
    return {
        "$token": "s3cret",
        "$distinct_id": distinct_id,
        "$delete": "",
        "$ignore_alias": True,
    }


TOOL = Tool(
    settings={
        "project_token": SECRET,
        "project_id": "123",
        "service_account": "kith.1",
        "service_account_secret": SECRET,
        "gdpr_token": SECRET,
        "region": "eu",
    },
    answer=refusing(()),
    refusing=refusing,
    stopping=[("/engage", Give(200, "<html>")), ("/engage", Give(200, b"1"))],
    examples={
        "profiles": Example(
            key="distinct_id",
            rows=[ADA, BOB],
            row=profile,
            requests=[
                Sent(
                    "POST",
                    "/engage?verbose=1",
                    json=[
                        {
                            "$token": "s3cret",
                            "$distinct_id": "u-1",
                            "$ip": 0,
                            "$set": {
                                "$email": "ada@example.com",
                                "$name": "Ada Lovelace",
                                "$created": "2026-11-22T10:00:00.000000Z",
                                "plan": "pro",
                                "orders": 3,
                                "tags": ["a", "b"],
                            },
                        },
                        {
                            "$token": "s3cret",
                            "$distinct_id": "u-2",
                            "$ip": 0,
                            "$set": {"plan": "free"},
                        },
                    ],
                )
            ],
            leaving=[
                Sent("POST", "/engage?verbose=1", json=[gone("u-1"), gone("u-2")])
            ],
        ),
        "events": Example(
            key="event_id",
            rows=[ORDER, VISIT],
            row=event,
            requests=[
                Sent(
                    "POST",
                    "/import?strict=1&project_id=123",
                    json=[
                        {
                            "event": "Order Completed",
                            "properties": {
                                "total": 42.5,
                                "products": [{"id": "sku-1"}],
                                "time": 1795341600500,
                                "distinct_id": "u-1",
                                "$insert_id": "0b1e8f6e-9f6d-4a52-8d0c-6a6c4c8c6f10",
                            },
                        },
                        {
                            "event": "Visit",
                            "properties": {
                                "time": 1795341600000,
                                "distinct_id": "",
                                "$insert_id": hashlib.md5(
                                    b"visit:7", usedforsecurity=False
                                ).hexdigest(),
                            },
                        },
                    ],
                    headers=SERVICE_ACCOUNT,
                )
            ],
        ),
        "forget": Example(
            key="distinct_id",
            rows=[{"distinct_id": "u-1"}, {"distinct_id": "u-2"}],
            row=lambda number: {"distinct_id": f"u-{number}."},
            requests=[
                Sent(
                    "POST",
                    "/api/app/data-deletions/v3.0/?token=s3cret",
                    json={"distinct_ids": ["u-1", "u-2"], "compliance_type": "GDPR"},
                    headers={"authorization": "Bearer s3cret"},
                )
            ],
        ),
    },
)
