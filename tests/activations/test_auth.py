"""Who asks: Basic, tokens of OAuth 2.0, and service accounts that sign for theirs."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.activations.made_up import POST, upsert, work_with
from tests.activations.scripted import Destination, Give, Got


def test_a_token_is_fetched_once_and_renewed_when_it_is_refused(
    destination: Destination, tmp_path: Path
) -> None:
    tokens = iter(["first", "second"])

    def answer(got: Got) -> Give:
        if got.path == "/token":
            return Give(200, {"access_token": next(tokens), "expires_in": 3600})
        is_old = got.headers["authorization"] == "Bearer first"
        late = len(destination.requests) > 3
        return Give(401 if is_old and late else 200)

    destination.answer = answer
    oauth2 = {
        "token_url": f"{destination.url}/token",
        "grant": "refresh_token",
        "client_id": "kith",
        "client_secret": "{{ settings.token }}",
        "refresh_token": "{{ settings.token }}",
        "scope": "lists",
    }
    work = work_with(
        tmp_path,
        destination.url,
        upsert(batch_size=1),
        auth={"oauth2": oauth2},
        in_flight=1,
    )
    work.people(range(4))
    assert work.run().succeeded.insert == 4
    asked = [got for got in destination.requests if got.path == "/token"]
    assert len(asked) == 2
    assert dict(parse_qsl(asked[0].body.decode())) == {
        "grant_type": "refresh_token",
        "client_id": "kith",
        "client_secret": "s3cret",
        "refresh_token": "s3cret",
        "scope": "lists",
    }


@pytest.mark.parametrize("status", [400, 401])
def test_a_token_that_is_not_given_stops_the_run(
    destination: Destination, tmp_path: Path, status: int
) -> None:
    destination.answer = lambda got: Give(status, {"error": "invalid_client"})
    oauth2 = {
        "token_url": f"{destination.url}/token",
        "grant": "client_credentials",
        "client_id": "kith",
        "client_secret": "{{ settings.token }}",
        "send_as": "basic",
    }
    work = work_with(tmp_path, destination.url, upsert(), auth={"oauth2": oauth2})
    work.people(range(2))
    run = work.run()
    assert run.stopped is not None
    assert "invalid_client" in run.stopped
    (got,) = destination.requests
    expected = base64.b64encode(b"kith:s3cret").decode()
    assert got.headers["authorization"] == f"Basic {expected}"
    assert got.body == b"grant_type=client_credentials"


@pytest.mark.parametrize(
    ("told", "stopped"),
    [
        ({"access_token": "t", "expires_in": 10**400}, None),
        ({"access_token": "t\u00fc"}, "letters beyond ASCII"),
        ({"access_token": "t\n"}, "a line break"),
    ],
)
def test_a_token_may_be_as_odd_as_it_likes(
    destination: Destination, tmp_path: Path, told: Any, stopped: str | None
) -> None:
    destination.answer = lambda got: Give(200, told)
    oauth2 = {
        "token_url": f"{destination.url}/token",
        "grant": "client_credentials",
        "client_id": "kith",
        "client_secret": "{{ settings.token }}",
    }
    work = work_with(tmp_path, destination.url, upsert(), auth={"oauth2": oauth2})
    work.people(range(1))
    run = work.run()
    assert (run.stopped is None) == (stopped is None)
    assert (stopped or "") in (run.stopped or "")


@pytest.mark.parametrize("status", [400, 401])
def test_a_token_that_a_tool_repeats_is_told_to_nobody(
    destination: Destination, tmp_path: Path, status: int
) -> None:
    token = "ya29.a0AfH6SM-BxC3"  # noqa: S105 - of a tool that does not exist

    def answer(got: Got) -> Give:
        if got.path == "/token":
            return Give(200, {"access_token": token})
        return Give(status, {"why": f"no {got.headers['authorization']}"})

    destination.answer = answer
    oauth2 = {
        "token_url": f"{destination.url}/token",
        "grant": "client_credentials",
        "client_id": "kith",
        "client_secret": "{{ settings.token }}",
    }
    rule = {"status": 400, "outcome": "rejected", "message": "{{ response.why }}"}
    work = work_with(
        tmp_path, destination.url, upsert(responses=[rule]), auth={"oauth2": oauth2}
    )
    work.people(range(1))
    told = [work.run().stopped, *(row["message"] for row in work.log())]
    assert [text for text in told if text and "no Bearer ***" in text]
    assert not [text for text in told if text and token in text]


def signed(**changes: Any) -> tuple[str, RSAPublicKey]:
    """A key file of a service account, and what proves its signatures."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    file = {
        "client_email": "kith@example.iam.gserviceaccount.com",
        "private_key_id": "k1",
        "private_key": pem,
    }
    return json.dumps(file | changes), key.public_key()


