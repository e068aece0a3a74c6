"""Example: what a payment service posts becomes "Payment Succeeded".

A copy of this file named after a source of kind `webhook` in `sources.yml` is that
source's function. One event of the service may become none, one or many events here.
"""

from __future__ import annotations

from typing import Any

from collector.webhook import WebhookRequest


def events(request: WebhookRequest) -> list[dict[str, Any]]:
    """The events of one request; what is returned is checked as an SDK's batch is."""
    payload = request.body
    if payload["type"] != "payment.succeeded":
        return []
    payment = payload["data"]
    return [
        {
            "type": "track",
            "event": "Payment Succeeded",
            "userId": payment["customer"],
            # The service repeats a request that it had no answer to: same id.
            "messageId": f"payments-{payload['id']}",
            "timestamp": payload["created"],
            "properties": {
                "order_id": payment["order"],
                "amount": payment["amount"] / 100,
                "currency": payment["currency"].upper(),
            },
        }
    ]
