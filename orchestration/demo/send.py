"""Sends the shop's calls through Segment's own Python SDK, as an application would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orchestration.demo.shop import Call


class NotDelivered(Exception):
    """The SDK gave up on events; the collector never acknowledged them."""


def send(
    calls: Sequence[Call],
    *,
    host: str,
    write_key: str,
    on_sent: Callable[[], None],
) -> None:
    """Send all calls and return once each was acknowledged.

    Raises `NotDelivered` when the SDK reports a batch that it could not deliver.
    """
    from segment.analytics.client import Client

    failures: list[str] = []

    def on_error(error: Exception, batch: list[Any]) -> None:
        failures.append(f"{len(batch)} events: {error}")

    client = Client(
        write_key,
        host=host,
        on_error=on_error,
        max_queue_size=len(calls) + 1,
        upload_interval=0.1,
        gzip=True,
    )
    for call in calls:
        getattr(client, call.method)(**call.arguments)
        on_sent()
    client.flush()
    client.join()
    if failures:
        raise NotDelivered("; ".join(failures))
