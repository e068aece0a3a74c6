"""Everything Dagster knows of this project: what the files of `defs/` define."""

from __future__ import annotations

import dagster as dg

from orchestration.project import ROOT


@dg.definitions
def defs() -> dg.Definitions:
    """All definitions, found by folder."""
    return dg.load_from_defs_folder(project_root=ROOT)
