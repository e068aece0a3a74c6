"""What a test's own requests put into Parquet, in a collector that tests share."""

from __future__ import annotations

import time
from typing import Any

from tests.collector.test_metrics import numbers
from tests.raw import read_raw
from tests.servers import CollectorProcess

SECONDS = 60


class Landed:
    """Rows that landed since this was made, once all that is acknowledged landed."""

    def __init__(self, collector: CollectorProcess) -> None:
        self._collector = collector
        self._before = {
            dataset: len(self._all(dataset)) for dataset in ("events", "quarantine")
        }

    def __call__(self, dataset: str) -> list[dict[str, Any]]:
        """The new rows, in the order in which they were sent."""
        return self._all(dataset)[self._before[dataset] :]

    def _all(self, dataset: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + SECONDS
        while not self._is_quiet():
            assert time.monotonic() < deadline, "what is acknowledged does not land"
            time.sleep(0.05)
        return read_raw(self._collector.data_dir / "raw", dataset)

    def _is_quiet(self) -> bool:
        """Whether as many rows have landed as were written to the log."""
        written = landed = 0.0
        for (name, *labels), value in numbers(self._collector).items():
            if name == "kith_landed_rows_total":
                landed += value
            elif name == "kith_events_total" and labels[1] in ("stored", "quarantined"):
                written += value
        return written == landed
