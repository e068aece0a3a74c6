from __future__ import annotations

import hmac
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Example, Sent, Tool

PURCHASE = {
    "event_id": "order-1",
    "event_name": "Purchase",
    "event_time": "2026-11-22T10:00:00.000000Z",
    "action_source": "website",
    "event_source_url": "https://shop.example/thanks",
    "opt_out": False,
    "limited_data_use": True,
    "external_id": None,
    "email": "John_Smith@gmail.com ",
    "phone": "+1 (650) 555-1212",
    "first_name": "Mary",
    "last_name": "Smith",
    "gender": "F",
    "birth_date": "1990-02-13",
    "city": "Menlo Park",
    "state": "CA",
    "postcode": "94025",
    "country": "US",
    "client_ip_address": "203.0.113.7",
    "client_user_agent": "Mozilla/5.0",
    "click_id": "fb.1.1554763741205.AbCdEf",
    "browser_id": None,
    "lead_id": None,
    "value": 42.5,
    "currency": "usd",
    "order_id": "1",
    "contents": [{"id": "sku-1", "quantity": 2}],
    "num_items": None,
}
LEAD = {name: None for name in PURCHASE} | {
    "event_id": "lead-9",
    "event_name": "Lead",
    "event_time": "2026-11-22T10:00:01.000000Z",
    "action_source": "system_generated",
    "email": "john_smith@gmail.com",
}
# The hashes are the examples of Meta's page on customer information parameters.
# https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
JOHN = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
PROOF = hmac.new(b"s3cret", b"s3cret", "sha256").hexdigest()
SENT_PURCHASE = {
    "event_name": "Purchase",
    "event_time": 1795341600,
    "event_id": "order-1",
    "action_source": "website",
    "event_source_url": "https://shop.example/thanks",
    "opt_out": False,
    "data_processing_options": ["LDU"],
    "data_processing_options_country": 0,
    "data_processing_options_state": 0,
    "user_data": {
        "em": JOHN,
        "ph": "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
        "fn": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
        "ln": "6627835f988e2c5e50533d491163072d3f4f41f5c8b04630150debb3722ca2dd",
        "ge": "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111",
        "db": "0c6c91554767450c6bf96c0a7a142ce47d0d32cca207f6dd92d1c0983437cd5d",
        "ct": "0007a3d64c01e23d5075203c5977c14e4f7e01a3fc570686fcc50b5e1dd42685",
        "st": "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126",
        "zp": "b9a9cf3cd3723a2e91b7c23ecf68456e872b6e5d86e5cab7f3d45a7302da32c7",
        "country": "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621",
        "client_ip_address": "203.0.113.7",
        "client_user_agent": "Mozilla/5.0",
        "fbc": "fb.1.1554763741205.AbCdEf",
    },
    "custom_data": {
        "value": 42.5,
        "currency": "USD",
        "order_id": "1",
        "contents": [{"id": "sku-1", "quantity": 2}],
    },
}
SENT_LEAD = {
    "event_name": "Lead",
    "event_time": 1795341601,
    "event_id": "lead-9",
    "action_source": "system_generated",
    "user_data": {"em": JOHN},
    "custom_data": {},
}


def row(number: int) -> dict[str, Any]:
    return PURCHASE | {"event_id": f"order-{number}.", "external_id": f"c{number}"}


def answer(got: Got) -> Give:
    if got.method == "GET":
        return Give(200, {"id": "1234"})
    return Give(200, {"events_received": len(got.json["data"]), "messages": []})


def error(code: int, *, status: int = 400) -> Give:
    said = {"message": "(#1) no", "type": "OAuthException", "code": code}
    return Give(status, {"error": said})


TOOL = Tool(
    settings={
        "access_token": SECRET,
        "app_secret": SECRET,
        "dataset_id": "1234",
        "test_event_code": "TEST1",
    },
    answer=answer,
    stopping=[("/events", error(190)), ("/events", error(200))],
    passing=[("/events", error(2)), ("/events", error(4, status=403))],
    examples={
        "events": Example(
            key="event_id",
            rows=[PURCHASE, LEAD],
            row=row,
            requests=[
                Sent(
                    "POST",
                    f"/v25.0/1234/events?appsecret_proof={PROOF}",
                    json={
                        "data": [SENT_LEAD, SENT_PURCHASE],
                        "test_event_code": "TEST1",
                    },
                    headers={"authorization": "Bearer s3cret"},
                )
            ],
        ),
    },
)
