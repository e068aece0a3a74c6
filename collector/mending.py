"""What to do about a file of the raw datasets, or of the log, that is not sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from collector.datasets import (
    ALERTS,
    BUILDS,
    IDENTITY_RULES,
    QUARANTINE_RELEASES,
    SYNC_LOG,
    SYNC_REQUESTS,
    SYNC_RUNS,
    Dataset,
)
from collector.landing import DAMAGED
from collector.merging import MERGED
from collector.raw import EMPTY
from collector.segments import SEALED

FOREIGN = "It is not Kith's: move it out of raw/."
SEGMENT = (
    "Run `./kith build`: landing stores every whole frame, keeps the segment beside as "
    f"*{DAMAGED}, and names in quarantine what is lost."
)
_RESTORE = "Restore it from a backup. To go on without its rows, move it out of raw/"


@dataclass(frozen=True)
class Finding:
    """A file that is not as it should be, and how to mend it."""

    file: str
    problem: str
    mend: str


def mend_file(name: PurePosixPath, dataset: Dataset, log_dir: Path) -> str:
    """How to get a damaged file back: from the log while that holds its segment."""
    if name.stem == EMPTY:
        return "Delete it: landing, or `./kith build`, writes it anew."
    if MERGED in name.stem:
        return f"{_RESTORE}. The files that it was merged from are gone."
    if dataset == SYNC_LOG:
        return f"{_RESTORE}: what it remembers as sent, the sync will send again."
    if dataset == SYNC_RUNS:
        return f"{_RESTORE}: monitoring forgets those runs."
    if dataset == SYNC_REQUESTS:
        return f"{_RESTORE}: what it asked of the sync has to be asked again."
    if dataset == QUARANTINE_RELEASES:
        return f"{_RESTORE}: what it released, the next build holds back again."
    if dataset == IDENTITY_RULES:
        return f"{_RESTORE}: what it joined or kept apart, the next build forgets."
    if dataset == ALERTS:
        return f"{_RESTORE}: what it says was told is told again if it still holds."
    if dataset == BUILDS:
        return f"{_RESTORE}: monitoring forgets what those builds cost."
    for stream in sorted(path for path in log_dir.glob("*") if path.is_dir()):
        segment = stream / f"{name.stem}{SEALED}"
        kept = stream / f"{segment.name}{DAMAGED}"
        if segment.exists():
            return f"Run `./kith build`: it lands anew from {segment}."
        if kept.exists():
            return (
                f"Rename {kept} to {segment.name} and run `./kith build`: what is "
                "whole of the segment lands anew."
            )
    return f"{_RESTORE}. The log no longer holds the segment {name.stem}."


def doubled(segment: str, one: str, other: str) -> Finding:
    """Two files hold the same rows of a segment."""
    return Finding(
        file=one,
        problem=f"rows of the segment {segment} stand in {other} too",
        mend="Move out of raw/ the one that was put there by hand.",
    )
