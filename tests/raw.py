"""Reads raw datasets back, with the reader that verifies page checksums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def read_raw(raw_dir: Path, dataset: str) -> list[dict[str, Any]]:
    """All rows of a dataset, in the order of segment and position."""
    rows: list[dict[str, Any]] = []
    for path in sorted((raw_dir / dataset).rglob("*.parquet")):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        rows += file.read().to_pylist()
    return sorted(rows, key=lambda row: (row["segment"], row["position"]))
