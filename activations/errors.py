"""What can go wrong, named by what happens next.

* ActivationError
  - ConfigError             fix a file; every problem at once    → nothing is sent
    - EgressDenied          the address is not one to talk to    → the sync stops
  - PayloadError            fix the sync's model (its key)       → nothing is sent
  - RequestError            ask for something else             → nothing is noted
  - SyncRunning             another run of the sync is under way → this run ends
  - CapHeld                 another sync keeps a frequency cap   → this run ends
  - LeaseLost               another run took over meanwhile      → this run ends
  - AuthenticationError     fix a credential                     → the sync stops
  - DestinationRefused      fix the account's address or action  → the sync stops
  - DestinationUnavailable  try later                            → the sync stops
  - RecordRejected          this one record cannot be sent       → logged, others go on

When a sync stops, what was delivered is logged and the rest stays planned.
`RecordRejected` never leaves the delivery.
"""

from __future__ import annotations

from collections.abc import Iterable


class ActivationError(Exception):
    """The root of everything that this package raises on purpose.

    `stop_code` names in the facts about a run what stopped it.
    """

    stop_code = "error"


class ConfigError(ActivationError):
    """Something is wrong in a file; `problems` names each one with its place."""

    stop_code = "config"

    def __init__(self, problems: Iterable[str] | str) -> None:
        listed = (problems,) if isinstance(problems, str) else tuple(problems)
        self.problems = listed
        super().__init__("\n".join(listed))


class EgressDenied(ConfigError):
    """The destination's address is private, local or otherwise not to be reached."""

    stop_code = "egress"


class PayloadError(ActivationError):
    """The sync model has rows without a key, or several rows with the same one."""

    stop_code = "payload"


class SyncRunning(ActivationError):
    """Another run of this sync holds its lease, in `process` if that is known."""

    stop_code = "overlap"

    def __init__(self, message: str, *, process: int | str = "unknown") -> None:
        self.process = process
        super().__init__(message)


class CapHeld(ActivationError):
    """Another sync has not let go of a frequency cap in all the time there is."""

    stop_code = "cap_held"


class LeaseLost(ActivationError):
    """This run stood still for so long that another one has taken its place."""

    stop_code = "lease_lost"


class AuthenticationError(ActivationError):
    """The destination does not accept the account's credential (401, 403)."""

    stop_code = "credential"


class DestinationRefused(ActivationError):
    """The destination answers, but not to requests of this shape or address."""

    stop_code = "refused"


class DestinationUnavailable(ActivationError):
    """No usable answer after the last attempt: time-out, reset, 5xx, 429.

    `stops` is false where only this request had none: others are still answered.
    """

    stop_code = "unavailable"

    def __init__(
        self, message: str, *, attempts: int = 1, code: str = "", stops: bool = True
    ) -> None:
        self.attempts = attempts
        self.code = code or "unavailable"
        self.stops = stops
        super().__init__(message)


class RequestError(ActivationError):
    """What a person asks of a sync is not possible; nothing was noted."""


class RecordRejected(ActivationError):
    """This record cannot be sent, or the destination does not take it."""
