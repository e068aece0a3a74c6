"""Tells a folder's channels that a sync is critical: a process that tests can kill."""

from __future__ import annotations

import sys
from pathlib import Path

from activations.destinations import load_destinations
from activations.manifest import load_catalog
from orchestration.alerts.channels import load_channels
from orchestration.alerts.watch import tell_changes
from orchestration.sync_health import Health

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    accounts = load_destinations(folder / "destinations.yml", catalog=load_catalog())
    tell_changes(
        {"crm__vips": Health("crm__vips", "critical", "stopped", "It is locked out.")},
        load_channels(folder / "alerts.yml", accounts),
        data_dir=folder / "data",
    )
