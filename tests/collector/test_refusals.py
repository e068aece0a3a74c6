"""What is refused leaves a line in the log, however often it comes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from collector import refusals
from collector.errors import Refused
from collector.refusals import Refusals
from tests.collector.acceptance import accepts
from tests.servers import request, running_collector


def test_a_code_is_logged_at_once_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    noted = Refusals()

    def note(code: str, times: int) -> None:
        for _ in range(times):
            refused = Refused(400, code, "A message.")
            noted.note(refused, route="/v1/batch", request_id="r")

    with capture_logs() as lines:
        note("too_deep", 5)
        note("invalid_json", 1)
        now += refusals.PERIOD_SECONDS + 1
        note("too_deep", 3)
    assert [(line["code"], line["requests"]) for line in lines] == [
        ("too_deep", 1),
        ("invalid_json", 1),
        ("too_deep", 5),
    ]


@accepts("B28")
def test_a_flood_of_refusals_leaves_a_line_a_code_and_nobodys_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = {"userId": "ann@example.com", "event": "E"}
    with running_collector(tmp_path / "data") as collector:
        for number in range(20):
            collector.post("/v1/track", secret, key=f"secret-{number}")
            collector.post("/v1/track", b'{"userId":"ann@example.com"')
            request(f"{collector.url}/ann@example.com")
    captured = capfd.readouterr().err
    lines = [json.loads(line) for line in captured.splitlines() if line[:1] == "{"]
    refused = {line["code"]: line for line in lines if line["event"] == "refused"}
    assert sorted(refused) == ["invalid_json", "invalid_write_key", "unknown_path"]
    assert sum(line["event"] == "refused" for line in lines) == 3
    assert refused["invalid_write_key"]["status"] == 401
    assert refused["invalid_write_key"]["last_route"] == "/v1/track"
    for trace in ("ann@", "secret-", "127.0.0.1"):
        assert trace not in captured
