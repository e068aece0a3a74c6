"""Why the collector says no.

* Refused               the whole request is answered with a 4xx or 5xx; nothing is kept
* Unacceptable          one event cannot be stored; it goes to quarantine instead
* LogUnavailable        the log cannot take events now
  - LogFull             for a while: no room in memory or on disk    → 429, retry
  - LogBroken           until restart: the disk failed               → 503
* SourcesError          `sources.yml` is wrong; names every mistake in it
* ObjectStorageError    the raw datasets are on object storage that does not take them

Real clients read `code` and `message` from an error body and treat its absence as a
network failure that they retry, so every refusal carries both.
"""

from __future__ import annotations

from collections.abc import Sequence


class Refused(Exception):
    """The request as a whole is refused with this HTTP status."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.headers = headers


class Unacceptable(Exception):
    """One event cannot be stored as it is; `path` points at the offending field."""

    def __init__(
        self, code: str, detail: str, *, path: str = "", replayable: bool = False
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.path = path
        self.replayable = replayable


class LogUnavailable(Exception):
    """The log cannot take events now; nothing was acknowledged."""


class LogFull(LogUnavailable):
    """There is no room; the client should try again in `retry_after` seconds."""

    def __init__(
        self, message: str, *, code: str = "overloaded", retry_after: int = 5
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class LogBroken(LogUnavailable):
    """Writing or syncing failed; only a restart, which reads the disk anew, helps."""


class SourcesError(Exception):
    """`sources.yml` cannot be used; the message lists every problem."""


class ObjectStorageError(OSError):
    """Object storage cannot be read or written now; the log keeps what waits for it."""
