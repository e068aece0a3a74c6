"""Webhook sources: a function of the project makes events of what a service posts."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.errors import SourcesError
from collector.webhook import WebhookRequest, load_function
from tests.raw import read_raw
from tests.servers import CollectorProcess, request, running_collector

EXAMPLE = Path(__file__).parents[2] / "collector" / "webhooks" / "example_payments.py"
SOURCES = """
sources:
  shop: {write_key_env: KITH_WRITE_KEY, kind: server}
  orders: {write_key_env: KITH_WEB_KEY, kind: webhook}
  signed:
    kind: webhook
    signature: {header: X-Signature, secret_env: KITH_CLOSED_KEY, prefix: "sha256="}
  shopify:
    kind: webhook
    signature: {header: X-Hmac, secret_env: KITH_CLOSED_KEY, encoding: base64}
  closed: {write_key_sha256: "%s", kind: webhook, enabled: false}
""" % hashlib.sha256(b"closed").hexdigest()  # noqa: UP031 - the braces are YAML's
FUNCTION = """
def events(request):
    body = request.body
    if isinstance(body, str):
        return {"not": "a list"}
    return [
        {"type": "track", "event": "Ordered", "userId": order["user"],
         "messageId": order["id"], "properties": {"shop": request.query.get("shop"),
         "topic": request.headers["x-topic"], "bytes": len(request.raw_body)}}
        for order in body
    ]
"""


def start_functions(directory: Path) -> None:
    webhooks = directory / "webhooks"
    webhooks.mkdir()
    for name in ("orders", "signed", "shopify", "closed"):
        (webhooks / f"{name}.py").write_text(FUNCTION)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    start_functions(tmp_path)
    with running_collector(tmp_path / "data", sources=SOURCES) as process:
        yield process


def test_the_function_s_events_are_stored_and_its_failures_set_aside(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    url = f"{collector.url}/v1/webhooks/orders?writeKey=web-key&shop=north"
    topic = {"x-topic": "created", "content-type": "application/json"}

    def post(document: object, headers: dict[str, str] = topic) -> int:
        body = json.dumps(document).encode()
        return request(url, body=body, headers=headers).status

    assert post([{"id": "1", "user": "u"}, {"id": "2", "user": None}]) == 200
    assert post([]) == 200
    assert post([{"id": "3"}]) == 200  # KeyError
    assert post("text") == 200  # returns no list
    assert request(url, body=b"{", headers=topic).status == 400
    assert request(url, body=b"a=1", headers=topic).status == 400
    collector.stop()
    (event,) = read_raw(tmp_path / "data" / "raw", "events")
    assert (event["source_id"], event["message_id"]) == ("orders", "1")
    assert json.loads(event["properties"])["topic"] == "created"
    assert json.loads(event["properties"])["shop"] == "north"
    assert event["ip"] is None
    rows = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert [(row["code"], row["payload"], row["replayable"]) for row in rows[1:]] == [
        ("webhook_function_error", '[{"id":"3"}]', True),
        ("webhook_function_error", '"text"', True),
    ]
    assert rows[0]["code"] == "no_user_anon_id"
    assert "KeyError" in rows[1]["detail"]


def test_only_its_own_key_opens_a_webhook(collector: CollectorProcess) -> None:
    url = f"{collector.url}/v1/webhooks"
    topic = {"x-topic": "t"}

    def status(path: str, user: str | None = None) -> int:
        return request(url + path, body=b"[]", user=user, headers=topic).status

    assert status("/orders", "web-key") == 200
    assert status("/orders") == 401
    assert status("/orders", "test-write-key") == 401
    assert status("/shop", "test-write-key") == 404
    assert status("/unknown", "web-key") == 404
    assert status("/closed", "closed") == 403


@pytest.mark.parametrize(
    ("source", "header", "encode"),
    [
        ("signed", "x-signature", lambda digest: "sha256=" + digest.hex()),
        ("shopify", "x-hmac", lambda digest: base64.b64encode(digest).decode()),
    ],
)
def test_a_signature_is_checked(
    collector: CollectorProcess, source: str, header: str, encode: object
) -> None:
    assert callable(encode)
    url = f"{collector.url}/v1/webhooks/{source}"
    body = b'[{"id": "1",  "user": "u"}]'
    right = encode(hmac.new(b"closed-key", body, hashlib.sha256).digest())
    wrong = encode(hmac.new(b"other", body, hashlib.sha256).digest())
    topic = {"x-topic": "t"}
    assert request(url, body=body, headers={**topic, header: right}).status == 200
    for headers in (topic, {**topic, header: wrong}, {**topic, header: "é"}):
        refused = request(url, body=body, headers=headers)
        assert (refused.status, refused.body["code"]) == (401, "invalid_signature")
    changed = request(url, body=body + b" ", headers={**topic, header: right})
    assert changed.status == 401
    by_key = request(url, body=body, user="web-key", headers=topic)
    assert by_key.status == 401


def test_a_changed_function_takes_effect_without_a_restart(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    file = tmp_path / "webhooks" / "orders.py"
    url = f"{collector.url}/v1/webhooks/orders"
    file.write_text(
        "def events(request): return [{'type': 'track', 'event': 'E',"
        " 'userId': 'changed'}]"
    )
    deadline = time.monotonic() + 10
    raw = tmp_path / "data" / "raw"
    while not any(row["user_id"] == "changed" for row in read_raw(raw, "events")):
        assert time.monotonic() < deadline
        assert (
            request(url, body=b"[]", user="web-key", headers={"x-topic": "t"}).status
            == 200
        )
        time.sleep(0.2)
    file.write_text("def events(request:")
    while "orders.py" not in request(f"{collector.url}/ready").body.get("sources", ""):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert request(url, body=b"[]", user="web-key").status == 200


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("def events(", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("", "no function"),
    ],
)
def test_a_file_without_a_usable_function_is_named(
    tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "payments.py"
    file.write_text(text)
    with pytest.raises(SourcesError, match=problem) as error:
        load_function(file)
    assert "webhooks/payments.py" in str(error.value)


def test_the_example_makes_an_order_of_a_payment() -> None:
    events = load_function(EXAMPLE)
    body = {
        "id": "evt_1",
        "type": "payment.succeeded",
        "created": "2026-11-22T12:00:00Z",
        "data": {"customer": "u1", "order": "o1", "amount": 1999, "currency": "eur"},
    }
    at = datetime(2026, 11, 22, tzinfo=UTC)

    def run(document: object) -> object:
        return events(WebhookRequest(document, b"", {}, {}, at))

    assert run(body) == [
        {
            "type": "track",
            "event": "Payment Succeeded",
            "userId": "u1",
            "messageId": "payments-evt_1",
            "timestamp": "2026-11-22T12:00:00Z",
            "properties": {"order_id": "o1", "amount": 19.99, "currency": "EUR"},
        }
    ]
    assert run(body | {"type": "customer.updated"}) == []
