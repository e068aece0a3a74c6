"""The Profile API over real HTTP: what it answers, to whom, and during a swap."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from profiles.published import publish
from tests.profiles.conftest import ADA, BOB, rebuild
from tests.profiles.serving import TOKEN, Api, running

CORPUS = Path(__file__).parents[2] / "../shared/corpora/blns.json"


@pytest.fixture(scope="module")
def api(published: Path) -> Iterator[Api]:
    with running(published) as api:
        yield api


def test_a_profile_comes_as_json(api: Api) -> None:
    status, body, headers = api.get("/v1/profiles/email/ada@example.com")
    assert status == 200
    assert body.pop("published_at").endswith("Z")
    assert body == {
        "profile_id": ADA,
        "traits": {
            "first_seen_at": "2026-01-01T12:00:00Z",
            "email": "ada@example.com",
            "order_count": 3,
            "lifetime_value": 120.5,
            "has_marketing_consent": True,
            "last_ordered_on": "2026-01-03",
            "favourites": ["tea", "ink"],
            "build": 0,
        },
        "identifiers": [
            {
                "type": "email",
                "value": "ada@example.com",
                "first_seen_at": "2026-01-01T00:00:00Z",
                "last_seen_at": "2026-01-03T00:00:00Z",
            },
            {
                "type": "user_id",
                "value": "a/da ÅÄÖ?#%",
                "first_seen_at": "2026-01-02T00:00:00Z",
                "last_seen_at": "2026-01-03T00:00:00Z",
            },
        ],
        "audiences": [{"name": "vip_customers", "entered_at": "2026-01-03T09:30:00Z"}],
    }
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_values_are_decoded_once(api: Api) -> None:
    assert api.find("user_id", "a/da ÅÄÖ?#%")[1]["profile_id"] == ADA
    assert api.get("/v1/profiles/user_id/%42ob")[1]["profile_id"] == BOB
    assert api.get("/v1/profiles/user_id/%2542ob")[0] == 404


def test_a_value_of_nobody_is_404(api: Api) -> None:
    status, body = api.find("user_id", "nobody")
    assert status == 404
    assert body["error"]["code"] == "profile_not_found"
    assert body["error"]["message"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/profiles/user_id", 404, "not_found"),
        ("/v1/profiles/", 404, "not_found"),
        ("/v1/profiles/user_id/", 404, "profile_not_found"),
        ("/v1/profiles//Bob", 404, "profile_not_found"),
        ("/v1/profiles/user_id/../../../etc/passwd", 404, "profile_not_found"),
        ("/v1/profiles/user_id/%2e%2e%2f%2e%2e", 404, "profile_not_found"),
        ("/v1/profiles/user_id/a%0d%0aX-Evil:%201", 404, "profile_not_found"),
        ("/v1/profiles/user_id/Bo%00b", 404, "profile_not_found"),
        ("/v1/profiles/user_id/%ff%fe", 400, "invalid_value"),
        ("/v1/profiles/user_id/%ed%a0%80", 400, "invalid_value"),
        ("/v1/profiles/user_id/" + "x" * 10_000, 404, "profile_not_found"),
        ("/v1/others", 404, "not_found"),
        ("/", 404, "not_found"),
    ],
)
def test_odd_paths_get_a_clear_error(
    api: Api, path: str, status: int, code: str
) -> None:
    answer, body, headers = api.get(path)
    assert (answer, body["error"]["code"]) == (status, code)
    assert headers["Cache-Control"] == "no-store"
    assert "X-Evil" not in headers


def test_a_profile_cannot_be_posted(api: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    connection.request("POST", "/v1/profiles/user_id/Bob", b"{}", headers)
    response = connection.getresponse()
    assert response.status == 405
    assert json.load(response)["error"]["code"] == "method_not_allowed"
    connection.close()


@pytest.mark.skipif(not CORPUS.exists(), reason=f"{CORPUS.name} is not here")
def test_naughty_strings_find_exactly_their_owner(
    warehouse: Path, published_dir: Path
) -> None:
    """Each string is stored as somebody's identifier, then looked up by HTTP."""
    strings = dict.fromkeys(json.loads(CORPUS.read_text("utf-8")))
    rows = [
        (f"{index + 2**32:016x}", string)
        for index, string in enumerate(strings)
        if string and string == string.strip()
    ]
    with duckdb.connect(str(warehouse)) as connection:
        connection.executemany(
            "insert into identity.profile_identifiers "
            "values (?, 'naughty', ?, now(), now())",
            rows,
        )
    publish(warehouse, published_dir)
    with running(published_dir) as api:
        for profile_id, string in rows:
            status, body = api.find("naughty", string)
            assert (status, body["profile_id"]) == (200, profile_id), string
            assert body["identifiers"][0]["value"] == string
            assert api.find(string, "Bob")[0] == 404, string
    assert len(rows) > 400


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (basic(TOKEN, ""), 200),
        (basic(TOKEN, "anything"), 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        (f"Token {TOKEN}", 401),
        (TOKEN, 401),
        (basic("", TOKEN), 401),
        ("Basic !!!", 401),
        ("Basic " + base64.b64encode(b"\xff\xfe:").decode(), 401),
        ("Bearer \xe9\xff", 401),
        ("Bearer a-write-key-of-a-source", 401),
        (basic("a-write-key-of-a-source", ""), 401),
    ],
)
def test_only_the_token_opens(api: Api, authorization: str | None, status: int) -> None:
    answer, body, headers = api.get("/v1/profiles/user_id/Bob", authorization)
    assert answer == status
    if status == 401:
        assert body["error"]["code"] == "unauthorized"
        assert "Bearer" in headers["WWW-Authenticate"]


