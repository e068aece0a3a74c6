"""What the collector answers to malformed and hostile HTTP, byte by byte.

Each case is one connection; the answer is its status, or `None` when the server closes
it without one. Where granian decides and is more lenient than it might be, the case
says what is true and why that does no harm.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.errors import Refused
from collector.wire import inflate
from tests.collector.acceptance import accepts, case
from tests.raw import read_raw
from tests.servers import CollectorProcess, basic, request, running_collector

EVENT = b'{"type":"track","userId":"u","event":"E"}'
BATCH = b'{"batch":[%s]}' % EVENT
AUTH = b"Authorization: " + basic("test-write-key").encode() + b"\r\n"
HOST = b"Host: collector\r\n"
COMMON = HOST + AUTH
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LIMIT = 40_000


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    data_dir = tmp_path_factory.mktemp("transport") / "data"
    environ = {"KITH_MAX_BATCH_BYTES": str(LIMIT), "KITH_BODY_SECONDS": "1"}
    with running_collector(data_dir, environ=environ) as process:
        yield process


def exchange(
    collector: CollectorProcess, sent: bytes, *, end: bool = False
) -> tuple[int | None, bytes]:
    """Send bytes on a connection of their own; status and whole answer.

    With `end` the sending side is closed afterwards.
    """
    answer = b""
    address = ("127.0.0.1", collector.port)
    with socket.create_connection(address, timeout=10) as connection:
        with contextlib.suppress(OSError):  # it may be closed while we write
            connection.sendall(sent)
            if end:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while not is_whole(answer):
                chunk = connection.recv(65_536)
                if not chunk:
                    break
                answer += chunk
    last = answer.rpartition(b"HTTP/1.1 ")[2]
    return (int(last[:3]) if last[:3].isdigit() else None), answer


def is_whole(answer: bytes) -> bool:
    """Whether an answer has as many bytes as its head says."""
    head, end, body = answer.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def post(headers: bytes = b"", body: bytes = BATCH, *, common: bytes = COMMON) -> bytes:
    """A request with the right length of its body."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /v1/batch HTTP/1.1\r\n" + common + headers + length + b"\r\n" + body


def to(target: bytes, method: bytes = b"POST") -> bytes:
    """A request with a body to another target than most."""
    return post().replace(b"POST /v1/batch", method + b" " + target, 1)


def unsized(headers: bytes, body: bytes) -> bytes:
    """A request whose length, if any, is among its headers."""
    return b"POST /v1/batch HTTP/1.1\r\n" + COMMON + headers + b"\r\n" + body


SHORT = b"Content-Length: 5\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BATCH), BATCH)

