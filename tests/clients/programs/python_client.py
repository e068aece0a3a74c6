"""Sends events with a Python client, as an application would.

Takes the package (`segment` or `rudderstack`), the collector's address, the write key
and what to send; ends when the client has nothing left to send. In an outage the second
half is sent once a line comes in.
"""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any


def main(package: str, url: str, write_key: str, scenario: str) -> None:
    """Send one scenario."""
    module = importlib.import_module(f"{package}.analytics.client")
    client = module.Client(write_key, host=url, max_retries=20)
    {"calls": calls, "burst": burst, "outage": outage}[scenario](client)
    client.shutdown()


def calls(client: Any) -> None:
    """Every call of the protocol once."""
    client.identify(user_id="u", traits={"email": "a@b.example"})
    client.track(user_id="u", event="E", properties={"n": 1})
    client.page(user_id="u", name="Home", properties={"path": "/"})
    client.screen(user_id="u", name="Home")
    client.group(user_id="u", group_id="g", traits={"plan": "x"})
    client.alias(previous_id="before", user_id="u")


def burst(client: Any) -> None:
    """1,000 events as fast as they can be queued."""
    for number in range(1_000):
        client.track(user_id="u", event="E", properties={"n": number})


def outage(client: Any) -> None:
    """100 events, some of them on their way when the collector dies."""
    for number in range(50):
        client.track(user_id="u", event="E", properties={"n": number})
        time.sleep(0.02)
    sys.stdin.readline()
    for number in range(50, 100):
        client.track(user_id="u", event="E", properties={"n": number})
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
