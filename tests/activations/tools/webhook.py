from __future__ import annotations

from typing import Any

from tests.activations.scripted import Give
from tests.activations.tools import SECRET, Example, Sent, Tool


def row(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com", "plan": "free", "age": None}


ADA = {"email": "ada@example.com", "plan": "pro", "age": 36}
BOB = {"email": "bob@example.com", "plan": None, "age": None}


def batch_entry(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "operation": "insert",
        "key": row["email"],
        "record": row,
        "idempotency_key": "<any>",
    }


def gone(row: dict[str, Any]) -> dict[str, Any]:
    return {"operation": "delete", "key": row["email"], "record": None}


TOOL = Tool(
    settings={
        "url": "{url}/hook",
        "signing_secret": SECRET,
        "headers": {"X-Team": "g"},
    },
    answer=lambda got: Give(204),
    examples={
        "rows": Example(
            key="email",
            rows=[ADA, BOB],
            row=row,
            requests=[
                Sent(
                    "POST",
                    "/hook",
                    json=[batch_entry(ADA), batch_entry(BOB)],
                    headers={"x-team": "g"},
                )
            ],
            leaving=[
                Sent(
                    "POST",
                    "/hook",
                    json=[
                        gone(each) | {"idempotency_key": "<any>"} for each in (ADA, BOB)
                    ],
                )
            ],
        ),
        "row": Example(
            key="email",
            rows=[ADA],
            row=row,
            requests=[
                Sent(
                    "POST",
                    "/hook",
                    json={"operation": "insert", "key": ADA["email"], "record": ADA},
                )
            ],
            leaving=[Sent("POST", "/hook", json=gone(ADA))],
        ),
    },
)