def test_without_a_token_every_path_looks_the_same(api: Api) -> None:
    answers = [
        api.get(path, None)[:2]
        for path in ("/v1/profiles/user_id/Bob", "/v1/profiles/user_id/x", "/", "/v2")
    ]
    assert [status for status, _ in answers] == [401] * 4
    assert all(body == answers[0][1] for _, body in answers)


def test_probes_need_no_token(api: Api) -> None:
    assert api.get("/health", None)[:2] == (200, {"status": "ok"})
    assert api.get("/ready", None)[:2] == (200, {"status": "ready"})


def test_it_starts_before_anything_is_published(
    warehouse: Path, tmp_path: Path
) -> None:
    published_dir = tmp_path / "later"
    with running(published_dir) as api:
        assert api.get("/health", None)[0] == 200
        status, body, _ = api.get("/ready", None)
        assert (status, body["error"]["code"]) == (503, "nothing_published")
        assert api.find("user_id", "Bob")[0] == 503
        publish(warehouse, published_dir)
        assert api.get("/ready", None)[0] == 200
        assert api.find("user_id", "Bob")[0] == 200


def test_a_request_sees_one_build_while_builds_are_swapped(
    warehouse: Path, published_dir: Path
) -> None:
    """The trait `build` and the audience's name are changed together by each build."""
    builds = 12
    rebuild(warehouse, 0)
    publish(warehouse, published_dir)
    over = threading.Event()

    def ask_all_the_time(api: Api) -> list[int]:
        seen = []
        while not over.is_set():
            status, body = api.find("email", "ada@example.com")
            assert status == 200, body
            assert body["audiences"][0]["name"] == str(body["traits"]["build"])
            seen.append(body["traits"]["build"])
        return seen

    with running(published_dir) as api, ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(ask_all_the_time, api) for _ in range(4)]
        try:
            for number in range(1, builds + 1):
                rebuild(warehouse, number)
                publish(warehouse, published_dir)
                assert api.find("email", "ada@example.com")[1]["traits"]["build"] == (
                    number
                )
        finally:
            over.set()
        seen = [reader.result() for reader in readers]
    assert all(answers == sorted(answers) for answers in seen)
    assert len(set().union(*seen)) > builds / 2


def test_old_builds_are_let_go(warehouse: Path, published_dir: Path) -> None:
    """After a swap the process holds no file but the current build's."""

    def open_builds() -> set[str]:
        names = set()
        for descriptor in Path("/proc/self/fd").iterdir():
            # the one that lists the directory is gone by now
            with suppress(FileNotFoundError):
                names.add(str(descriptor.readlink()))
        return {name for name in names if str(published_dir) in name}

    with running(published_dir) as api:
        for _ in range(3):
            assert api.find("user_id", "Bob")[0] == 200
            publish(warehouse, published_dir)
        assert api.find("user_id", "Bob")[0] == 200
        assert open_builds() == {str((published_dir / "current.duckdb").resolve())}
    assert open_builds() == set()
