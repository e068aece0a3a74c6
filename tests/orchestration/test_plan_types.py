"""Typed tracking functions for Python: mypy holds programs to them, and they send."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client

from orchestration.plans.python_types import python_types
from tests.orchestration.typed_plan import PLAN

GOOD = """\
from datetime import UTC, datetime
from typing import Any

import tracking


def send(client: Any) -> None:
    tracking.paid(
        client,
        {
            "order_id": "o-1",
            "total": 9,
            "method": "it's cash",
            "at": datetime(2026, 11, 1, tzinfo=UTC),
            "First Name": None,
            "class": True,
            "lines": [{"sku": "a", "sizes": [1, None]}],
            "address": {"it's": 1},
            "free": {"x": 1},
        },
        user_id="u",
    )
    tracking.left(client, user_id="u")
    tracking.left_v2(client, {"why": "rain"}, user_id="u", context={"locale": "de"})
    tracking.import_(client, user_id="u")
    tracking.identified(client, {"email": "ada@example.com"}, user_id="u")
    tracking.group_joined(client, "g", {"seats": 3}, user_id="u")
    tracking.page_viewed(client, {"path": "/"}, name="Home", anonymous_id="a")
    tracking.screen_viewed(client, name="Home", user_id="u")
"""
BAD = """\
from typing import Any

import tracking


def send(client: Any) -> None:
    tracking.payed(client, {})
    tracking.paid(client, {"order_id": "1"})
    tracking.paid(client, {"order_id": 1, "total": 1})
    tracking.paid(client, {"order_id": "1", "total": 1, "totl": 1})
    tracking.paid(client, {"order_id": "1", "total": 1, "method": "fax"})
    tracking.paid(client, {"order_id": "1", "total": 1, "lines": [{}]})
    tracking.left_v2(client)
    tracking.group_joined(client, {"seats": 3})
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the written functions, and programs that use them."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "tracking.py").write_text(python_types(PLAN), encoding="utf-8")
    (folder / "good.py").write_text(GOOD, encoding="utf-8")
    (folder / "bad.py").write_text(BAD, encoding="utf-8")
    return folder


def test_mypy_holds_programs_to_the_plan(program: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "."],
        cwd=program,
        capture_output=True,
        text=True,
        check=False,
    )
    wrong = re.findall(r"^([\w.]+):(\d+): error", result.stdout, re.MULTILINE)
    bad_lines = range(BAD.splitlines().index("def send(client: Any) -> None:") + 2, 15)
    assert {(file, int(line)) for file, line in wrong} == {
        ("bad.py", line) for line in bad_lines
    }, result.stdout


class _Receiver(ThreadingHTTPServer):
    """Takes what a client sends, and keeps the messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.messages += json.loads(body)["batch"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    """A server on this machine."""
    with _Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_functions_send_with_a_real_client(
    program: Path, receiver: _Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(program))
    place = importlib.util.spec_from_file_location("good", program / "good.py")
    assert place is not None
    assert place.loader is not None
    good = importlib.util.module_from_spec(place)
    place.loader.exec_module(good)
    host = f"http://127.0.0.1:{receiver.server_port}"
    client = Client("key", host=host, sync_mode=True, max_retries=0)
    good.send(client)
    sent = {
        (message["type"], message.get("event")): message
        for message in receiver.messages
    }
    assert len(receiver.messages) == 8
    paid = sent["track", "Paid"]
    assert paid["userId"] == "u"
    assert paid["properties"]["method"] == "it's cash"
    at = datetime.fromisoformat(paid["properties"]["at"])
    assert at == datetime(2026, 11, 1, tzinfo=UTC)
    newer = receiver.messages[2]
    assert newer["context"]["protocols"] == {"event_version": 2}
    assert newer["context"]["locale"] == "de"
    assert sent["group", None]["groupId"] == "g"
    assert sent["page", None]["name"] == "Home"
