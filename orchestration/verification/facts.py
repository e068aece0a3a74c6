"""The raw facts that every engine builds from: the demo's, made-up ones, or yours."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from collector import wire
from collector.datasets import (
    ALERTS,
    DATASETS,
    SYNC_LOG,
    SYNC_REQUESTS,
    SYNC_RUNS,
    Dataset,
)
from collector.ingest import make_rows
from collector.landing import land
from collector.raw import reading, write_file
from collector.segments import Segments
from collector.settings import CollectorSettings
from collector.times import micros, sent
from collector.validate import Reception
from orchestration.demo.crowd import write_history
from orchestration.demo.shop import Call, Shop
from orchestration.identity.identifiers import Identifier
from orchestration.identity.rules import Action, Rule, write_rule
from orchestration.quarantine import Rule as Release
from orchestration.quarantine import release
from orchestration.verification.odd_events import odd_events

SEED = 7
_BATCH = 100
# One in so many of the made-up events is an odd one.
_ODD_SHARE = 10
_WIRE_NAMES = {
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "previous_id": "previousId",
    "group_id": "groupId",
    "message_id": "messageId",
}


def write_demo(data_dir: Path, *, until: datetime) -> None:
    """What the demo sends, as the collector stores it, and what was decided since."""
    calls = Shop(until).play()
    receive(data_dir, [as_sent(call) for call in calls], at=until)
    decide(data_dir / "raw", at=until)


def write_generated(data_dir: Path, *, events: int, until: datetime) -> None:
    """So many events of a crowd in the demo's shop, and odd ones among them."""
    write_history(data_dir / "raw", events=events, until=until.date())
    odd = odd_events(max(events // _ODD_SHARE, 1), until=until, seed=SEED)
    receive(data_dir, odd, at=until)
    decide(data_dir / "raw", at=until)


def share_facts(source: Path, data_dir: Path) -> None:
    """Give a data directory the raw facts of another: links, or copies if need be."""
    with contextlib.ExitStack() as held:
        for dataset in DATASETS:  # so that compaction takes no file away meanwhile
            held.enter_context(reading(source / "raw", dataset))
        for dataset in DATASETS:
            for file in sorted((source / "raw" / dataset.name).rglob("*.parquet")):
                target = data_dir / "raw" / file.relative_to(source / "raw")
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.hardlink_to(file)
                except OSError:  # another file system
                    shutil.copyfile(file, target)


def as_sent(call: Call) -> dict[str, Any]:
    """A call of the SDK as it goes over the wire."""
    event = {
        _WIRE_NAMES.get(name, name): value
        for name, value in call.arguments.items()
        if value is not None
    }
    event["timestamp"] = event["timestamp"].isoformat()
    library = {"name": "analytics-python", "version": "2"}
    return {"type": call.method, **event, "context": {"library": library}}


def receive(data_dir: Path, events: Sequence[Any], *, at: datetime) -> None:
    """Store events as the collector does when a client sends them at this moment."""
    settings = CollectorSettings(data_dir=data_dir)
    stream = settings.log_dir / "0"
    stream.mkdir(parents=True)
    segments = Segments(stream)
    for number, batch in enumerate(_batches(events)):
        reception = Reception(
            source_id="shop" if number % 7 else "app",
            request_id=f"request-{number}",
            received_at=micros(at) + number,
            sent=sent(None),
            route_type=None,
            max_event_bytes=settings.max_event_bytes,
        )
        request = wire.parse(json.dumps({"batch": batch}).encode(), wire.BATCH)
        rows = make_rows(request, reception, max_events=len(batch))
        segments.write(rows.lines)
    segments.seal()
    segments.close()
    land(settings.log_dir, data_dir / "raw")


def _batches(events: Sequence[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(events), _BATCH):
        yield list(events[start : start + _BATCH])


def decide(raw_dir: Path, *, at: datetime) -> None:
    """What people decide afterwards, and a delivery: facts of every other kind."""
    later = at + timedelta(minutes=1)
    decisions: tuple[tuple[Action, str, str], ...] = (
        ("include", "user_id:user-0003", "anonymous_id:phone-4"),
        ("exclude", "user_id:user-0005", "anonymous_id:laptop-5"),
        ("include", "user_id:Odd User 1", "email:odd.2@example.com"),
    )
    for number, (action, left, right) in enumerate(decisions):
        rule = Rule(
            rule_id=f"rule-{number}",
            action=action,
            left=Identifier(*left.split(":")),
            right=Identifier(*right.split(":")),
            reason="told by them; it's so",
            created_by="verify",
            created_at=later,
        )
        write_rule(raw_dir, rule)
    refunds = Release(event="Order Refunded", code="pattern")
    release(raw_dir, refunds, reason="euro is a currency", by="verify", at=later)
    sync = "crm__vip_customers"
    outcomes = [
        {
            "sync": sync,
            "run_id": f"run-{number // 40}",
            "at": later + timedelta(seconds=number),
            "key": f"ada.abel.{number % 50}@example.com",
            "operation": ("insert", "update", "delete")[number % 3],
            "outcome": ("succeeded", "rejected", "failed", "held")[number % 4],
            "destination": "crm",
            "action": "rows",
            "attempts": number % 3,
            "request_ms": number * 1.1,
        }
        for number in range(200)
    ]
    _write(raw_dir, SYNC_LOG, outcomes)
    _write(raw_dir, SYNC_RUNS, list(_runs(sync, at=later)))
    asked = {"sync": sync, "at": later, "requested_by": "verify"}
    requests = [
        asked | {"request_id": "1", "request": "retry", "key": "ada@example.com"},
        asked | {"request_id": "2", "request": "release", "deletes": 3, "reason": "ok"},
    ]
    _write(raw_dir, SYNC_REQUESTS, requests)
    alert = {
        "alert_id": "1",
        "at": later,
        "subject": f"sync {sync}",
        "channel": "mail",
        "state": "critical",
        "previous_state": "healthy",
        "outcome": "sent",
    }
    _write(raw_dir, ALERTS, [alert])


def _runs(sync: str, *, at: datetime) -> Iterator[dict[str, Any]]:
    """The runs of the outcomes above; the fourth was killed, the last was stopped."""
    for number in range(5):
        started_at = at + timedelta(seconds=40 * number)
        run = {
            "sync": sync,
            "run_id": f"run-{number}",
            "at": started_at,
            "event": "started",
            "model": f"model.kith.{sync}",
            "destination": "crm",
            "action": "rows",
            "mode": "mirror",
            "primary_key": "email",
            "started_at": started_at,
        }
        yield run
        ended_at = started_at + timedelta(seconds=39)
        end = {"event": "finished", "at": ended_at, "finished_at": ended_at}
        if number == 4:
            stop = {"status": "stopped", "stop_code": "unavailable", "stopped": "No."}
            yield run | end | stop
        elif number != 3:
            counts = {
                f"{counted}_{operation}": number
                for counted in ("planned", "succeeded", "rejected", "failed", "held")
                for operation in ("insert", "update", "delete")
            }
            yield run | end | counts | {"status": "held", "refused": 1, "dead": 0}


def _write(raw_dir: Path, dataset: Dataset, rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    table = pa.Table.from_pylist(rows, schema=dataset.schema)
    parts = {"sync": first.get("sync"), "dt": f"{first['at'].astimezone(UTC):%F}"}
    partition = {name: str(parts[name]) for name in dataset.partitions}
    write_file(raw_dir, dataset, table, partition=partition, name="delivered")
