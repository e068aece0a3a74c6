"""Tries again for connectors, as `client` does for requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import stamina

from activations.errors import DestinationUnavailable
from activations.retries import Patience, Retry, TryAgain

Result = TypeVar("Result")

SHORT = Retry(attempts=4, first_wait=1.0, longest_wait=15.0, seconds=120.0)
"""For a connection that broke: what lasts longer is left to the next run."""


def persist(work: Callable[[], Result], *, retry: Retry = SHORT) -> Result:
    """What `work` gives, tried again while it raises `TryAgain`.

    `work` starts from the beginning each time. Raises `DestinationUnavailable` after
    the last attempt.
    """
    tried = 0
    try:
        for attempt in stamina.retry_context(
            on=Patience(retry),
            attempts=None,
            timeout=retry.seconds,
            wait_initial=retry.first_wait,
            wait_max=retry.longest_wait,
            wait_jitter=retry.first_wait,
        ):
            with attempt:
                tried += 1
                return work()
    except TryAgain as error:
        message = f"{error} (attempts: {tried})"
        raise DestinationUnavailable(message, attempts=tried, code=error.code) from None
    raise AssertionError("stamina gives a result or raises")
