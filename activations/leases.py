"""Leases: one run of a sync at a time, also where a run stands still.

A run holds a lock that ends with its process, and a lease that it keeps renewing. When
the process is gone its lock is free, and the next run starts at once. When it lives
but has not renewed in time (it was stopped, or hangs) the next run takes the lease
over. Each lease has a number, its fencing token: a run that comes back late finds a
higher one, and whatever it still wants to write down fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Protocol

from activations.errors import LeaseLost, SyncRunning
from collector.files import make_directories, try_lock

LEASE_SECONDS = 60.0
_BYTES = 1000
_LONGEST_HOLD = 30.0
"""How long the lease file may be busy: with a bucket a commit is an upload."""


@dataclass(frozen=True)
class _Holder:
    """What the lease file says. Times are the machine's monotonic clock."""

    token: int
    process: int
    expires: float


class Fence(Protocol):
    """What a log needs to know of a lease."""

    token: int

    def check(self) -> None: ...

    def fenced(self) -> contextlib.AbstractContextManager[None]: ...


class Lease:
    """The right to run one sync, for as long as nobody had to take it over."""

    def __init__(
        self, path: Path, token: int, *, name: str, seconds: float, alive: IO[str]
    ) -> None:
        self.token = token
        self._path = path
        self._name = name
        self._seconds = seconds
        self._alive = alive
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        self._renewer = threading.Thread(
            target=self._keep_renewing, name=f"lease-{name}", daemon=True
        )
        self._renewer.start()

    def check(self) -> None:
        """Raise `LeaseLost` when another run has taken over."""
        # Nobody can have while it is fresh; asking costs little then.
        if time.monotonic() - self._renewed > self._seconds:
            with self.fenced():
                pass

    @contextlib.contextmanager
    def fenced(self) -> Iterator[None]:
        """Do something that only the holder may: nobody takes over meanwhile."""
        with _guard(self._path, self._name):
            holder = _read(self._path)
            if holder is None or holder.token != self.token:
                raise LeaseLost(
                    f"{self._name}: this run stood still for more than "
                    f"{self._seconds:g} s and another one has taken over. "
                    "What it had not written down is left to that one."
                )
            yield
            if time.monotonic() - self._renewed > self._seconds / 8:
                self._write()

    def release(self) -> None:
        """Give the lease back. It stays in the file, as the highest number so far."""
        self._ended.set()
        self._renewer.join()
        with contextlib.suppress(LeaseLost, SyncRunning), self.fenced():
            _alive_path(self._path, self.token).unlink(missing_ok=True)
        self._alive.close()

    def _write(self) -> None:
        now = time.monotonic()
        _write(self._path, _Holder(self.token, os.getpid(), now + self._seconds))
        self._renewed = now

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self._seconds / 4):
            try:
                with self.fenced():
                    pass
            except LeaseLost:
                return
            except (OSError, SyncRunning):
                continue  # the next try is soon


class Together:
    """The lease of a sync, and others that it needs to send: what was sent it may note
    as long as it has its own."""

    def __init__(self, own: Fence, others: Sequence[Fence]) -> None:
        self.token = own.token
        self.fenced = own.fenced
        self._all = (own, *others)

    def check(self) -> None:
        """Raise `LeaseLost` when another run has taken over any of them."""
        for lease in self._all:
            lease.check()


@contextlib.contextmanager
def hold_lease(
    log_dir: Path, name: str, *, seconds: float = LEASE_SECONDS
) -> Iterator[Lease]:
    """Hold the lease of the sync `name`; `SyncRunning` while another run does."""
    path = log_dir / f"sync-{name}.lease"
    make_directories(path.parent)
    with _guard(path, name):
        before = _read(path)
        if before is not None and _is_held(path, before):
            raise _running(name, before.process)
        token = 1 if before is None else before.token + 1
        alive = try_lock(_alive_path(path, token))
        if alive is None:
            # Only a lease file that was taken away lets a number come twice.
            raise _running(name, "unknown")
        if before is not None:
            _alive_path(path, before.token).unlink(missing_ok=True)
        _write(path, _Holder(token, os.getpid(), time.monotonic() + seconds))
    lease = Lease(path, token, name=name, seconds=seconds, alive=alive)
    try:
        yield lease
    finally:
        lease.release()


def _is_held(path: Path, holder: _Holder) -> bool:
    """Whether the holder lives and has renewed in time."""
    try:
        file = _alive_path(path, holder.token).open("r+")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return time.monotonic() < holder.expires
    return False


def _alive_path(path: Path, token: int) -> Path:
    return path.with_suffix(f".{token}.lock")


@contextlib.contextmanager
def _guard(path: Path, name: str) -> Iterator[None]:
    """Alone with the lease file."""
    # Each answer is written down inside: what `open` does besides would be felt.
    guard = os.open(f"{path.parent}/{path.stem}.guard", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        give_up = time.monotonic() + _LONGEST_HOLD
        while True:
            try:
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    holder = _read(path)
                    raise _running(name, holder.process if holder else 0) from None
                time.sleep(0.001)
        yield
    finally:
        os.close(guard)


def _read(path: Path) -> _Holder | None:
    try:
        lease = os.open(path, os.O_RDONLY)
        try:
            return _Holder(**json.loads(os.read(lease, _BYTES)))
        finally:
            os.close(lease)
    except (FileNotFoundError, ValueError, TypeError):
        # Torn by a power cut, which no holder has survived either.
        return None


def _write(path: Path, holder: _Holder) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(holder)) + "\n", encoding="utf-8")
    temporary.rename(path)


def _running(name: str, process: int | str) -> SyncRunning:
    return SyncRunning(
        f"{name} is being run already, by process {process}. This run did nothing.",
        process=process,
    )
