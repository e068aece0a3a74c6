"""Builds the same raw facts with two engines in a place of its own, and compares."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from collector.files import make_directories
from orchestration.project import DBT_PROJECT
from orchestration.raw_files import local_raw
from orchestration.targets import read_target, require
from orchestration.verification.comparison import TableComparison, compare_builds
from orchestration.verification.facts import share_facts
from orchestration.verification.keys import Keys
from profiles.published import current_build


def compare_engines(
    engines: tuple[str, str],
    facts: Path,
    place: Path,
    *,
    moment: datetime,
    build: Callable[[Path, str, datetime], object],
) -> Iterator[TableComparison]:
    """Build the raw facts of one data directory by each engine, below `place`.

    `build` builds a data directory with a target for a moment; both engines take this
    one for now, so that nothing but the engine differs.
    """
    for engine in engines:
        require(read_target(DBT_PROJECT, engine), place / engine)
    for engine in engines:
        with local_raw():
            share_facts(facts, place / engine)
            build(place / engine, engine, moment)
    labels = {engine: place / engine for engine in engines}
    yield from compare_directories(labels, same_moment=True)


def compare_directories(
    directories: dict[str, Path], *, same_moment: bool
) -> Iterator[TableComparison]:
    """Compare what two data directories have published; their names are the labels."""
    builds = {
        label: current_build(directory / "published")
        for label, directory in directories.items()
    }
    first = next(iter(directories.values()))
    keys = Keys(first / "dbt" / "target" / "manifest.json")
    yield from compare_builds(builds, keys, same_moment=same_moment)


@contextlib.contextmanager
def scratch(data_dir: Path, *, keep: bool) -> Iterator[Path]:
    """A directory for the builds, removed afterwards unless it is to be kept."""
    make_directories(data_dir / "verify")
    place = Path(tempfile.mkdtemp(dir=data_dir / "verify"))
    try:
        yield place
    finally:
        if not keep:
            remove(place)


def remove(place: Path) -> None:
    """Remove builds; what they published is write-protected."""
    for folder in place.glob("*/published/**/"):
        folder.chmod(0o755)
    shutil.rmtree(place, ignore_errors=True)
