"""Where files are kept: a directory of this machine, or a bucket.

A place gives the file that is there, takes the next one, and replaces a file whole: a
reader, or a crash, finds the old one or the new one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from activations.egress import allowed_addresses, check_url
from activations.errors import (
    AuthenticationError,
    ConfigError,
    DestinationRefused,
    DestinationUnavailable,
)
from activations.retries import TryAgain
from collector.errors import ObjectStorageError
from collector.files import fsync_directory, make_directories
from collector.object_storage import ObjectStorage, bucket

_CREDENTIAL_WORDS = ("ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT")
_ADDRESS_WORDS = ("NO_SUCH_BUCKET", "no such bucket")


class Place(Protocol):
    """Where the files of an account are."""

    def names(self) -> list[str]:
        """The files that are there."""

    def old(self, name: str) -> Path | None:
        """The file of this name, to be read here; None where there is none."""

    def new(self, name: str) -> Path:
        """Where the next file of this name is to be written."""

    def replace(self, name: str) -> None:
        """Let the file written to `new` take the place of the old one, durably."""


@contextlib.contextmanager
def open_place(
    settings: Mapping[str, Any], *, private_network: bool
) -> Iterator[Place]:
    """The place that an account names: `s3://bucket/prefix`, or a directory."""
    location = str(settings["location"])
    if not location.startswith("s3://"):
        if "://" in location:
            raise ConfigError(
                f"'{location}' is no place for files. Write a directory, or "
                "s3://bucket/prefix."
            )
        with _directory(Path(location)) as directory:
            yield directory
        return
    with tempfile.TemporaryDirectory(prefix="kith-files-") as scratch, _told():
        storage = _bucket(location, settings, private_network=private_network)
        yield Bucket(storage, Path(scratch))


def check_place(settings: Mapping[str, Any], *, private_network: bool) -> None:
    """Look whether files could be kept there; makes nothing."""
    location = str(settings["location"])
    if "://" in location:
        with open_place(settings, private_network=private_network) as place:
            place.names()
        return
    path = Path(location).absolute()
    there = next(found for found in (path, *path.parents) if found.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise DestinationRefused(f"{there} is no directory that may be written to.")


class Directory:
    """A directory of this machine. The next file grows beside the one it replaces."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: set[Path] = set()

    def names(self) -> list[str]:
        return [path.name for path in self._path.iterdir()]

    def old(self, name: str) -> Path | None:
        path = self._path / name
        return path if path.exists() else None

    def new(self, name: str) -> Path:
        # The sync's lock keeps others away, so a killed run's file is overwritten.
        path = self._path / f".{name}.tmp"
        self._begun.add(path)
        return path

    def replace(self, name: str) -> None:
        with self.new(name).open("rb") as file:
            os.fsync(file.fileno())
        self.new(name).replace(self._path / name)
        fsync_directory(self._path)

    def tidy(self) -> None:
        """Remove what was begun and never took its place."""
        for path in self._begun:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[Directory]:
    make_directories(path)
    directory = Directory(path)
    try:
        yield directory
    finally:
        directory.tidy()


class Bucket:
    """A prefix in a bucket. An object appears whole or not at all."""

    def __init__(self, storage: ObjectStorage, scratch: Path) -> None:
        self._storage = storage
        self._scratch = scratch

    def names(self) -> list[str]:
        return [found.base_name for found in self._storage.list("")]

    def old(self, name: str) -> Path | None:
        if not self._storage.has(name):
            return None
        path = self._scratch / name
        stream = self._storage.filesystem.open_input_stream(
            f"{self._storage.path}/{name}"
        )
        with stream, path.open("wb") as file:
            while chunk := stream.read(1 << 20):
                file.write(chunk)
        return path

    def new(self, name: str) -> Path:
        return self._scratch / f".{name}.tmp"

    def replace(self, name: str) -> None:
        with pa.memory_map(str(self.new(name))) as file:
            self._storage.put(name, file.read_buffer())


def _bucket(
    location: str, settings: Mapping[str, Any], *, private_network: bool
) -> ObjectStorage:
    region = settings["region"] or "us-east-1"
    endpoint = settings["endpoint"] or f"https://s3.{region}.amazonaws.com"
    parts = urlsplit(endpoint)
    host, port = parts.hostname or "", parts.port
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    check_url(parts.scheme, host, port, private_network=private_network)
    # The client of S3 resolves the name once more by itself; see the README.
    allowed_addresses(host, port, private_network=private_network)
    chosen = {"region": region, "scheme": parts.scheme}
    if settings["endpoint"]:
        chosen["endpoint_override"] = parts.netloc
    if settings["access_key_id"]:
        chosen["access_key"] = settings["access_key_id"]
        chosen["secret_key"] = settings["secret_access_key"] or ""
    if settings["ca_file"]:
        chosen["tls_ca_file_path"] = settings["ca_file"]
    return bucket(location.removeprefix("s3://").rstrip("/"), chosen)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what an error of S3's means to a sync."""
    try:
        yield
    except (ObjectStorageError, OSError, TryAgain) as error:
        problem = str(error.__cause__ or error)
        if any(words in problem for words in _CREDENTIAL_WORDS):
            raise AuthenticationError(
                f"S3 does not accept the key: {problem}"
            ) from None
        if any(words in f"{problem} {error}" for words in _ADDRESS_WORDS):
            raise DestinationRefused(f"There is no such bucket: {problem}") from None
        raise DestinationUnavailable(f"S3: {problem}") from None
