from __future__ import annotations

from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Example, Sent, Tool

ORDER = {
    "event_id": "o-1",
    "client_id": "1234.5678",
    "app_instance_id": None,
    "user_id": "u-1",
    "name": "purchase",
    "time": "2026-11-22T10:00:00.500000Z",
    "ad_user_data": True,
    "ad_personalization": False,
    "user_properties": {"plan": {"value": "pro"}},
    "items": [{"item_id": "sku-1", "quantity": 2}],
    "transaction_id": "1",
    "value": 42.5,
    "currency": "USD",
    "coupon": None,
}


def event(number: int) -> dict[str, Any]:
    return ORDER | {"event_id": f"o-{number}", "client_id": f"o-{number}."}


def answer(got: Got) -> Give:
    if got.path == "/token":
        return Give(200, {"access_token": "t0ken", "expires_in": 3599})
    if got.path.endswith(":submitUserDeletion"):
        return Give(200, {"deletionRequestTime": "2026-11-22T10:00:00Z"})
    return Give(204)


def collect(body: dict[str, Any]) -> Sent:
    path = "/mp/collect?measurement_id=G-1&api_secret=s3cret"
    return Sent("POST", path, json=body)


def deletion(user_id: str) -> Sent:
    return Sent(
        "POST",
        "/v1alpha/properties/987:submitUserDeletion",
        json={"userId": user_id},
        headers={"authorization": "Bearer t0ken"},
    )


TOKEN = Sent(
    "POST",
    "/token",
    form={
        "grant_type": "refresh_token",
        "client_id": "client",
        "client_secret": "s3cret",
        "refresh_token": "s3cret",
    },
)

TOOL = Tool(
    settings={
        "api_secret": SECRET,
        "measurement_id": "G-1",
        "property_id": "properties/987",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": SECRET,
    },
    answer=answer,
    examples={
        "events": Example(
            key="event_id",
            rows=[ORDER],
            row=event,
            mark=lambda key: f"{key}.",
            requests=[
                collect(
                    {
                        "client_id": "1234.5678",
                        "user_id": "u-1",
                        "timestamp_micros": 1795341600500000,
                        "user_properties": {"plan": {"value": "pro"}},
                        "consent": {
                            "ad_user_data": "GRANTED",
                            "ad_personalization": "DENIED",
                        },
                        "events": [
                            {
                                "name": "purchase",
                                "params": {
                                    "engagement_time_msec": 1,
                                    "transaction_id": "1",
                                    "value": 42.5,
                                    "currency": "USD",
                                    "items": [{"item_id": "sku-1", "quantity": 2}],
                                },
                            }
                        ],
                    }
                ),
            ],
        ),
        "forget": Example(
            key="user_id",
            rows=[{"user_id": "u-1"}],
            row=lambda number: {"user_id": f"u-{number}."},
            requests=[TOKEN, deletion("u-1")],
        ),
    },
)
