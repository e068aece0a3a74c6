"""A look at the syncs: what has changed its state is told, once to each channel.

A fact is written before an alert goes out and another when its fate is known. Where a
process ends between the two, the alert may have arrived, and is not sent again. One
that failed is tried again, at growing distances, with the state that holds by then.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from activations.errors import ActivationError
from activations.messages import send_message
from activations.retries import Retry
from activations.templates import TemplateError
from collector.files import lock, make_directories
from collector.settings import CollectorSettings
from orchestration.alerts.channels import Channel
from orchestration.alerts.facts import Outcome, Told, append_alert, read_told
from orchestration.sync_health import Health, State

SENDER = "alerts"
QUICK = Retry(attempts=2, first_wait=1, longest_wait=5, seconds=15)
"""Somebody waits for the look to end, and the next one tries again."""
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Alert:
    """What one channel is told about one sync, and what came of it."""

    alert_id: str
    sync: str
    channel: str
    state: State
    previous_state: State
    reason: str | None
    outcome: Outcome
    message: str | None = None


def tell_changes(
    health: Mapping[str, Health],
    channels: Iterable[Channel],
    *,
    data_dir: Path,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    retry: Retry = QUICK,
) -> list[Alert]:
    """Tell every channel what it does not know yet; one look at a time.

    A channel that does not take an alert is left alone until the next look.
    """
    make_directories(data_dir / "log")
    alerts = []
    with lock(data_dir / "log" / "alerts.lock"):
        told = read_told(CollectorSettings(data_dir=data_dir).raw_place())
        for channel in channels:
            for sync in health.values():
                known = told.get((sync.sync, channel.name), Told())
                is_news = _state_for(channel, sync) != known.state
                if channel.is_about(sync.sync) and is_news and _is_time(known, now()):
                    alert = _tell(
                        *(channel, sync, known), data_dir=data_dir, now=now, retry=retry
                    )
                    alerts.append(alert)
                    if alert.outcome == "failed":
                        break
    return alerts


def rehearse(channel: Channel, *, data_dir: Path, retry: Retry = QUICK) -> None:
    """Send a channel an alert about nothing; raises what keeps it from arriving."""
    alert_id = uuid.uuid4().hex
    words = {
        "alert_id": alert_id,
        "title": "Test of an alert channel",
        "text": f"Alerts about syncs arrive here, by the channel {channel.name}.",
        "sync": SENDER,
        "state": "healthy",
        "previous_state": "healthy",
        "reason": "",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    _send(channel, words, message_id=alert_id, data_dir=data_dir, retry=retry)


def _tell(
    channel: Channel,
    sync: Health,
    known: Told,
    *,
    data_dir: Path,
    now: Callable[[], datetime],
    retry: Retry,
) -> Alert:
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    alert_id = uuid.uuid4().hex
    state = _state_for(channel, sync)
    fact: dict[str, Any] = {
        "alert_id": alert_id,
        "subject": sync.sync,
        "channel": channel.name,
        "state": state,
        "previous_state": known.state,
        "reason": sync.reason,
    }
    at = now()
    append_alert(raw, **fact, at=at, outcome="sending")
    message = None
    # The same for every try to tell this, for those who recognise what they have.
    message_id = f"{sync.sync}/{channel.name}/{known.alert_id}/{state}"
    words = _words(alert_id, sync, state, known.state, at=at)
    try:
        _send(channel, words, message_id=message_id, data_dir=data_dir, retry=retry)
    except (ActivationError, TemplateError) as error:
        message = channel.account.redact(str(error))
    outcome: Outcome = "sent" if message is None else "failed"
    # Strictly later than the sending, whatever the clock does.
    later = max(now(), at + timedelta(microseconds=1))
    append_alert(raw, **fact, at=later, outcome=outcome, message=message)
    return Alert(
        alert_id=alert_id,
        sync=sync.sync,
        channel=channel.name,
        state=state,
        previous_state=known.state,
        reason=sync.reason,
        outcome=outcome,
        message=message,
    )


def _send(
    channel: Channel,
    words: Mapping[str, str],
    *,
    message_id: str,
    data_dir: Path,
    retry: Retry,
) -> None:
    send_message(
        channel.account,
        channel.action,
        channel.record(words),
        sender=SENDER,
        message_id=message_id,
        options=channel.options,
        retry=retry,
        log_dir=data_dir / "log",
    )


def _state_for(channel: Channel, sync: Health) -> State:
    """The state as the channel has it: what it is not told of is healthy to it."""
    return sync.state if sync.state in channel.states else "healthy"


def _is_time(known: Told, now: datetime) -> bool:
    """Whether it is time to try again, after what has failed."""
    if known.failures == 0 or known.tried_at is None:
        return True
    doublings = min(known.failures, 10) - 1
    pause: timedelta = min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)
    return now >= known.tried_at + pause


def _words(
    alert_id: str, sync: Health, state: State, previous: State, *, at: datetime
) -> dict[str, str]:
    """What templates of a record can name."""
    if state != "healthy":
        title = f"{sync.sync} is {state}"
    elif sync.state == "healthy":
        title = f"{sync.sync} is healthy again"
    else:
        title = f"{sync.sync} is no longer {previous}"
    reason = sync.reason or ""
    return {
        "alert_id": alert_id,
        "title": title,
        "text": f"{title}: {reason}" if reason else f"{title}.",
        "sync": sync.sync,
        "state": state,
        "previous_state": previous,
        "reason": reason,
        "at": at.isoformat(timespec="seconds"),
    }
