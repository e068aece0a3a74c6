"""An open loop of requests: sent when they are due, however slow the answers are.

A client that waits for its answer before it sends again hides overload, because it
slows down with the server. Here every request has its moment, latency counts from that
moment, and one that finds all connections busy is counted as unsent.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_HEAD_END = b"\r\n\r\n"


@dataclass
class Outcome:
    """What became of one request; `status` is 0 when the connection broke."""

    number: int
    due: float
    seconds: float
    status: int
    retry_after: bytes | None


@dataclass
class Outcomes:
    """What became of all requests of one run."""

    began: float
    offered: int = 0
    unsent: int = 0
    unanswered: int = 0
    answers: list[Outcome] = field(default_factory=list)

    def latencies(self, status: int) -> list[float]:
        """How long requests with this answer took, sorted."""
        return sorted(item.seconds for item in self.answers if item.status == status)

    def acknowledged(self) -> list[int]:
        """The numbers of the requests that were answered 200."""
        return [item.number for item in self.answers if item.status == 200]

    def count(self, status: int) -> int:
        """How many requests were answered so."""
        return sum(item.status == status for item in self.answers)


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self.writing = False
        self.unsent = memoryview(b"")
        self.answer = b""
        self.number = 0
        self.due = 0.0


class OpenLoop:
    """Sends `request(number)` at a fixed rate over a bounded number of connections."""

    def __init__(
        self, address: tuple[str, int], request: Callable[[int], bytes], *, most: int
    ) -> None:
        self._address = address
        self._request = request
        self._most = most
        self._selector = selectors.DefaultSelector()
        self._idle: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._number = 0
        self._outcomes = Outcomes(began=0.0)

    def run(self, rate: float, seconds: float, *, patience: float = 5.0) -> Outcomes:
        """Offer `rate` requests a second, then wait for the answers still missing."""
        began = time.perf_counter()
        outcomes = self._outcomes = Outcomes(began)
        last = round(rate * seconds)
        end = began + seconds + patience
        while (now := time.perf_counter()) < end:
            due = min(last, int((now - began) * rate) + 1)
            while outcomes.offered < due:
                self._offer(began + outcomes.offered / rate)
            busy = len(self._open) - len(self._idle)
            if outcomes.offered == last and not busy:
                break
            wait = 0.05
            if outcomes.offered < last:
                wait = began + outcomes.offered / rate - time.perf_counter()
            self._poll(max(0.0, wait))
        for connection in [item for item in self._open if item not in self._idle]:
            outcomes.unanswered += 1
            self._drop(connection)
        return outcomes

    def close(self) -> None:
        """Close all connections."""
        for connection in list(self._open):
            self._drop(connection)
        self._selector.close()

    def _offer(self, due: float) -> None:
        self._outcomes.offered += 1
        if self._idle:
            connection = self._idle.pop()
        elif len(self._open) < self._most:
            connection = _Connection(self._address)
            self._open.add(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        else:
            self._outcomes.unsent += 1
            return
        connection.number, connection.due = self._number, due
        connection.answer = b""
        connection.unsent = memoryview(self._request(self._number))
        self._number += 1
        self._write(connection)

    def _poll(self, wait: float) -> None:
        for key, events in self._selector.select(wait):
            connection: _Connection = key.data
            if events & selectors.EVENT_READ:
                self._read(connection)
            if events & selectors.EVENT_WRITE and connection in self._open:
                self._write(connection)

    def _write(self, connection: _Connection) -> None:
        # What goes wrong here is seen, with the answer if there is one, when reading.
        with contextlib.suppress(OSError):
            sent = connection.socket.send(connection.unsent)
            connection.unsent = connection.unsent[sent:]
        self._listen(connection, writing=bool(connection.unsent))

    def _listen(self, connection: _Connection, *, writing: bool) -> None:
        if writing == connection.writing:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        self._selector.modify(connection.socket, events, connection)
        connection.writing = writing

    def _read(self, connection: _Connection) -> None:
        try:
            received = connection.socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            if connection not in self._idle:
                self._finish(connection, status=0)
            self._drop(connection)
            return
        connection.answer += received
        head, end, body = connection.answer.partition(_HEAD_END)
        if not end or len(body) < int(_header(head, b"content-length") or 0):
            return
        self._finish(
            connection, int(head[9:12]), retry_after=_header(head, b"retry-after")
        )
        if connection.unsent or _header(head, b"connection") == b"close":
            self._drop(connection)
        else:
            self._idle.append(connection)

    def _finish(
        self, connection: _Connection, status: int, retry_after: bytes | None = None
    ) -> None:
        now = time.perf_counter()
        self._outcomes.answers.append(
            Outcome(
                connection.number,
                connection.due - self._outcomes.began,
                now - connection.due,
                status,
                retry_after,
            )
        )

    def _drop(self, connection: _Connection) -> None:
        self._open.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()


def _header(head: bytes, name: bytes) -> bytes | None:
    _, found, rest = head.partition(b"\r\n" + name + b": ")
    return rest.partition(b"\r\n")[0] if found else None
