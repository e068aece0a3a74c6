"""Who may write the warehouse, and whether what is in it may be published.

One build at a time holds `warehouse.lock`. `dbt/unproven_<target>.json` names what the
last builds left wrong or untested, so that nothing but a green warehouse is ever
published, whoever asks: a build of a few models, the next one, or Dagster.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from collector.files import fsync_directory
from orchestration.engine_files import engine_tables
from orchestration.targets import Target
from profiles.published import publish, publish_files

# Stands for all models: no build of everything has come to its end.
EVERYTHING = "*"
LOCK_SECONDS = 1800.0
_POLL_SECONDS = 0.1


class WarehouseBusy(Exception):
    """Another build holds the warehouse and does not come to its end."""


class NotGreen(Exception):
    """The warehouse holds something that failed or was not tested."""


@contextlib.contextmanager
def warehouse_lock(
    data_dir: Path,
    *,
    on_wait: Callable[[str], None] | None = None,
    seconds: float = LOCK_SECONDS,
) -> Iterator[None]:
    """Hold the warehouse alone; waits for another build, and says so once.

    The lock ends with the process that holds it, however that ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "warehouse.lock").open("a+") as lock:
        deadline = time.monotonic() + seconds
        while not _try_lock(lock.fileno()):
            holder = _holder(data_dir)
            if time.monotonic() > deadline:
                raise WarehouseBusy(
                    f"Another build{holder} has held {lock.name} for {seconds:.0f} "
                    "seconds. Wait for it, or end it, and try again."
                )
            if on_wait is not None:
                on_wait(f"Waiting for another build{holder} to finish.")
                on_wait = None
            time.sleep(_POLL_SECONDS)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def start_of_build(data_dir: Path, target: Target) -> None:
    """Distrust the whole warehouse until the build that now writes to it is over."""
    _write(data_dir, target, unproven(data_dir, target) | {EVERYTHING})


def end_of_build(
    data_dir: Path,
    target: Target,
    outcomes: Mapping[str, bool],
    *,
    before: frozenset[str],
    of_everything: bool,
) -> None:
    """Note which nodes are proven (True) and which are not.

    `before` is what was unproven before the build; a build of everything forgets it.
    """
    left = frozenset[str]() if of_everything else before - outcomes.keys()
    wrong = {node for node, proven in outcomes.items() if not proven}
    _write(data_dir, target, left | wrong)


def unproven(data_dir: Path, target: Target) -> frozenset[str]:
    """The nodes that keep the warehouse from being published."""
    try:
        return frozenset(json.loads(_file(data_dir, target).read_text()))
    except FileNotFoundError:
        return frozenset({EVERYTHING})


def publish_warehouse(data_dir: Path, target: Target) -> Path:
    """Make the warehouse the published database; `NotGreen` unless all is proven.

    The caller holds the warehouse lock.
    """
    wrong = unproven(data_dir, target)
    if EVERYTHING in wrong:
        raise NotGreen(
            "Nothing was published: no build of the whole project has finished since "
            "one was interrupted or the data directory was made. Run `./kith build`."
        )
    if wrong:
        raise NotGreen(
            "Nothing was published: these failed in an earlier build and were not "
            "built since. Mend them and run `./kith build`.\n"
            + "\n".join(f"- {node}" for node in sorted(wrong))
        )
    published_dir = data_dir / "published"
    if target.is_duckdb:
        return publish(data_dir / "warehouse.duckdb", published_dir)
    return publish_files(engine_tables(data_dir, target), published_dir)


def _write(data_dir: Path, target: Target, nodes: frozenset[str]) -> None:
    file = _file(data_dir, target)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".tmp")
    with written.open("w") as content:
        json.dump(sorted(nodes), content)
        content.flush()
        os.fsync(content.fileno())
    written.replace(file)
    fsync_directory(file.parent)


def _file(data_dir: Path, target: Target) -> Path:
    return data_dir / "dbt" / f"unproven_{target.name}.json"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(data_dir: Path) -> str:
    process = (data_dir / "warehouse.lock").read_text().strip()
    return f" (process {process})" if process else ""
