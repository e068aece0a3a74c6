"""The raw datasets of a build: compaction before it, and where dbt finds them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from collector.compaction import compact
from collector.merging import CompactionFailed
from collector.settings import CollectorSettings


def compact_before_build(
    settings: CollectorSettings, *, on_warning: Callable[[str], None] | None = None
) -> None:
    """Compact the raw datasets, unless they are on object storage.

    The caller holds the warehouse lock. A build goes on without it, so what keeps
    compaction from its work is a warning.
    """
    warn = on_warning or (lambda message: None)
    raw_dir = settings.raw_place()
    if not isinstance(raw_dir, Path):
        return
    try:
        report = compact(settings.log_dir, raw_dir)
    except (OSError, pa.ArrowException, CompactionFailed) as error:
        warn(f"The raw datasets were not compacted: {error}")
        return
    for path, problem in report.damaged.items():
        warn(f"{path} was not compacted: {problem}. See `./kith raw scrub`.")


@contextlib.contextmanager
def local_raw() -> Iterator[None]:
    """Let dbt look for the raw datasets below its data directory, wherever they are."""
    url = os.environ.pop("KITH_RAW_URL", None)
    try:
        yield
    finally:
        if url is not None:
            os.environ["KITH_RAW_URL"] = url
