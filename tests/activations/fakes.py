"""How each tool of the catalog answers, as far as its manifest listens.

A tool that is content with 2xx needs nothing here. One whose answer speaks of single
records has a function that takes every record, and one that refuses some of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from tests.activations.scripted import Give, Got

Answer = Callable[[Got], Give]


def takes_all(got: Got) -> Give:
    return Give(200)


def hubspot(refused: Collection[str] = (), *, named: bool = True) -> Answer:
    """Contacts' batch endpoints; `named` errors say which input they are about."""

    def answer(got: Got) -> Give:
        if got.path.endswith("/batch/archive"):
            return Give(204)
        inputs = got.json["inputs"]
        results = [
            {
                "id": f"id-{item['id']}",
                "objectWriteTraceId": item["objectWriteTraceId"],
                "properties": item["properties"],
            }
            for item in inputs
            if item["id"] not in refused
        ]
        errors = [
            {
                "category": "VALIDATION_ERROR",
                "message": f"Email address {item['id']} is invalid",
                "context": (
                    {"objectWriteTraceId": [item["objectWriteTraceId"]]}
                    if named
                    else {}
                ),
            }
            for item in inputs
            if item["id"] in refused
        ]
        status = 207 if errors else 200
        body = {"status": "COMPLETE", "results": results, "errors": errors}
        return Give(status, body)

    return answer


FAKES: dict[str, Answer] = {"hubspot": hubspot()}
