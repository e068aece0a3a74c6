"""The sync log: the outcome of every row, appended to `raw/sync_log`.

It is the only memory of what a destination holds. A row is written after its effect,
never before, so a run that is killed sends again what it had not yet written down.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa

from activations.connectors import Outcome
from activations.sync import Sync
from collector.datasets import SYNC_LOG
from collector.landing import write_file
from collector.object_storage import RawPlace, parquet_files

MESSAGE_LENGTH = 500


def log_files(raw_dir: RawPlace, sync: str) -> list[str]:
    """The files of the sync log that speak of `sync`."""
    return list(parquet_files(raw_dir, f"{SYNC_LOG.name}/sync={sync}"))


class SyncLog:
    """Appends the outcomes of one run, some at a time.

    Rows carry strictly growing times, later than any that the log holds of the sync:
    the latest row is the latest fact even after the machine's clock was set back.
    """

    def __init__(
        self,
        raw_dir: RawPlace,
        sync: Sync,
        *,
        run_id: str,
        after: datetime | None,
        flush_rows: int = 1000,
        flush_seconds: float = 2.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._raw_dir = raw_dir
        self._sync = sync
        self.run_id = run_id
        self._last = after or datetime(1970, 1, 2, tzinfo=UTC)
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._now = now
        self._rows: list[dict[str, Any]] = []
        self._oldest = 0.0
        self._files = 0
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Note an outcome; it is durable after the next flush."""
        if not self._rows:
            self._oldest = time.monotonic()
        self._last = max(self._now(), self._last + timedelta(microseconds=1))
        message = outcome.message
        if message is not None:
            message = self._sync.account.redact(message)[:MESSAGE_LENGTH]
        self._rows.append(
            {
                "sync": self._sync.name,
                "run_id": self.run_id,
                "at": self._last,
                "key": outcome.row.key,
                "operation": outcome.row.operation,
                "outcome": outcome.outcome,
                "fingerprint": outcome.row.fingerprint,
                "destination": self._sync.account.name,
                "action": self._sync.target,
                "code": outcome.code,
                "message": message,
                "destination_ref": outcome.ref,
                "attempts": outcome.attempts,
                "request_ms": outcome.request_ms,
            }
        )
        self.counts[outcome.outcome, outcome.row.operation] += 1
        if len(self._rows) >= self._flush_rows:
            self.flush()

    def flush_if_due(self) -> None:
        """Flush when the oldest row has waited long enough."""
        if self._rows and time.monotonic() - self._oldest >= self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Make everything noted so far durable."""
        for date, rows in groupby(self._rows, key=lambda row: f"{row['at']:%Y-%m-%d}"):
            self._files += 1
            write_file(
                self._raw_dir,
                SYNC_LOG,
                pa.Table.from_pylist(list(rows), schema=SYNC_LOG.schema),
                partition={"sync": self._sync.name, "dt": date},
                name=f"{self.run_id}-{self._files:06d}",
            )
        self._rows.clear()