# What the server itself answers has no code.
CASES: dict[str, tuple[bytes, int, str]] = {
    "B1 no credentials": (post(common=HOST), 401, "missing_write_key"),
    "B4 no base64": (
        post(b"Authorization: Basic !!!\r\n", common=HOST),
        401,
        "invalid_write_key",
    ),
    "B4 no UTF-8": (
        post(b"Authorization: Basic //79\r\n", common=HOST),
        401,
        "invalid_write_key",
    ),
    "B8 bearer": (
        post(b"Authorization: Bearer x\r\n", common=HOST),
        401,
        "invalid_write_key",
    ),
    "B12 text/plain": (post(b"Content-Type: text/plain\r\n"), 200, ""),
    "B12 no type": (post(), 200, ""),
    "B12 charset": (
        post(b"Content-Type: application/json; charset=utf-8\r\n"),
        200,
        "",
    ),
    "B10 unknown": (to(b"/v2/batch"), 404, "unknown_path"),
    "B10 more slashes": (to(b"//v1//batch/"), 200, ""),
    "B10 upper case": (to(b"/V1/BATCH"), 404, "unknown_path"),
    "B10 dots": (to(b"/v1/../v1/batch"), 404, "unknown_path"),
    "B10 escaped dots": (to(b"/v1/%2e%2e/admin"), 404, "unknown_path"),
    # granian decodes the target once, so this is the same path
    "B10 escaped slash": (to(b"/v1%2fbatch"), 200, ""),
    "B10 escaped twice": (to(b"/v1%252fbatch"), 404, "unknown_path"),
    "B10 escaped NUL": (to(b"/v1/batch%00"), 404, "unknown_path"),
    "B9 GET": (to(b"/v1/batch", b"GET"), 405, "method_not_allowed"),
    "B9 DELETE": (to(b"/v1/batch", b"DELETE"), 405, "method_not_allowed"),
    "B9 no method": (to(b"/v1/batch", b"BREW"), 405, "method_not_allowed"),
    # one SDK sends gzipped JSON as a form, so the type alone refuses nothing
    "B13 form": (post(b"Content-Type: application/x-www-form-urlencoded\r\n"), 200, ""),
    "B13 multipart": (
        post(b"Content-Type: multipart/form-data; boundary=x\r\n"),
        415,
        "unsupported_media_type",
    ),
    "B13 xml": (
        post(b"Content-Type: application/soap+xml\r\n"),
        415,
        "unsupported_media_type",
    ),
    "B13 text/xml": (
        post(b"Content-Type: text/xml\r\n"),
        415,
        "unsupported_media_type",
    ),
    "B13 UTF-16": (
        post(b'Content-Type: application/json; charset="UTF-16"\r\n'),
        415,
        "unsupported_media_type",
    ),
    "B14 empty": (post(body=b""), 400, "empty_body"),
    "B15 declared too large": (
        post(body=b" " * LIMIT + BATCH),
        413,
        "payload_too_large",
    ),
    "B16 chunks": (unsized(CHUNKED, ONE_CHUNK), 200, ""),
    "B16 chunks past the limit": (
        unsized(CHUNKED, (b"2710\r\n" + b" " * 10_000 + b"\r\n") * 5 + b"0\r\n\r\n"),
        413,
        "payload_too_large",
    ),
    "B17 bomb": (
        post(GZIP, gzip.compress(b" " * 30_000_000)),
        413,
        "payload_too_large",
    ),
    "B18 truncated": (post(GZIP, gzip.compress(BATCH)[:-3]), 400, "invalid_encoding"),
    "B18 bad checksum": (
        post(GZIP, gzip.compress(BATCH)[:-8] + b"x" * 8),
        400,
        "invalid_encoding",
    ),
    "B18 garbage after": (
        post(GZIP, gzip.compress(BATCH) + b"x"),
        400,
        "invalid_encoding",
    ),
    "B18 two members": (post(GZIP, gzip.compress(BATCH) * 2), 400, "invalid_encoding"),
    "B19 gzip twice": (
        post(b"Content-Encoding: gzip, gzip\r\n"),
        415,
        "unsupported_encoding",
    ),
    "B19 br": (post(b"Content-Encoding: br\r\n"), 415, "unsupported_encoding"),
    "B19 zstd": (post(b"Content-Encoding: zstd\r\n"), 415, "unsupported_encoding"),
    "B19 identity": (post(b"Content-Encoding: identity\r\n"), 200, ""),
    "B20 plain as gzip": (post(GZIP), 400, "invalid_encoding"),
    "B20 gzip as plain": (post(body=gzip.compress(BATCH)), 400, "invalid_json"),
    # RFC 9112 6.3 lets a server take Transfer-Encoding and close, as granian does
    "B21 length, then chunks": (
        unsized(SHORT + CHUNKED, ONE_CHUNK),
        200,
        "",
    ),
    "B21 chunks, then length": (unsized(CHUNKED + SHORT, ONE_CHUNK), 200, ""),
    "B22 two lengths": (
        unsized(b"Content-Length: 1\r\nContent-Length: 2\r\n", b""),
        400,
        "",
    ),
    "B22 plus": (unsized(b"Content-Length: +3\r\n", b"abc"), 400, ""),
    "B22 minus": (unsized(b"Content-Length: -1\r\n", b""), 400, ""),
    "B22 huge": (unsized(b"Content-Length: 99999999999999999999999\r\n", b""), 400, ""),
    "B24 NUL": (post(b"X-A: a\x00b\r\n"), 400, ""),
    "B24 CR": (post(b"X-A: a\rb\r\n"), 400, ""),
    "B24 space before colon": (post(b"X-A : b\r\n"), 400, ""),
    "B24 folded": (post(b"X-A: a\r\n b\r\n"), 400, ""),
    # a bare LF ends a line for granian too; nothing in front of it reads it otherwise
    "B24 bare LF": (post().replace(b"\r\n", b"\n"), 200, ""),
    "B25 no host": (post(common=AUTH), 400, "bad_host"),
    # granian shows the app only the first; nothing is routed by it
    "B25 two hosts": (post(HOST), 200, ""),
    "B26 a megabyte of header": (post(b"X-A: " + b"a" * 1_000_000 + b"\r\n"), 431, ""),
    "B26 20,000 headers": (post(b"X-A: a\r\n" * 20_000), 431, ""),
    # granian counts the target as part of the head
    "B27 long target": (
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        431,
        "",
    ),
    "B28 HTTP/0.9": (b"GET /health\r\n\r\n", 400, ""),
    "B28 HTTP/9.9": (b"GET /health HTTP/9.9\r\n" + HOST + b"\r\n", 400, ""),
    "B28 TLS": (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
        400,
        "",
    ),
    "B28 binary": (bytes(range(256)) * 4, 400, ""),
    "B29 continue": (post(b"Expect: 100-continue\r\n"), 200, ""),
    "B32 huge retry count": (post(b"X-Retry-Count: 1" + b"0" * 30 + b"\r\n"), 200, ""),
    "B32 negative retry count": (post(b"X-Retry-Count: -1\r\n"), 200, ""),
}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [case(name, *values) for name, values in CASES.items()],
)
def test_a_connection_is_answered(
    collector: CollectorProcess, sent: bytes, status: int, code: str
) -> None:
    answered, answer = exchange(collector, sent)
    assert answered == status, answer[:500]
    body = answer.partition(b"\r\n\r\n")[2]
    if status == 200:
        assert body.endswith(b'{"success":true}')
    elif code:
        document = json.loads(body)
        assert (document["success"], document["code"]) == (False, code)
        assert document["message"]
    assert request(f"{collector.url}/health").status == 200


