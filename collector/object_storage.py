"""Raw datasets on object storage: a prefix of a bucket, through pyarrow's file systems.

An object appears whole or not at all, and one of the same name is replaced at once, so
nothing here is temporary. What is written is confirmed by asking for it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from collector.errors import ObjectStorageError
from collector.raw_url import options

ATTEMPTS = 3
CONNECT_SECONDS = 3.0
SILENCE_SECONDS = 15.0
"""An answer that makes no progress for so long is given up."""
RETRY_TIME = timedelta(seconds=30)
_HINTS = {
    "NO_SUCH_BUCKET": "there is no such bucket: create it, or mend KITH_RAW_URL",
    "ACCESS_DENIED": "access is denied: the credentials (AWS_ACCESS_KEY_ID, ...) "
    "must be allowed to list, read and write there",
    "INVALID_ACCESS_KEY_ID": "the access key is unknown: mend AWS_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH": "the secret is wrong: mend AWS_SECRET_ACCESS_KEY",
    "NETWORK_CONNECTION": "it cannot be reached",
    "SLOW_DOWN": "it refuses for now",
    "SERVICE_UNAVAILABLE": "it refuses for now",
    "INTERNAL_FAILURE": "it failed",
}
"""What AWS's names for errors mean to whoever runs the collector."""


@dataclass(frozen=True)
class ObjectStorage:
    """Where the raw datasets are: `path` is the bucket with the prefix.

    `url` is `s3://<path>`, without options, as DuckDB and people read it.
    """

    url: str
    path: str
    filesystem: fs.FileSystem = field(repr=False, compare=False)

    def put(self, name: str, content: pa.Buffer) -> None:
        """Write the object `name`; when this returns it is there, whole."""
        path = f"{self.path}/{name}"
        try:
            # All of it at once: a stream closed after half of it would complete it.
            stream = self.filesystem.open_output_stream(path)
            stream.write(content)
            stream.close()
            (found,) = self.filesystem.get_file_info([path])
        except OSError as error:
            raise self.failure(f"cannot write {name}", error) from error
        if found.size != content.size:
            state = "is not there" if found.size is None else "has another size"
            raise ObjectStorageError(
                f"{self.url}: {name} {state} after it was written; it is tried again"
            )

    def has(self, name: str) -> bool:
        """Whether the object `name` exists."""
        try:
            (found,) = self.filesystem.get_file_info([f"{self.path}/{name}"])
        except OSError as error:
            raise self.failure(f"cannot look for {name}", error) from error
        return bool(found.type == fs.FileType.File)

    def list(self, prefix: str) -> Sequence[fs.FileInfo]:
        """The objects below `prefix`, in the order of their paths."""
        return self.list_path(f"{self.path}/{prefix}")

    def list_path(self, path: str) -> Sequence[fs.FileInfo]:
        """The objects below `<bucket>/<prefix>`, of this bucket or another one.

        None is an answer, but not of a bucket that does not exist.
        """
        selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
        try:
            found = self.filesystem.get_file_info(selector)
            bucket = found or self.filesystem.get_file_info([path.partition("/")[0]])
        except OSError as error:
            raise self.failure(f"cannot list {path}", error) from error
        if bucket[0].type == fs.FileType.NotFound:
            raise ObjectStorageError(f"{self.url}: {_HINTS['NO_SUCH_BUCKET']}")
        return sorted((one for one in found if one.is_file), key=lambda one: one.path)

    def failure(self, what: str, error: OSError) -> ObjectStorageError:
        """What went wrong, in words for whoever runs this."""
        problem = str(error)
        hints = (hint for name, hint in _HINTS.items() if name in problem)
        hint = next(hints, "")
        return ObjectStorageError(
            ": ".join(filter(None, (self.url, what, hint, problem)))
        )


RawPlace = Path | ObjectStorage
"""Where the raw datasets are: a local directory, or object storage."""


@functools.cache
def object_storage(url: str) -> ObjectStorage:
    """The place in a bucket that a checked URL names; calls nobody yet."""
    parts = urlsplit(url)
    path = f"{parts.netloc}{parts.path}".rstrip("/")
    make = _s3 if parts.scheme == "s3" else _gcs
    return ObjectStorage(
        url=f"{parts.scheme}://{path}", path=path, filesystem=make(options(url))
    )


def bucket(path: str, chosen: dict[str, str]) -> ObjectStorage:
    """A prefix in a bucket of S3's kind, with options of its own; calls nobody yet."""
    return ObjectStorage(url=f"s3://{path}", path=path, filesystem=_s3(dict(chosen)))


def _s3(chosen: dict[str, str]) -> fs.FileSystem:
    virtual = chosen.pop("force_virtual_addressing", "false").lower() == "true"
    return fs.S3FileSystem(
        **chosen,
        force_virtual_addressing=virtual,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=SILENCE_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        # Small objects in one request, and no half uploads left by who is killed.
        allow_delayed_open=True,
    )


def _gcs(chosen: dict[str, str]) -> fs.FileSystem:
    return fs.GcsFileSystem(**chosen, retry_time_limit=RETRY_TIME)


def register(connection: Any, place: RawPlace) -> None:
    """Let a DuckDB connection read the objects of `place` by their URLs."""
    if isinstance(place, Path):
        return
    # Here and not above: only readers need it.
    from collector.duckdb_files import ObjectFiles

    if not connection.filesystem_is_registered(ObjectFiles.name_for(place)):
        connection.register_filesystem(ObjectFiles(place))


def parquet_files(place: RawPlace, prefix: str) -> Iterator[str]:
    """The Parquet files below `prefix`, in order, named as DuckDB opens them."""
    if isinstance(place, Path):
        yield from sorted(str(path) for path in (place / prefix).rglob("*.parquet"))
        return
    scheme = place.url.partition(":")[0]
    for found in place.list(prefix):
        if found.extension == "parquet":
            yield f"{scheme}://{found.path}"
