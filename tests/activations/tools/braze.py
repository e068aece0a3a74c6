from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

BEARER = {"authorization": "Bearer s3cret"}
SEEN = "2026-11-22T10:00:00.250000Z"


def user(number: int) -> dict[str, Any]:
    return {"external_id": f"u{number}", "email": f"p{number}@x.io", "plan": "free"}


def known(number: int) -> dict[str, Any]:
    return {"external_id": f"u{number}"}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "external_id": f"u-e{number}",
        "event": "Signed In",
        "occurred_at": SEEN,
        "method": "email",
    }


def purchase(number: int) -> dict[str, Any]:
    return {
        "purchase_id": f"e{number}",
        "external_id": f"u-e{number}",
        "product_id": "hat",
        "occurred_at": SEEN,
        "currency": "CHF",
        "price": 12.5,
        "quantity": 2,
        "colour": "red",
    }


def item(number: int) -> dict[str, Any]:
    return {"id": f"i{number}", "name": "Hat", "price": 12.5}


def refusing(refused: Collection[str]) -> Answer:
    """Tracking takes the rest of a batch; the other endpoints take it or leave it."""
    users = {*refused, *(f"u-{key}" for key in refused)}

    def answer(got: Got) -> Give:
        if got.path == "/users/track":
            (kind,) = got.json
            bad = [
                n for n, o in enumerate(got.json[kind]) if o.get("external_id") in users
            ]
            errors = [
                {"type": "The value is not valid", "input_array": kind, "index": n}
                for n in bad
            ]
            body = {"message": "success", f"{kind}_processed": 1}
            return Give(201, body | ({"errors": errors} if errors else {}))
        if got.path.startswith("/catalogs/"):
            bad_ids = [i["id"] for i in got.json["items"] if i["id"] in refused]
            error = {"id": "invalid-ids", "message": "Item ids are not valid"}
            body = {"message": "Invalid Request", "errors": [error]}
            return Give(400, body) if bad_ids else Give(202, {"message": "success"})
        return Give(201, {"message": "success"})

    return answer


def track(**arrays: Any) -> list[Sent]:
    return [Sent("POST", "/users/track", json=arrays, headers=BEARER)]


def group(state: str) -> list[Sent]:
    groups = [
        {
            "subscription_group_id": "group-1",
            "subscription_state": state,
            "external_ids": ["u1", "u2"],
        }
    ]
    path = "/v2/subscription/status/set"
    return [Sent("POST", path, json={"subscription_groups": groups}, headers=BEARER)]


def marked(*, value: bool) -> list[Sent]:
    members = [
        {"external_id": key, "_update_existing_only": True, "vip": value}
        for key in ("u1", "u2")
    ]
    return track(attributes=members)


TOOL = Tool(
    settings={"api_key": SECRET, "endpoint": "rest.fra-01.braze.eu"},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "users": Example(
            key="external_id",
            rows=[
                {
                    "external_id": "u1",
                    "email": " Ada@Example.com",
                    "phone": "+41 44 668 18 00",
                    "plan": "pro",
                    "city": None,
                },
                {
                    "external_id": "u2",
                    "email": None,
                    "phone": "none",
                    "plan": None,
                    "city": "Bern",
                },
            ],
            row=user,
            requests=track(
                attributes=[
                    {
                        "external_id": "u1",
                        "email": "ada@example.com",
                        "phone": "+41446681800",
                        "plan": "pro",
                        "city": None,
                        "_update_existing_only": False,
                    },
                    {
                        "external_id": "u2",
                        "plan": None,
                        "city": "Bern",
                        "_update_existing_only": False,
                    },
                ]
            ),
        ),
        "audience": Example(
            key="external_id",
            options={"attribute": "vip"},
            rows=[known(1), known(2)],
            row=known,
            requests=marked(value=True),
            leaving=marked(value=False),
        ),
        "subscription_group": Example(
            key="external_id",
            options={"group": "group-1"},
            rows=[known(1), known(2)],
            row=known,
            requests=group("subscribed"),
            leaving=group("unsubscribed"),
        ),
        "events": Example(
            key="event_id",
            rows=[
                event(1) | {"email": None, "attempt": 1},
                event(2) | {"external_id": None, "email": "Bob@x.io", "attempt": None},
            ],
            row=event,
            requests=track(
                events=[
                    {
                        "external_id": "u-e1",
                        "name": "Signed In",
                        "time": "2026-11-22T10:00:00Z",
                        "properties": {"method": "email", "attempt": 1},
                    },
                    {
                        "email": "bob@x.io",
                        "name": "Signed In",
                        "time": "2026-11-22T10:00:00Z",
                        "properties": {"method": "email"},
                    },
                ]
            ),
        ),
        "purchases": Example(
            key="purchase_id",
            rows=[purchase(1), purchase(2) | {"quantity": None, "colour": None}],
            row=purchase,
            requests=track(
                purchases=[
                    {
                        "external_id": "u-e1",
                        "product_id": "hat",
                        "currency": "CHF",
                        "price": 12.5,
                        "quantity": 2,
                        "time": "2026-11-22T10:00:00Z",
                        "properties": {"colour": "red"},
                    },
                    {
                        "external_id": "u-e2",
                        "product_id": "hat",
                        "currency": "CHF",
                        "price": 12.5,
                        "time": "2026-11-22T10:00:00Z",
                        "properties": {},
                    },
                ]
            ),
        ),
        "catalog_items": Example(
            key="id",
            options={"catalog": "hats"},
            rows=[item(1), item(2) | {"price": None}],
            row=item,
            requests=[
                Sent(
                    "PUT",
                    "/catalogs/hats/items",
                    json={"items": [item(1), {"id": "i2", "name": "Hat"}]},
                    headers=BEARER,
                )
            ],
            leaving=[
                Sent(
                    "DELETE",
                    "/catalogs/hats/items",
                    json={"items": [{"id": "i1"}, {"id": "i2"}]},
                    headers=BEARER,
                )
            ],
        ),
        "forget": Example(
            key="external_id",
            rows=[known(1), known(2)],
            row=known,
            requests=[
                Sent(
                    "POST",
                    "/users/delete",
                    json={"external_ids": ["u1", "u2"]},
                    headers=BEARER,
                )
            ],
        ),
    },
)
