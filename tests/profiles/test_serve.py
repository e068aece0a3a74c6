"""The token, and the server that asks for it, as a fresh machine starts them."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from profiles.settings import ProfilesSettings
from profiles.tokens import read_token


def test_a_token_is_generated_once(tmp_path: Path) -> None:
    settings = ProfilesSettings(data_dir=tmp_path)
    token = read_token(settings)
    assert len(token) >= 32
    assert read_token(settings) == token
    assert settings.token_file.read_text().strip() == token
    assert settings.token_file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in settings.token_file.parent.iterdir()] == [
        "profiles_token"
    ]


def test_a_given_token_is_used_and_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KITH_PROFILES_TOKEN", "given-by-the-operator")
    settings = ProfilesSettings(data_dir=tmp_path)
    assert read_token(settings) == "given-by-the-operator"
    assert not settings.token_file.exists()
    assert "given-by" not in repr(settings)


def test_a_short_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITH_PROFILES_TOKEN", "short")
    with pytest.raises(ValidationError, match="profiles_token"):
        ProfilesSettings()


def answer(
    port: int, *, token: str = "", path: str = "/v1/profiles/email/ada@example.com"
) -> http.client.HTTPResponse:
    """The answer of the server on `port`; waits for the server to be there."""
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Bearer {token}"}
            )
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
            continue
        response = connection.getresponse()
        response.read()
        connection.close()
        return response


def test_the_server_asks_for_the_generated_token_and_logs_no_secret(
    published_dir: Path, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    write_key = "a-write-key-of-a-source"
    environment = {
        **os.environ,
        "KITH_DATA_DIR": str(tmp_path),
        "KITH_PROFILES_PORT": str(port),
        "KITH_WRITE_KEY": write_key,
        "KITH_PROFILES_TOKEN": "",
        "PYTHONPATH": ".",
    }
    script = (
        "from profiles.app import serve; from profiles.settings import ProfilesSettings"
        "; serve(ProfilesSettings())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert answer(port, path="/health").status == 200
            token = (tmp_path / "secrets" / "profiles_token").read_text().strip()
            assert answer(port, token=write_key).status == 401
            found = answer(port, token=token)
            assert found.status == 200
            assert found.headers["Server"] is None
        finally:
            server.terminate()
        output = server.communicate(timeout=20)[0]
    assert "profile_request" in output
    for secret in (token, write_key, "ada@example.com"):
        assert secret not in output
