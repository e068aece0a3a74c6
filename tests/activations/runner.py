"""Runs the one sync of a data directory; a process that tests kill."""

from __future__ import annotations

import sys
from pathlib import Path

from activations import load_syncs, run_sync
from activations.errors import SyncRunning


def main(data_dir: Path, destinations_file: Path, lease_seconds: float) -> int:
    (sync,) = load_syncs(data_dir, destinations_file=destinations_file).values()
    try:
        run = run_sync(sync, data_dir=data_dir, lease_seconds=lease_seconds)
    except SyncRunning as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stderr.write(run.describe())
    return 0 if run.is_complete else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