BY_SERVICE_ACCOUNT = {
    "grant": "refresh_token",
    "client_id": "{{ none }}",
    "client_secret": "{{ none }}",
    "refresh_token": "{{ none }}",
    "service_account": {"key": "{{ settings.token }}", "scope": "lists"},
}


@pytest.mark.parametrize("key_id", ["k1", None])
def test_a_service_account_signs_for_its_token(
    destination: Destination, tmp_path: Path, key_id: str | None
) -> None:
    file, public_key = signed(private_key_id=key_id)
    destination.answer = lambda got: Give(200, {"access_token": "t"})
    token_url = f"{destination.url}/token"
    work = work_with(
        tmp_path,
        destination.url,
        upsert(),
        token=file,
        auth={"oauth2": BY_SERVICE_ACCOUNT | {"token_url": token_url}},
    )
    work.people(range(1))
    before = int(time.time())
    assert work.run().succeeded.insert == 1
    asked, sent = destination.requests
    assert sent.headers["authorization"] == "Bearer t"
    form = dict(parse_qsl(asked.body.decode()))
    assert form.pop("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assertion = form.pop("assertion")
    assert form == {}
    assert jwt.get_unverified_header(assertion).get("kid") == key_id
    claims = jwt.decode(assertion, public_key, ["RS256"], audience=token_url)
    issued = claims.pop("iat")
    assert before <= issued <= time.time()
    assert claims == {
        "iss": "kith@example.iam.gserviceaccount.com",
        "scope": "lists",
        "aud": token_url,
        "exp": issued + 3600,
    }


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("null", "set client_id, client_secret, refresh_token, or the key"),
        ("broken{", "not the JSON of a key file"),
        ("[]", "not the JSON of a key file"),
        ('{"client_email": "x"}', "not the JSON of a key file"),
        ('{"client_email": "x", "private_key": "s3cret"}', "not the JSON of a key"),
    ],
)
def test_a_key_that_is_none_stops_the_run_before_anything_is_asked(
    destination: Destination, tmp_path: Path, key: str, message: str
) -> None:
    service_account = {"key": "{{ settings.token }}", "scope": "lists"}
    if key == "null":
        service_account["key"] = "{{ none }}"
    oauth2 = BY_SERVICE_ACCOUNT | {
        "token_url": f"{destination.url}/token",
        "service_account": service_account,
    }
    work = work_with(
        tmp_path, destination.url, upsert(), token=key, auth={"oauth2": oauth2}
    )
    work.people(range(2))
    run = work.run()
    assert run.stopped is not None
    assert message in run.stopped
    assert "s3cret" not in run.stopped
    assert destination.requests == []
    assert run.left == 2


def test_a_public_key_signs_nothing(destination: Destination, tmp_path: Path) -> None:
    _, key = signed()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    oauth2 = BY_SERVICE_ACCOUNT | {"token_url": f"{destination.url}/token"}
    file = json.dumps({"client_email": "x", "private_key": pem})
    work = work_with(
        tmp_path, destination.url, upsert(), token=file, auth={"oauth2": oauth2}
    )
    work.people(range(1))
    run = work.run()
    assert run.stopped is not None
    assert "not the JSON of a key file" in run.stopped
    assert destination.requests == []


def test_query_and_basic_are_part_of_every_request(
    destination: Destination, tmp_path: Path
) -> None:
    work = work_with(
        tmp_path,
        destination.url,
        upsert(request=POST | {"query": {"a": [1, 2], "b": True, "c": None}}),
        auth={"basic": {"user": "{{ settings.token }}"}},
        query={"key": "{{ settings.token }}"},
    )
    work.people(range(1))
    assert work.run().succeeded.insert == 1
    (got,) = destination.requests
    assert got.path == "/x?a=1&a=2&b=true&key=s3cret"
    assert (
        got.headers["authorization"] == "Basic " + base64.b64encode(b"s3cret:").decode()
    )


def test_an_action_may_ask_in_another_way(
    destination: Destination, tmp_path: Path
) -> None:
    destination.answer = lambda got: Give(200, {"access_token": "t"})
    oauth2 = {
        "token_url": f"{destination.url}/token",
        "grant": "client_credentials",
        "client_id": "kith",
        "client_secret": "{{ settings.token }}",
    }
    work = work_with(
        tmp_path,
        destination.url,
        upsert() | {"auth": {"oauth2": oauth2}},
        auth={"basic": {"user": "{{ settings.token }}"}},
    )
    work.people(range(1))
    assert work.run().succeeded.insert == 1
    sent = [got.headers.get("authorization") for got in destination.requests]
    assert sent == [None, "Bearer t"]