@accepts("B4")
def test_ten_megabytes_of_credentials_are_not_read(collector: CollectorProcess) -> None:
    header = b"Authorization: Basic " + b"QQ==" * 2_500_000 + b"\r\n"
    status, _ = exchange(collector, post(header, common=HOST))
    assert status in (431, None)  # None: closed while we still wrote
    assert request(f"{collector.url}/health").status == 200


@accepts("B21")
@pytest.mark.parametrize("headers", [CHUNKED + SHORT, SHORT + CHUNKED])
def test_nothing_is_smuggled_behind_a_body_of_two_lengths(
    collector: CollectorProcess, headers: bytes
) -> None:
    smuggled = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    sent = unsized(headers, ONE_CHUNK + smuggled)
    answer = b""
    with socket.create_connection(("127.0.0.1", collector.port), timeout=10) as client:
        client.sendall(sent)
        while chunk := client.recv(65_536):  # until it is closed
            answer += chunk
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer


@accepts("B17")
def test_a_gigabyte_in_a_megabyte_costs_memory_by_the_limit() -> None:
    zipper = zlib.compressobj(wbits=31)
    first, megabyte = (
        zipper.compress(bytes(2**20)) + zipper.flush(zlib.Z_FULL_FLUSH)
        for _ in range(2)
    )
    bomb = first + 1_023 * megabyte
    assert len(bomb) < 1_100_000
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="at most 4000000 bytes"):
            inflate(bomb, "gzip", limit=4_000_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


BROKEN_OFF = {
    "short body": (b"Content-Length: 500\r\n", BATCH, (400,)),
    "short chunk": (CHUNKED, b"%x\r\n%s" % (len(BATCH), BATCH[:-9]), (400,)),
    "no more chunks": (CHUNKED, b"9\r\n%s\r\n" % BATCH[:9], (400,)),
    "negative": (CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n", (400, None)),
    "no number": (CHUNKED, b"3xx\r\nabc\r\n0\r\n\r\n", (400, None)),
    # granian does not tell that the last chunk is missing. JSON and gzip have an end of
    # their own, so what can be read is all that was sent.
    "no last chunk": (CHUNKED, ONE_CHUNK[:-5], (200,)),
    "bad terminator": (CHUNKED, ONE_CHUNK[:-7] + b"XX0\r\n\r\n", (200,)),
}


@accepts("B23")
@pytest.mark.parametrize(
    ("headers", "body", "allowed"), BROKEN_OFF.values(), ids=BROKEN_OFF.keys()
)
def test_a_body_that_breaks_off_is_acknowledged_only_when_it_is_whole(
    collector: CollectorProcess,
    headers: bytes,
    body: bytes,
    allowed: tuple[int | None, ...],
) -> None:
    status, _ = exchange(collector, unsized(headers, body), end=True)
    assert status in allowed


@accepts("B29")
def test_a_client_that_asks_first_is_told_before_it_sends(
    collector: CollectorProcess,
) -> None:
    headers = b"Expect: 100-continue\r\nContent-Length: 9000000\r\n"
    status, answer = exchange(collector, unsized(headers, b""))
    assert status == 413
    assert b"100 Continue" not in answer


def test_a_body_that_never_comes_is_given_up(collector: CollectorProcess) -> None:
    status, _ = exchange(collector, unsized(b"Content-Length: 500\r\n", b"{"))
    assert status == 408


@accepts("B2", "B5", "B7")
@pytest.mark.parametrize(
    "key",
    ["wrong", "é", "../../etc/passwd", "a/b", "CON", "\0", "x" * 4_096, "🙂"],
)
def test_any_wrong_key_gets_the_same_answer(
    collector: CollectorProcess, key: str
) -> None:
    body = json.dumps({"userId": "u", "event": "E"}).encode()
    answers = [
        collector.post("/v1/track", body, key=key),
        collector.post("/v1/track", {**json.loads(body), "writeKey": key}, key=None),
        collector.post("/v1/track", body, key=None),
    ]
    assert [answer.status for answer in answers] == [401] * 3
    assert len({answer.body["message"] for answer in answers}) == 1
    assert key not in json.dumps([answer.body for answer in answers])


@accepts("B19")
def test_a_refused_encoding_says_which_is_taken(collector: CollectorProcess) -> None:
    answer = collector.post("/v1/batch", BATCH, headers={"content-encoding": "br"})
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip")


SPOOFED = "203.0.113.9"
FORWARDED = {
    SPOOFED: SPOOFED,
    f"192.0.2.1, {SPOOFED}": SPOOFED,
    f"{SPOOFED}, 198.51.100.7": SPOOFED,
    f"{SPOOFED},, 198.51.100.7": "127.0.0.1",
    "garbage": "127.0.0.1",
    "fe80::1%eth0": "127.0.0.1",
    ", ".join([SPOOFED] * 1_000): SPOOFED,
    "127.0.0.1, 127.0.0.1": "127.0.0.1",
    "": "127.0.0.1",
}


@accepts("B30")
@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8, 198.51.100.0/24"])
def test_only_a_trusted_proxy_names_the_client(trusted: str, tmp_path: Path) -> None:
    environ = {"KITH_TRUSTED_PROXIES": trusted}
    with running_collector(tmp_path / "data", environ=environ) as collector:
        for number, forwarded in enumerate(FORWARDED):
            event = json.loads(EVENT) | {"messageId": str(number)}
            headers = {"x-forwarded-for": forwarded}
            answer = collector.post("/v1/t", event, key="web-key", headers=headers)
            assert answer.status == 200
    rows = read_raw(tmp_path / "data" / "raw", "events")
    believed = [*FORWARDED.values()] if trusted else ["127.0.0.1"] * len(FORWARDED)
    assert [row["ip"] for row in rows] == believed
