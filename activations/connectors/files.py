"""Writes files of a sync, to a directory or to object storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from activations.connectors import Batch, Outcome
from activations.files.keeping import keep
from activations.files.places import check_place, open_place


def deliver(batch: Batch, settings: Mapping[str, Any]) -> Iterator[Outcome]:
    """Apply the rows to the sync's files, all of them or none."""
    with open_place(settings, private_network=batch.private_network) as place:
        outcomes = list(keep(batch, place))
    yield from outcomes


def check(settings: Mapping[str, Any], private_network: bool) -> None:
    """Look at the place."""
    check_place(settings, private_network=private_network)
