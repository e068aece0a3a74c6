"""Reverse ETL: plans what a destination must be told, tells it, logs what happened."""

from __future__ import annotations

from activations.counts import Counts
from activations.plan import Plan, make_plan
from activations.runs import SyncRun, run_sync
from activations.syncs import Sync, find_problems, load_syncs

__all__ = [
    "Counts",
    "Plan",
    "Sync",
    "SyncRun",
    "find_problems",
    "load_syncs",
    "make_plan",
    "run_sync",
]
