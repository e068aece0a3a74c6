from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

BEARER = {"authorization": "Bearer s3cret", "intercom-version": "2.14"}
SEEN = "2026-11-22T10:00:00.250000Z"


def user(number: int) -> dict[str, Any]:
    return {"external_id": f"u{number}", "email": f"p{number}@x.io", "name": "P"}


def known(number: int) -> dict[str, Any]:
    return {"external_id": f"u{number}"}


def company(number: int) -> dict[str, Any]:
    return {"company_id": f"c{number}", "name": "Hats", "tier": "gold"}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "external_id": f"u-e{number}",
        "email": None,
        "event": "signed-in",
        "occurred_at": SEEN,
        "method": "email",
    }


def refusing(refused: Collection[str]) -> Answer:
    """Contacts whose id starts with `u` are there, except those that are refused."""
    ids = {*refused, *(f"u-{key}" for key in refused)}

    def answer(got: Got) -> Give:
        if got.path == "/contacts/search":
            query = got.json["query"]
            contact = {"id": f"id-{query['value']}", query["field"]: query["value"]}
            is_there = query["value"].startswith("u") and query["value"] not in ids
            return Give(200, {"type": "list", "data": [contact] if is_there else []})
        if got.path == "/tags":
            return Give(200, {"type": "tag", "id": "77", "name": got.json["name"]})
        if got.method in ("POST", "PUT") and ids & {str(v) for v in got.json.values()}:
            error = {"code": "parameter_invalid", "message": "It is not valid"}
            return Give(400, {"type": "error.list", "errors": [error]})
        return Give(202 if got.path == "/events" else 200, {"id": "id-x"})

    return answer


def search(field: str, value: str) -> Sent:
    query = {"field": field, "operator": "=", "value": value}
    return Sent("POST", "/contacts/search", json={"query": query}, headers=BEARER)


def send(method: str, path: str, json: Any = None) -> Sent:
    return Sent(method, path, json=json, headers=BEARER)


MAKE_TAG = send("POST", "/tags", {"name": "VIP"})

TOOL = Tool(
    settings={"access_token": SECRET, "region": "eu"},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "contacts": Example(
            key="external_id",
            rows=[
                {
                    "external_id": "u1",
                    "email": "Ada@Example.com",
                    "phone": None,
                    "signed_up_at": SEEN,
                    "name": "Ada",
                    "plan": None,
                    "tags": ["a", "b"],
                }
            ],
            row=user,
            requests=[
                search("external_id", "u1"),
                send(
                    "PUT",
                    "/contacts/id-u1",
                    {
                        "external_id": "u1",
                        "email": "ada@example.com",
                        "signed_up_at": 1795341600,
                        "name": "Ada",
                        "role": "user",
                        "custom_attributes": {"plan": None, "tags": '["a","b"]'},
                    },
                ),
            ],
        ),
        "contacts_by_email": Example(
            key="email",
            rows=[{"email": "ada@example.com", "external_id": None, "name": None}],
            row=lambda number: {"email": f"p{number}@example.com", "plan": "free"},
            requests=[
                search("email", "ada@example.com"),
                send(
                    "POST",
                    "/contacts",
                    {
                        "email": "ada@example.com",
                        "role": "user",
                        "custom_attributes": {},
                    },
                ),
            ],
        ),
        "companies": Example(
            key="company_id",
            rows=[company(1) | {"size": None, "remote_created_at": SEEN}],
            row=company,
            requests=[
                send(
                    "POST",
                    "/companies",
                    {
                        "company_id": "c1",
                        "remote_created_at": 1795341600,
                        "name": "Hats",
                        "custom_attributes": {"tier": "gold"},
                    },
                )
            ],
        ),
        "tag": Example(
            key="external_id",
            options={"tag": "VIP"},
            rows=[known(1)],
            row=known,
            requests=[
                MAKE_TAG,
                search("external_id", "u1"),
                send("POST", "/contacts/id-u1/tags", {"id": "77"}),
            ],
            leaving=[MAKE_TAG, send("DELETE", "/contacts/id-u1/tags/77")],
        ),
        "events": Example(
            key="event_id",
            rows=[event(1) | {"email": "ada@example.com", "method": None}],
            row=event,
            requests=[
                send(
                    "POST",
                    "/events",
                    {
                        "event_name": "signed-in",
                        "created_at": 1795341600,
                        "user_id": "u-e1",
                        "metadata": {},
                    },
                )
            ],
        ),
        "forget": Example(
            key="external_id",
            rows=[known(1)],
            row=known,
            requests=[search("external_id", "u1"), send("DELETE", "/contacts/id-u1")],
        ),
    },
)
