from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any
from urllib.parse import unquote_plus

from tests.activations.scripted import Give, Got
from tests.activations.tools import SECRET, Answer, Example, Sent, Tool

KEY = {"authorization": "Klaviyo-API-Key s3cret", "revision": "2026-01-15"}
SEEN = "2026-11-22T10:00:00.250000Z"
ADA, BOB = "ada@example.com", "bob@example.com"


def person(number: int) -> dict[str, Any]:
    return {
        "email": f"p{number}@example.com",
        "first_name": "P",
        "city": "Bern",
        "plan": "free",
    }


def known(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com"}


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "email": f"p{number}@example.com",
        "event": "Signed In",
        "occurred_at": SEEN,
        "value": 1.5,
        "method": "email",
    }


def profile(**attributes: Any) -> dict[str, Any]:
    return {"type": "profile", "attributes": attributes}


def refusing(refused: Collection[str]) -> Answer:
    """Jobs are refused whole for one bad item, which a pointer names."""

    def answer(got: Got) -> Give:
        if got.method == "GET":
            return found(got)
        data = got.json["data"]
        if got.path == "/api/lists":
            return Give(201, {"data": {"type": "list", "id": "L77"}})
        if got.path == "/api/profile-import":
            bad = data["attributes"].get("email") in refused
            made = Give(201, {"data": {"type": "profile", "id": "P1"}})
            return problem(["/data/attributes/email"]) if bad else made
        job = got.path.removeprefix("/api/")
        if job == "profile-bulk-import-jobs":
            each = data["attributes"]["profiles"]["data"]
            emails = [item["attributes"]["email"] for item in each]
            place = "/data/attributes/profiles/data/{}/attributes/email"
            bad_ones = [n for n, email in enumerate(emails) if email in refused]
            return problem([place.format(n) for n in bad_ones])
        if job == "event-bulk-create-jobs":
            each = data["attributes"]["events-bulk-create"]["data"]
            events = [item["attributes"]["events"]["data"][0] for item in each]
            keys = [one["attributes"]["unique_id"] for one in events]
            place = "/data/attributes/events-bulk-create/data/{}/attributes/events"
            bad_ones = [n for n, key in enumerate(keys) if key in refused]
            return problem([place.format(n) for n in bad_ones])
        return Give(202 if job == "data-privacy-deletion-jobs" else 204)

    return answer


def found(got: Got) -> Give:
    """Every profile that is asked for, and no list."""
    if got.path.startswith("/api/lists"):
        return Give(200, {"data": []})
    if got.path.startswith("/api/profile-bulk-import-jobs"):
        return Give(200, done())
    emails = re.findall(r'"([^"]+)"', unquote_plus(got.path))
    profiles = [profile(email=email) | {"id": f"P-{email}"} for email in emails]
    return Give(200, {"data": profiles})


def done() -> dict[str, Any]:
    """A job that has ended."""
    counts = {"status": "complete", "total_count": 2, "failed_count": 0}
    job = {"type": "profile-bulk-import-job", "id": "J1", "attributes": counts}
    return {"data": job}


def problem(pointers: list[str]) -> Give:
    errors = [
        {
            "id": "1",
            "status": 400,
            "code": "invalid",
            "title": "Invalid input.",
            "detail": "Invalid email address",
            "source": {"pointer": pointer},
        }
        for pointer in pointers
    ]
    return Give(400, {"errors": errors}) if errors else Give(202, done())


def post(path: str, data: dict[str, Any]) -> Sent:
    return Sent("POST", f"/api/{path}", json={"data": data}, headers=KEY)


def events_job(attributes: dict[str, Any]) -> dict[str, Any]:
    """A job with one event of p1@example.com."""
    item = {
        "type": "event-bulk-create",
        "attributes": {
            "profile": {"data": profile(email="p1@example.com")},
            "events": {"data": [{"type": "event", "attributes": attributes}]},
        },
    }
    return {
        "type": "event-bulk-create-job",
        "attributes": {"events-bulk-create": {"data": [item]}},
    }


