from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Any

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

BASIC = {"authorization": "Basic " + base64.b64encode(b"site:s3cret").decode()}
SEEN = "2026-11-22T10:00:00.250000Z"
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def person(number: int) -> dict[str, Any]:
    return {"id": f"u{number}", "email": f"p{number}@example.com", "plan": "free"}


def known(number: int) -> dict[str, Any]:
    return {"id": f"u{number}", "email": None}


def company(number: int) -> dict[str, Any]:
    return {"object_id": f"c{number}", "name": "Hats", "employees": 12}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "id": f"u-e{number}",
        "email": None,
        "event": "Signed In",
        "occurred_at": SEEN,
        "method": "email",
    }


def refusing(refused: Collection[str]) -> Answer:
    """The batch endpoint takes what it can and names the rest by its place."""
    ids = {*refused, *(f"u-{key}" for key in refused)}

    def answer(got: Got) -> Give:
        if got.path != "/api/v2/batch":
            return Give(200, {"data_center": "us", "environment_id": 7})
        named = [each["identifiers"].values() for each in got.json["batch"]]
        errors = [
            {
                "batch_index": number,
                "reason": "invalid",
                "field": "identifiers.id",
                "message": "is not valid",
            }
            for number, values in enumerate(named)
            if ids & set(values)
        ]
        return Give(207, {"errors": errors}) if errors else Give(200)

    return answer


def batch(*entities: dict[str, Any]) -> list[Sent]:
    body = {"batch": list(entities)}
    return [Sent("POST", "/api/v2/batch", json=body, headers=BASIC)]


def segment(verb: str) -> list[Sent]:
    path = f"/api/v1/segments/7/{verb}_customers?id_type=id"
    return [Sent("POST", path, json={"ids": ["u1", "u2"]}, headers=BASIC)]


def an_object(key: str) -> dict[str, Any]:
    return {"object_type_id": "1", "object_id": key}


TOOL = Tool(
    settings={"site_id": "site", "api_key": SECRET, "region": "eu"},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "people": Example(
            key="id",
            rows=[
                {
                    "id": "u1",
                    "email": "Ada@Example.com ",
                    "created_at": SEEN,
                    "plan": "pro",
                },
                {"id": "u2", "email": None, "created_at": None, "plan": None},
            ],
            row=person,
            requests=batch(
                {
                    "type": "person",
                    "action": "identify",
                    "identifiers": {"id": "u1"},
                    "attributes": {
                        "email": "ada@example.com",
                        "created_at": 1795341600,
                        "plan": "pro",
                    },
                },
                {
                    "type": "person",
                    "action": "identify",
                    "identifiers": {"id": "u2"},
                    "attributes": {"plan": None},
                },
            ),
        ),
        "objects": Example(
            key="object_id",
            rows=[company(1), company(2) | {"employees": None}],
            row=company,
            requests=batch(
                {
                    "type": "object",
                    "action": "identify",
                    "identifiers": an_object("c1"),
                    "attributes": {"name": "Hats", "employees": 12},
                },
                {
                    "type": "object",
                    "action": "identify",
                    "identifiers": an_object("c2"),
                    "attributes": {"name": "Hats", "employees": None},
                },
            ),
            leaving=batch(
                *(
                    {
                        "type": "object",
                        "action": "delete",
                        "identifiers": an_object(key),
                    }
                    for key in ("c1", "c2")
                )
            ),
        ),
        "segment": Example(
            key="id",
            options={"segment": 7},
            rows=[{"id": "u1"}, {"id": "u2"}],
            row=lambda number: {"id": f"u{number}"},
            requests=segment("add"),
            leaving=segment("remove"),
        ),
        "events": Example(
            key="event_id",
            rows=[
                event(1) | {"event_id": ULID},
                event(2) | {"id": None, "email": "bob@example.com", "method": None},
            ],
            row=event,
            requests=batch(
                {
                    "type": "person",
                    "action": "event",
                    "identifiers": {"id": "u-e1"},
                    "id": ULID,
                    "name": "Signed In",
                    "timestamp": 1795341600,
                    "attributes": {"method": "email"},
                },
                {
                    "type": "person",
                    "action": "event",
                    "identifiers": {"email": "bob@example.com"},
                    "name": "Signed In",
                    "timestamp": 1795341600,
                    "attributes": {},
                },
            ),
        ),
        "forget": Example(
            key="id",
            rows=[known(1), known(2) | {"email": "bob@example.com"}],
            row=known,
            requests=batch(
                *(
                    {"type": "person", "action": "suppress", "identifiers": {"id": key}}
                    for key in ("u1", "u2")
                )
            ),
        ),
    },
)
