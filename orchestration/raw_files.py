"""What keeps the raw datasets in order: compaction before each build."""

from __future__ import annotations

from collections.abc import Callable
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