EVENT = {
    "metric": {"data": {"type": "metric", "attributes": {"name": "Signed In"}}},
    "time": "2026-11-22T10:00:00Z",
    "unique_id": "e1",
    "value": 1.5,
    "properties": {},
}
PEOPLE: list[dict[str, Any]] = [
    {
        "email": "Ada@Example.com",
        "phone_number": "+41 44 668 18 00",
        "first_name": "Ada",
        "city": None,
        "country": "CH",
        "plan": "pro",
        "score": None,
    },
    {
        "email": BOB,
        "phone_number": "none",
        "first_name": None,
        "city": "Bern",
        "country": None,
        "plan": None,
        "score": 7,
    },
]
FIND_LIST = Sent(
    "GET", "/api/lists?filter=equals%28name%2C%22VIP+customers%22%29", headers=KEY
)
MAKE_LIST = post("lists", {"type": "list", "attributes": {"name": "VIP customers"}})
FIND = Sent(
    "GET",
    "/api/profiles?filter=any%28email%2C%5B%22ada%40example.com%22%2C%22"
    "bob%40example.com%22%5D%29&fields%5Bprofile%5D=email&page%5Bsize%5D=100",
    headers=KEY,
)
MEMBERS = {"data": [{"type": "profile", "id": f"P-{email}"} for email in (ADA, BOB)]}
MEMBERS_PATH = "/api/lists/L77/relationships/profiles"

TOOL = Tool(
    settings={"api_key": SECRET},
    answer=refusing(()),
    refusing=refusing,
    examples={
        "profiles": Example(
            key="email",
            rows=PEOPLE[:1],
            row=person,
            requests=[
                post(
                    "profile-import",
                    profile(
                        email=ADA,
                        phone_number="+41446681800",
                        first_name="Ada",
                        location={"city": None, "country": "CH"},
                        properties={"plan": "pro", "score": None},
                    ),
                )
            ],
        ),
        "profiles_bulk": Example(
            key="email",
            rows=PEOPLE,
            row=person,
            requests=[
                post(
                    "profile-bulk-import-jobs",
                    {
                        "type": "profile-bulk-import-job",
                        "attributes": {
                            "profiles": {
                                "data": [
                                    profile(
                                        email=ADA,
                                        phone_number="+41446681800",
                                        first_name="Ada",
                                        location={"country": "CH"},
                                        properties={"plan": "pro"},
                                    ),
                                    profile(
                                        email=BOB,
                                        location={"city": "Bern"},
                                        properties={"score": 7},
                                    ),
                                ]
                            }
                        },
                    },
                ),
                Sent("GET", "/api/profile-bulk-import-jobs/J1", headers=KEY),
            ],
        ),
        "list": Example(
            key="email",
            options={"list": "VIP customers"},
            rows=[{"email": ADA}, {"email": BOB}],
            row=known,
            mark=lambda key: key.replace("@", "%40"),
            requests=[
                FIND_LIST,
                MAKE_LIST,
                FIND,
                Sent("POST", MEMBERS_PATH, json=MEMBERS, headers=KEY),
            ],
            leaving=[
                FIND_LIST,
                MAKE_LIST,
                Sent("DELETE", MEMBERS_PATH, json=MEMBERS, headers=KEY),
            ],
        ),
        "events": Example(
            key="event_id",
            rows=[event(1) | {"method": None}],
            row=event,
            requests=[post("event-bulk-create-jobs", events_job(EVENT))],
        ),
        "forget": Example(
            key="email",
            rows=[{"email": ADA}],
            row=known,
            requests=[
                post(
                    "data-privacy-deletion-jobs",
                    {
                        "type": "data-privacy-deletion-job",
                        "attributes": {"profile": {"data": profile(email=ADA)}},
                    },
                )
            ],
        ),
    },
)
