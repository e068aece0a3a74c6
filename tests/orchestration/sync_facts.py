"""Facts about runs of syncs, as runs would have written them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector.datasets import SYNC_RUNS
from collector.landing import write_file

COUNTS = {
    name: 0
    for name in SYNC_RUNS.schema.names
    if SYNC_RUNS.schema.field(name).type == pa.int64()
}


def write_run(
    data_dir: Path,
    sync: str,
    *,
    at: datetime,
    status: str | None = "succeeded",
    **values: Any,
) -> str:
    """A run that began `at` and took a minute; with no status it never finished."""
    run_id = f"{at:%Y%m%dT%H%M%S}"
    started: dict[str, Any] = dict.fromkeys(SYNC_RUNS.schema.names) | {
        "sync": sync,
        "run_id": run_id,
        "at": at,
        "event": "started",
        "model": f"model.kith.{sync}",
        "destination": "crm",
        "action": "rows",
        "mode": "mirror",
        "primary_key": "email",
        "started_at": at,
    }
    _write(data_dir, started)
    if status is not None:
        ended = at + timedelta(minutes=1)
        found = {"event": "finished", "at": ended, "finished_at": ended}
        _write(data_dir, started | COUNTS | found | {"status": status} | values)
    return run_id


def _write(data_dir: Path, fact: dict[str, Any]) -> None:
    write_file(
        data_dir / "raw",
        SYNC_RUNS,
        pa.Table.from_pylist([fact], schema=SYNC_RUNS.schema),
        partition={"sync": fact["sync"], "dt": f"{fact['at']:%Y-%m-%d}"},
        name=f"{fact['run_id']}-{fact['event']}",
    )
