"""The sync log: the outcome of every row, appended to `raw/sync_log`.

It is the only memory of what a destination holds. An outcome is written after its
effect, never before: first to a journal, in the moment the answer is read, then, many
at once, to the log itself. The journal also tells what is about to be sent, so that of
a run that is killed it is known what was under way: this has failed, and may have
arrived. A run that is killed sends again only that.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from activations.connectors import Outcome, Row
from activations.journal import (
    UNKNOWN,
    Columns,
    Journal,
    journal_path,
    journals_left,
    land_journal,
)
from activations.leases import Fence
from activations.sync import Sync
from collector.object_storage import RawPlace

MESSAGE_LENGTH = 500
JOURNAL_ROWS = 50_000
JOURNAL_SECONDS = 30.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def land_what_is_left(
    raw_dir: RawPlace, log_dir: Path, sync: str, *, lease: Fence
) -> None:
    """Land the journals of runs that were killed; who plans must know of them."""
    for path in journals_left(log_dir, sync):
        with lease.fenced():
            land_journal(raw_dir, path)


class SyncLog:
    """Appends the outcomes of one run, under its lease.

    Rows carry strictly growing times, later than any that the log holds of the sync:
    the latest row is the latest fact even after the machine's clock was set back.
    `counts` are the rows written so far, by outcome and operation.
    """

    def __init__(
        self,
        raw_dir: RawPlace,
        sync: Sync,
        *,
        run_id: str,
        log_dir: Path,
        lease: Fence,
        after: datetime | None,
        journal_rows: int = JOURNAL_ROWS,
        journal_seconds: float = JOURNAL_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._raw_dir = raw_dir
        self._sync = sync
        self.run_id = run_id
        self.log_dir = log_dir
        self._lease = lease
        self._last = _microseconds(after) if after else 0
        self._journal_rows = journal_rows
        self._journal_seconds = journal_seconds
        self._now = now
        self._noted: list[Columns] = []
        self._noted_counts: Counter[tuple[str, str]] = Counter()
        self._under_way: dict[str, tuple[int, Row]] = {}
        self._journal: Journal | None = None
        self._began = 0.0
        self._journals = 0
        # A thread of its own lands what is full while outcomes come in.
        self._current = threading.Lock()
        self._landing = threading.Lock()
        self.counts: Counter[tuple[str, str]] = Counter()

    def sending(self, rows: Collection[Row]) -> None:
        """Write down that these rows are about to be sent.

        Raises `LeaseLost` where another run has taken over: nothing more may be sent.
        """
        self._lease.check()
        if not rows:
            return
        expected = list(zip(self._ticks(len(rows)), rows, strict=True))
        with self._current:
            self._under_way |= {row.key: (at, row) for at, row in expected}
            self._expect(expected)

    def not_sent(self, rows: Iterable[Row]) -> None:
        """Write down that these rows did not leave, as nobody had come to them."""
        with self._current:
            keys = [row.key for row in rows if self._under_way.pop(row.key, None)]
            if keys:
                self._open_journal().forget(keys)

    def add(self, outcome: Outcome) -> None:
        """Note an outcome; `commit` writes it down."""
        self.add_all((outcome,))

    def add_all(self, outcomes: Collection[Outcome]) -> None:
        """Note outcomes; `commit` writes them down."""
        if not outcomes:
            return
        rows = [outcome.row for outcome in outcomes]
        operations = [row.operation for row in rows]
        names = [outcome.outcome for outcome in outcomes]
        told: Columns = {
            "at": self._ticks(len(rows)),
            "key": [row.key for row in rows],
            "operation": operations,
            "outcome": names,
            "fingerprint": [row.fingerprint for row in rows],
            "code": [self._short(outcome.code) for outcome in outcomes],
            "message": [self._short(outcome.message) for outcome in outcomes],
            "destination_ref": [outcome.ref for outcome in outcomes],
            "attempts": [outcome.attempts for outcome in outcomes],
            "request_ms": [outcome.request_ms for outcome in outcomes],
        }
        self._noted.append(told)
        self._noted_counts.update(zip(names, operations, strict=True))

    def _short(self, text: str | None) -> str | None:
        """What a tool said, without the account's secrets."""
        if text is None:
            return None
        return self._sync.account.redact(text)[:MESSAGE_LENGTH]

    def commit(self) -> None:
        """Write down what was noted: from now on a kill cannot undo it.

        Raises `LeaseLost`, and writes nothing, where another run has taken over.
        """
        if not self._noted:
            return
        with self._lease.fenced(), self._current:
            for told in self._noted:
                self._open_journal().append(told)
                for key in told["key"]:
                    self._under_way.pop(key, None)
        self.counts += self._noted_counts
        self._noted.clear()
        self._noted_counts.clear()

    def _ticks(self, rows: int) -> list[int]:
        """So many times, in microseconds, that nobody else has."""
        first = max(self._last + 1, _microseconds(self._now()))
        self._last = first + rows - 1
        return list(range(first, first + rows))

    def tidy(self) -> None:
        """Make what is written outlive a power cut, and land it when it is much or old.

        May be called from another thread than the one that commits.
        """
        with self._landing:
            journal = self._journal
            if journal is None:
                return
            journal.sync()
            age = time.monotonic() - self._began
            if journal.rows >= self._journal_rows or age >= self._journal_seconds:
                self._land_current()

    def flush(self) -> None:
        """Make everything noted part of the sync log, as the last thing of a run."""
        self.commit()
        self.add_all(
            [
                Outcome(row, "failed", UNKNOWN.code, UNKNOWN.message, attempts=1)
                for _, row in self._under_way.values()
            ]
        )
        self.commit()
        with self._landing:
            self._land_current()

    def _land_current(self) -> None:
        with self._current:
            journal, self._journal = self._journal, None
            if journal is not None and self._under_way:
                # What is under way is told of by the next one from here on.
                self._expect(self._under_way.values())
                journal.forget(list(self._under_way))
        if journal is not None:
            journal.close()
            with self._lease.fenced():
                land_journal(self._raw_dir, journal.path)

    def _expect(self, expected: Collection[tuple[int, Row]]) -> None:
        self._open_journal().expect(
            {
                "at": [at for at, _ in expected],
                "key": [row.key for _, row in expected],
                "operation": [row.operation for _, row in expected],
                "fingerprint": [row.fingerprint for _, row in expected],
            }
        )

    def _open_journal(self) -> Journal:
        if self._journal is None:
            self._journal = self._new_journal()
        return self._journal

    def _new_journal(self) -> Journal:
        self._journals += 1
        self._began = time.monotonic()
        token, number = self._lease.token, self._journals
        return Journal(
            journal_path(self.log_dir, self._sync.name, token=token, number=number),
            name=f"{self.run_id}-{number:06d}",
            shared={
                "sync": self._sync.name,
                "run_id": self.run_id,
                "destination": self._sync.account.name,
                "action": self._sync.target,
            },
        )


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
