"""`kith ui` as a user meets it: it starts, answers, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kith import Kith
from tests.servers import request

START_SECONDS = 240  # a limit, for machines that do much else


@pytest.fixture
def services(
    runs: tuple[Kith, Any, Any],
) -> Iterator[tuple[Kith, subprocess.Popen[bytes]]]:
    """`kith ui` after the demo, started as a background job: with SIGINT ignored."""
    kith, _, _ = runs
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "kith"), "ui"],
        env={**os.environ, **kith.environ},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    yield kith, process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_ui_serves_dagster_and_profiles_until_it_is_told_to_stop(
    services: tuple[Kith, subprocess.Popen[bytes]],
) -> None:
    kith, process = services
    dagster = f"http://127.0.0.1:{kith.environ['KITH_DAGSTER_PORT']}"
    profiles = f"http://127.0.0.1:{kith.environ['KITH_PROFILES_PORT']}"
    _wait_for(lambda: request(f"{profiles}/health").status == 200)
    _wait_for(lambda: bool(_groups(dagster)))
    folders = Path("dbt_project/models").iterdir()
    assert {folder.name for folder in folders if folder.is_dir()} <= _groups(dagster)
    assert {"raw", "published"} <= _groups(dagster)
    assert request(f"{profiles}/v1/profiles/email/a@b.example").status == 401
    process.terminate()
    assert process.wait(timeout=60) == 0
    _wait_for(lambda: not _is_answering(dagster))
    assert not _is_answering(f"{profiles}/health")


def _groups(dagster: str) -> set[str]:
    query = {"query": "{ assetNodes { groupName } }"}
    answer: dict[str, Any] = request(
        f"{dagster}/graphql",
        body=json.dumps(query).encode(),
        headers={"content-type": "application/json"},
    ).body
    return {node["groupName"] for node in answer["data"]["assetNodes"]}


def _is_answering(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - loopback
            return True
    except OSError:
        return False


def _wait_for(condition: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError("it did not happen in time")
