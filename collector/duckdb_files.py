"""Object storage as DuckDB reads it, without an extension of DuckDB.

DuckDB opens `s3://` itself with its extension httpfs, which has to be downloaded. This
lends it pyarrow's file system instead; both read the same URLs.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

from fsspec.implementations.arrow import ArrowFSWrapper
from fsspec.utils import glob_translate

from collector.errors import ObjectStorageError
from collector.object_storage import ObjectStorage

WHOLE_BYTES = 1_000_000
"""An object up to this size is fetched at once and not in many small pieces."""


class ObjectFiles(ArrowFSWrapper):  # type: ignore[misc] # fsspec ships no types
    """The objects of a place, as an fsspec file system."""

    cachable = False

    def __init__(self, place: ObjectStorage) -> None:
        super().__init__(place.filesystem)
        self._place = place
        self._listed: dict[str, dict[str, Any]] = {}

    @staticmethod
    def name_for(place: ObjectStorage) -> str:
        """What DuckDB knows it by: the scheme of its URLs."""
        return place.url.partition(":")[0]

    @property
    def protocol(self) -> str:
        return self.name_for(self._place)

    def glob(self, path: str, **_: Any) -> list[str]:
        """The objects that match, by one listing.

        Any error is raised: fsspec's own takes one for an empty directory, and a
        warehouse would be built of nothing while the storage is away.
        """
        path = self._strip_protocol(path)
        start = re.split(r"[*?\[]", path, maxsplit=1)[0]
        if start == path:
            return [path] if self.exists(path) else []
        directory = start.rpartition("/")[0]
        matches = re.compile(glob_translate(path)).match
        found = [one for one in self._place.list_path(directory) if matches(one.path)]
        self._listed |= {one.path: self._make_entry(one) for one in found}
        return [one.path for one in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """What is known of an object. DuckDB asks ten times, and objects never change:
        what a listing has told is not asked for again."""
        known = self._listed.get(self._strip_protocol(path))
        if known:
            return known
        with self._explained(path):
            return dict(super().info(path, **options))

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        with self._explained(path):
            if self.info(path)["size"] > WHOLE_BYTES:
                return super()._open(path, mode, **options)
            with self.fs.open_input_stream(path) as stream:
                return io.BytesIO(stream.readall())

    @contextlib.contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, ObjectStorageError):
            raise
        except OSError as error:
            raise self._place.failure(f"cannot read {path}", error) from error
