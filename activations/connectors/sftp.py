"""Writes files of a sync to an SFTP server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from activations.attempts import SHORT, persist
from activations.connectors import Batch, Outcome
from activations.files.keeping import keep
from activations.files.sftp import open_sftp
from activations.retries import Retry


def deliver(
    batch: Batch, settings: Mapping[str, Any], *, retry: Retry = SHORT
) -> Iterator[Outcome]:
    """Apply the rows to the sync's files, all of them or none."""
    yield from persist(lambda: _deliver(batch, settings), retry=retry)


def check(
    settings: Mapping[str, Any], private_network: bool, *, retry: Retry = SHORT
) -> None:
    """Log in, which proves the host key and the credential, and list what is there."""
    persist(lambda: _list(settings, private_network), retry=retry)


def _deliver(batch: Batch, settings: Mapping[str, Any]) -> list[Outcome]:
    with open_sftp(settings, private_network=batch.private_network) as directory:
        return list(keep(batch, directory))


def _list(settings: Mapping[str, Any], private_network: bool) -> None:
    with open_sftp(settings, private_network=private_network) as directory:
        directory.names()
