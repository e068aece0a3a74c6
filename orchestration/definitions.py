"""Everything Dagster knows of this project: what the files of `defs/` define."""

from __future__ import annotations

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions, found by folder."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__))
