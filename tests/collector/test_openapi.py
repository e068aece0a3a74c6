"""The OpenAPI document: it says what is served, no more and no less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collector.routes import ENDPOINTS
from tests.servers import request, running_collector

FILE = Path(__file__).parents[2] / "collector" / "openapi.json"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_the_document_names_every_endpoint_and_no_other() -> None:
    document = json.loads(FILE.read_text())
    described = {
        (path, method.upper())
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described == {(endpoint.path, endpoint.method) for endpoint in ENDPOINTS}


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    document = json.loads(FILE.read_text())
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in document["components"].items()
        for name in named
        if kind != "securitySchemes"
    }
    assert set(references(document)) == components


def test_what_is_answered_is_described(tmp_path: Path) -> None:
    """One request to each endpoint, without a key: its status is in the document."""
    with running_collector(tmp_path / "data") as collector:
        document = request(f"{collector.url}/openapi.json").body
        assert document == json.loads(FILE.read_text())
        for endpoint in ENDPOINTS:
            body = b'{"batch":[{}]}' if endpoint.method == "POST" else None
            path = endpoint.path.replace("{source}", "x").replace("{write_key}", "x")
            answer = request(collector.url + path, method=endpoint.method, body=body)
            operation = document["paths"][endpoint.path][endpoint.method.lower()]
            described = document_answer(document, operation, answer.status)
            content_type = answer.headers["content-type"]
            assert content_type in described["content"], path


def document_answer(document: Any, operation: Any, status: int) -> Any:
    described = operation["responses"][str(status)]
    if reference := described.get("$ref"):
        return document["components"]["responses"][reference.rpartition("/")[2]]
    return described
