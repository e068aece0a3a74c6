"""Overload: what a worker takes on, bounded in bytes and in time, and what it refuses.

A worker does one thing at a time, so requests that come faster than it works must wait,
in memory, for longer and longer. Two bounds keep that short, whatever the machine:

* bytes  bodies are counted as they arrive; one that no longer fits is refused
* time   a request waits for its turn to be worked on; one that waited `queue_seconds`
         is refused, and while the first in the queue has waited half of that, so is
         whoever comes, before its body is read

What is refused so gets 429 and a `Retry-After`, and may simply be sent again.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from itertools import cycle
from types import TracebackType

from granian.rsgi import Scope

from collector.errors import Refused

LEAST_CHARGE = 16_384
"""What a request takes before its body is looked at: about what the server holds."""
ROUND_SECONDS = 0.02
"""How long the event loop may work on requests before it looks who else has come."""
LARGEST_ROUND = 64

_RETRY_SECONDS = cycle(range(2, 7))
"""Differs from answer to answer, so that clients do not all come back at once."""


class Charge:
    """The bytes that one request holds; given back when the `with` block ends."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._bytes = 0

    def __enter__(self) -> Charge:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._budget.left += self._bytes
        self._bytes = 0

    def cover(self, size: int) -> None:
        """Make sure that `size` bytes are counted; raises `Refused` without room."""
        more = size - self._bytes
        if more <= 0:
            return
        if more > self._budget.left and not self._is_alone():
            raise overloaded()
        self._budget.left -= more
        self._bytes = size

    def _is_alone(self) -> bool:
        return self._budget.left + self._bytes == self._budget.limit


class Budget:
    """The bytes that all requests being worked on may hold together.

    A body larger than that is taken when it is alone, or it could never be sent.
    """

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def charge(self) -> Charge:
        """Begin to count a request; raises `Refused` without room."""
        charge = Charge(self)
        charge.cover(LEAST_CHARGE)
        return charge


class Turns:
    """Lets requests work in the order in which their bodies were complete.

    Those of one round follow each other directly; between rounds the event loop reads,
    admits and refuses. A round has as many turns as fit into `ROUND_SECONDS`.
    """

    def __init__(self, *, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._patience = patience
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._size = self._left = 1
        self._began: float | None = None
        self._is_running = False

    @property
    def is_late(self) -> bool:
        """Whether the queue is so long that nobody else should join it."""
        if not self._waiting:
            return False
        return time.monotonic() - self._waiting[0][0] > self._patience / 2

    async def take(self) -> None:
        """Wait for a turn; raises `Refused` when it does not come in time."""
        if self._left and not self._waiting:
            self._left -= 1
        else:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append((time.monotonic(), future))
            self._run()
            await future
        if self._began is None:
            self._began = time.monotonic()
        self._run()

    def _run(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._loop.call_soon(self._next_round)

    def _next_round(self) -> None:
        """Runs when the last round is over, in the event loop's next pass."""
        now = time.monotonic()
        self._is_running = False
        if self._began is not None:
            is_short = now - self._began < ROUND_SECONDS
            self._size = (
                min(self._size * 2, LARGEST_ROUND)
                if is_short
                else max(1, self._size // 2)
            )
            self._began = None
        self._left = self._size
        while self._waiting:
            since, future = self._waiting[0]
            is_late = now - since > self._patience
            if not is_late and not self._left:
                break
            self._waiting.popleft()
            if future.done():  # its client is gone
                continue
            if is_late:
                future.set_exception(overloaded())
            else:
                self._left -= 1
                future.set_result(None)
        if self._waiting:
            self._run()


class Admission:
    """Admits requests to one worker."""

    def __init__(self, *, inflight_bytes: int, queue_seconds: float) -> None:
        self._budget = Budget(inflight_bytes)
        self.turns = Turns(patience=queue_seconds)

    def admit(self, scope: Scope) -> Charge:
        """Count a request until it is answered, or refuse it before it is read."""
        if scope.method != "POST":
            return Charge(self._budget)
        if self.turns.is_late:
            raise overloaded()
        return self._budget.charge()


def overloaded() -> Refused:
    """The refusal of what could be taken a little later."""
    return Refused(
        429,
        "overloaded",
        "Try again: too many requests are being worked on.",
        retry_after=next(_RETRY_SECONDS),
    )
