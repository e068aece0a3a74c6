"""Addresses, robots: what the context tells of a device, and what is stored of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from collector.device import IpPolicy, is_robot, truncate
from collector.errors import Unacceptable
from collector.ingest import Quarantined, make_rows, quarantined
from collector.validate import Event, Reception, validate
from collector.wire import BATCH, Request
from tests.collector.acceptance import accepts
from tests.raw import read_raw
from tests.servers import running_collector

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
CUBOT = "Mozilla/5.0 (Linux; Android 11; CUBOT X30) AppleWebKit/537.36 Chrome/140.0.0.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def reception(**changes: Any) -> Reception:
    settings: dict[str, Any] = {
        "source_id": "web",
        "request_id": "r1",
        "received_at": 1_795_000_000_000_000,
        "sent": (None, None),
        "route_type": None,
        "max_event_bytes": 32_768,
        "client_ip": "198.51.100.7",
        "from_device": True,
    }
    return Reception(**(settings | changes))


def event(**context: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", "context": context}


def stored(raw: dict[str, Any], **changes: Any) -> Event:
    request = Request([raw], BATCH, None, None)
    (row,) = make_rows(request, reception(**changes), max_events=1).rows
    assert isinstance(row, Event)
    return row


@accepts("B71")
@pytest.mark.parametrize(
    ("context", "address", "flags"),
    [
        ({}, "198.51.100.7", []),
        ({"ip": "192.0.2.1"}, "192.0.2.1", []),
        ({"ip": "2001:db8::1"}, "2001:db8::1", []),
        ({"ip": "0.0.0.0"}, None, []),  # noqa: S104 - an event's value
        ({"ip": None}, None, []),
        ({"ip": "garbage"}, "198.51.100.7", ["bad_ip"]),
        ({"ip": "192.0.2.1:80"}, "198.51.100.7", ["bad_ip"]),
        ({"ip": "1.2.3"}, "198.51.100.7", ["bad_ip"]),
        ({"ip": "192.0.2.1\0"}, "198.51.100.7", ["bad_ip"]),
        ({"ip": 7}, "198.51.100.7", ["bad_ip"]),
        ({"ip": {}}, "198.51.100.7", ["bad_ip"]),
    ],
)
def test_the_context_decides_on_the_address(
    context: dict[str, Any], address: str | None, flags: list[str]
) -> None:
    row = stored(event(**context))
    assert (row.ip, row.flags) == (address, flags)
    assert row.context == context


@pytest.mark.parametrize(
    ("policy", "sent", "address", "kept"),
    [
        ("truncate", {"ip": "192.0.2.77"}, "192.0.2.0", {"ip": "192.0.2.0"}),
        (
            "truncate",
            {"ip": "2001:db8:1:2::3"},
            "2001:db8:1::",
            {"ip": "2001:db8:1::"},
        ),
        ("truncate", {}, "198.51.100.0", {}),
        ("truncate", {"ip": None}, None, {"ip": None}),
        ("truncate", {"ip": "see 192.0.2.77"}, "198.51.100.0", {}),
        ("drop", {"ip": "192.0.2.77"}, None, {}),
        ("drop", {}, None, {}),
    ],
)
def test_no_more_of_an_address_is_stored_than_the_setting_allows(
    policy: IpPolicy, sent: dict[str, Any], address: str | None, kept: dict[str, Any]
) -> None:
    row = stored(event(**sent), ip_policy=policy)
    assert row.ip == address
    assert row.context == kept


def test_quarantine_keeps_no_more_of_it_either() -> None:
    raw = event(ip="192.0.2.77") | {"event": ""}
    request = Request([raw], BATCH, None, None)
    (row,) = make_rows(request, reception(ip_policy="drop"), max_events=1).rows
    assert isinstance(row, Quarantined)
    assert "192.0.2" not in row.payload
    aside = quarantined(raw, Unacceptable("c", "d"), reception(ip_policy="truncate"))
    assert json.loads(aside.payload)["context"] == {"ip": "192.0.2.0"}


def test_an_address_of_ipv4_written_as_ipv6_is_cut_as_ipv4() -> None:
    assert truncate("::ffff:192.0.2.77") == "192.0.2.0"


@pytest.mark.parametrize(
    ("user_agent", "robot"),
    [
        (CHROME, False),
        (CUBOT, False),
        ("Bothie/1.0", False),
        ("okhttp/4.12.0", False),
        ("", False),
        (GOOGLEBOT, True),
        (
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            True,
        ),
        ("facebookexternalhit/1.1", True),
        (CHROME.replace("Chrome", "HeadlessChrome"), True),
        ("curl/8.5.0", True),
        ("python-requests/2.32", True),
    ],
)
def test_robots_are_known_by_their_name(user_agent: str, robot: bool) -> None:
    assert is_robot(user_agent) is robot


def test_robots_are_labelled_and_only_on_devices() -> None:
    raw = event(userAgent=GOOGLEBOT)
    assert validate(raw, reception()).flags == ["bot"]
    assert validate(raw, reception()).user_agent == GOOGLEBOT
    assert validate(event(), reception(client_user_agent=GOOGLEBOT)).flags == ["bot"]
    assert validate(event(), reception(client_user_agent=CHROME)).flags == []
    assert validate(raw, reception(from_device=False)).flags == []


def test_the_setting_reaches_what_is_stored(tmp_path: Path) -> None:
    setting = {"KITH_IP_ADDRESSES": "truncate"}
    with running_collector(tmp_path / "data", environ=setting) as collector:
        answer = collector.post(
            "/v1/track", event(), key="web-key", headers={"user-agent": GOOGLEBOT}
        )
        assert answer.status == 200
    (row,) = read_raw(tmp_path / "data" / "raw", "events")
    assert (row["ip"], row["flags"]) == ("127.0.0.0", ["bot"])
