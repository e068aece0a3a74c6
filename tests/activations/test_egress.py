"""Egress: nothing on this machine or a private network is reached unasked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activations.client import Call, Client, check_call
from activations.egress import is_allowed
from activations.errors import ConfigError, DestinationUnavailable, EgressDenied
from activations.retries import Retry
from tests.activations.bench import bench
from tests.activations.scripted import Destination, Give

NEVER = [
    "0.0.0.0",  # noqa: S104 - an address to refuse, not to listen on
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:a9fe:a9fe::1",
    "2001::1",
    "2001:db8::1",
]
PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "100.64.0.1",
    "172.31.0.1",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("text", NEVER)
def test_some_addresses_are_never_reached(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert not is_allowed(address, private_network=True)
    assert not is_allowed(address, private_network=False)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_reached_when_asked_for(text: str) -> None:
    address = ipaddress.ip_address(text)
    assert is_allowed(address, private_network=True)
    assert not is_allowed(address, private_network=False)


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_reached(text: str) -> None:
    assert is_allowed(ipaddress.ip_address(text), private_network=False)


SPELLINGS = [
    "https://127.0.0.1:{port}/",
    "https://127.1:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://0:{port}/",
    "https://[::1]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[0:0:0:0:0:ffff:7f00:1]:{port}/",
    "https://[64:ff9b::7f00:1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://x.localhost:{port}/",
    "https://printer.local:{port}/",
    "https://db.internal:{port}/",
    "https://metadata.google.internal/",
    "https://169.254.169.254/latest/meta-data",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://a@127.0.0.1:{port}/",
    "https://public.example@127.0.0.1:{port}/",
    "https://public.example#@10.0.0.1:22/",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://8.8.8.8:22/",
    "http://8.8.8.8/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/",
    "ftp://127.0.0.1/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}",
    "https://",
    "",
]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket on loopback that must never see a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_reaches_this_machine(
    spelling: str, listener: socket.socket
) -> None:
    url = spelling.format(port=listener.getsockname()[1])
    # What does not resolve, or would leave this machine, ends without an answer too.
    with pytest.raises((EgressDenied, DestinationUnavailable)):
        _send(Call(method="POST", url=url, body=b"{}"))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_name_that_resolves_inward_is_refused_when_connecting(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name looks public and every check of the URL passes; its address counts."""
    port = listener.getsockname()[1]
    call = Call(method="POST", url=f"https://hooks.example.com:{port}/", body=b"{}")
    check_call(call, private_network=False)
    for answer in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:127.0.0.1"]):
        _resolve_to(monkeypatch, answer)
        with pytest.raises(EgressDenied, match="egress_denied"):
            _send(call)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_judged_address_is_the_one_connected_to(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved once: a second answer cannot lead elsewhere."""
    asked = _resolve_to(monkeypatch, ["127.0.0.1"])
    port = destination.url.rpartition(":")[2]
    call = Call(method="POST", url=f"http://crm.example.com:{port}/x", body=b"{}")
    answer = _send(call, private_network=True)
    assert answer.status == 200
    assert asked == ["crm.example.com"]
    assert destination.requests[0].headers["host"] == f"crm.example.com:{port}"


def test_a_redirect_is_not_followed(destination: Destination) -> None:
    destination.script = [Give(307, headers={"Location": destination.url + "/else"})]
    call = Call(method="POST", url=destination.url, body=b"{}")
    assert _send(call, private_network=True).status == 307
    assert len(destination.requests) == 1


def test_proxy_variables_are_ignored(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    call = Call(method="POST", url=destination.url, body=b"{}")
    assert _send(call, private_network=True).status == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "elsewhere"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("X-A", "a\r\nX-B: b"),
        ("X-A\nX-B", "b"),
        ("X-A", "a\0"),
    ],
)
def test_headers_that_would_change_the_request_are_refused(
    destination: Destination, name: str, value: str
) -> None:
    call = Call(method="POST", url=destination.url, headers={name: value}, body=b"{}")
    with pytest.raises(ConfigError):
        _send(call, private_network=True)
    assert destination.requests == []


def test_accounts_are_refused_when_the_file_is_read(tmp_path: Path) -> None:
    """`kith check` tells, before anything is sent."""
    for url in ("http://169.254.169.254/", "https://u:p@example.com/", "http://[::"):
        with pytest.raises(ConfigError, match=r"destinations\.yml:\d+: acct\.settings"):
            bench(tmp_path, "webhook", {"url": url}, action="rows")


def _send(call: Call, *, private_network: bool = False) -> Any:
    async def send() -> Any:
        retry = Retry(attempts=1, seconds=2)
        async with Client(
            private_network=private_network, retry=retry, request_seconds=2
        ) as client:
            return await client.send(call)

    return asyncio.run(send())


def _resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> list[str]:
    """Make every name resolve to these addresses; the names that were asked for.

    Resolving a real name would leave this machine.
    """
    asked: list[str] = []

    async def getaddrinfo(self: Any, host: str, port: int, **rest: Any) -> list[Any]:
        asked.append(host)
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked
