"""The plan against a model of it in plain Python, over stories of all that happens.

Payloads change, rows are accepted, rejected, lost, accepted without an answer; runs are
killed before what they did is logged; people ask for rows again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activations.actions import Mode
from activations.connectors import Outcome, Row
from activations.guards import Guards
from activations.plan import DEAD_AFTER_RUNS, Plan
from activations.sync import Leave
from tests.activations.bench import Bench, bench, email

KEYS = [email(number) for number in range(6)]
FOREIGN = {"boss@example.com": {"email": "boss@example.com"}}
SCHEMA = pa.schema([("email", pa.string()), ("plan", pa.string()), ("_ok", pa.bool_())])
LEFT = {"plan": "left"}
Payload = dict[str, tuple[str | None, bool]]

PAYLOADS = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(
        st.sampled_from(["free", "pro", None]), st.sampled_from([True] * 3 + [False])
    ),
    min_size=1,
)
ASKS = st.sampled_from([None, None, None, "retry", "rejected", "key", "resync"])
STORIES = st.lists(st.tuples(PAYLOADS, ASKS, st.randoms()), min_size=2, max_size=6)
WAYS = st.sampled_from(
    [
        (mode, leave)
        for mode in get_args(Mode)
        if mode != "append"
        for leave in (get_args(Leave) if mode != "audience" else ("delete",))
    ]
)


@dataclass
class Known:
    """What the model knows of one key, by a clock of its own."""

    held: str | None = None
    """The record that the destination took last, as JSON."""
    effect_at: int = 0
    attempt: tuple[str, str, str, int] | None = None
    failures: list[tuple[str, str, int, int]] = field(default_factory=list)
    retried_at: int = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether something may have arrived that was not answered."""
        return any(at > self.effect_at for *_, at in self.failures)

    @property
    def removed(self) -> str:
        """What a delete removes."""
        return self.failures[-1][1] if self.held is None else self.held


@dataclass
class Model:
    """What should be planned: the definition, row by row."""

    mode: Mode
    leave: Leave
    keys: dict[str, Known] = field(default_factory=dict)
    clock: int = 1
    retried_at: int = 0
    rejected_retried_at: int = 0
    resynced_at: int = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def ask(self, what: str) -> None:
        now = self.tick()
        if what == "key":
            self.known(KEYS[0]).retried_at = now
            return
        self.retried_at = now
        if what != "retry":
            self.rejected_retried_at = now
        if what == "resync":
            self.resynced_at = now

    def known(self, key: str) -> Known:
        return self.keys.setdefault(key, Known())

    def changes(self, payload: Payload) -> Iterator[tuple[str, str, str, str]]:
        """Operation, key, record or what is deleted, and verdict of each change."""
        for key in KEYS:
            known = self.known(key)
            wanted = self._wanted(key, known, payload.get(key))
            if wanted is not None:
                operation, content = wanted
                yield operation, key, content, self._verdict(known, operation, content)

    def _wanted(
        self, key: str, known: Known, row: tuple[str | None, bool] | None
    ) -> tuple[str, str] | None:
        content = None if row is None else record(key, row[0])
        if row is None or not row[1]:
            leave = self.leave
            if row is not None and leave == "nothing" and self.mode != "update":
                leave = "delete"
            return self._leaving(key, known, leave)
        assert content is not None
        if known.held is None:
            return ("update" if self.mode == "update" else "insert"), content
        is_sent = known.effect_at > self.resynced_at and not known.is_in_doubt
        if self.mode == "insert" or (known.held == content and is_sent):
            return None
        return "update", content

    def _leaving(self, key: str, known: Known, leave: Leave) -> tuple[str, str] | None:
        if leave == "nothing" or (known.held is None and not known.is_in_doubt):
            return None
        told = ("delete", known.removed)
        if leave == "set":
            told = ("update", text({"email": key, **LEFT}))
            if known.held == told[1] and not known.is_in_doubt:
                return None
        # What may never have arrived is told once, not again where that is refused.
        is_over = known.held is None and self._verdict(known, *told) == "refused"
        return None if is_over else told

    def _verdict(self, known: Known, operation: str, content: str) -> str:
        refused_from = max(self.rejected_retried_at, known.retried_at)
        if known.attempt is not None and known.attempt[0] == "rejected":
            _, was, what, at = known.attempt
            is_same = (was == "delete") == (operation == "delete") and what == content
            if is_same and at > refused_from:
                return "refused"
        failed_from = max(self.retried_at, known.retried_at, known.effect_at)
        runs = {
            run
            for was, what, run, at in known.failures
            if (was == "delete") == (operation == "delete")
            and what == content
            and at > failed_from
        }
        return "dead" if len(runs) >= DEAD_AFTER_RUNS else "send"

    def learn(self, row: Row, outcome: str, run: int) -> None:
        """The outcome of a row, as it was logged."""
        now, known = self.tick(), self.known(row.key)
        content = known.removed if row.record is None else text(row.record)
        known.attempt = (outcome, row.operation, content, now)
        if outcome == "succeeded":
            known.held = None if row.operation == "delete" else content
            known.effect_at = now
        elif outcome == "failed":
            known.failures.append((row.operation, content, run, now))


def record(key: str, plan: str | None) -> str:
    return json.dumps({"email": key, "plan": plan}, separators=(",", ":"))


def text(row: Any) -> str:
    return json.dumps(dict(sorted(row.items())), separators=(",", ":"))


@given(story=STORIES, way=WAYS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_plans_are_what_the_model_says(
    story: list[tuple[Payload, str | None, Random]], way: tuple[Mode, Leave]
) -> None:
    live(story, way)


@pytest.mark.slow
@given(story=st.lists(STORIES.map(lambda s: s[0]), min_size=6, max_size=20), way=WAYS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_plans_are_what_the_model_says_over_long_stories(
    story: list[tuple[Payload, str | None, Random]], way: tuple[Mode, Leave]
) -> None:
    live(story, way)


def live(
    story: list[tuple[Payload, str | None, Random]], way: tuple[Mode, Leave]
) -> None:
    """Live the story step by step, and compare each plan with the model's."""
    mode, leave = way
    with TemporaryDirectory() as directory:
        work = bench(Path(directory), "webhook", {"url": "http://x"}, action="rows")
        work.configure(
            mode=mode,
            on_leave=leave,
            leave_values=LEFT,
            consent=("_ok",),
            guards=Guards(max_delete_share=1, max_change_share=1, max_shrink_share=1),
        )
        model = Model(mode=mode, leave=leave)
        destination: dict[str, Any] = dict(FOREIGN)
        taken: dict[tuple[str, str], str] = {}
        lost: set[str] = set()
        for run, (payload, ask, random) in enumerate(story):
            work.payload(
                [
                    {"email": key, "plan": plan, "_ok": may}
                    for key, (plan, may) in payload.items()
                ],
                SCHEMA,
            )
            if ask is not None and not (ask == "resync" and mode == "insert"):
                model.ask(ask)
                ask_for(work, ask)
            plan = work.plan()
            rows = list(plan.rows())
            compare(plan, rows, model, payload)
            deliver(work, plan, rows, model, destination, taken, lost, random, run)
            assert FOREIGN.items() <= destination.items()
            if random.random() < 0.6:
                work.digest(plan)
        settle(work, model, destination, story[-1][0], lost)


def ask_for(work: Bench, ask: str) -> None:
    if ask == "resync":
        work.ask("resync")
    else:
        key = KEYS[0] if ask == "key" else None
        work.ask("retry", key=key, rejected=ask == "rejected")


def compare(plan: Plan, rows: list[Row], model: Model, payload: Payload) -> None:
    changes = list(model.changes(payload))
    to_send = {change[:3] for change in changes if change[3] == "send"}
    found = {
        (
            row.operation,
            row.key,
            model.known(row.key).removed if row.record is None else text(row.record),
        )
        for row in rows
    }
    assert found == to_send
    assert len(rows) == len(found) == plan.planned
    verdicts = [change[3] for change in changes]
    assert (plan.refused, plan.dead) == (
        verdicts.count("refused"),
        verdicts.count("dead"),
    )
    assert plan.left_out == sum(not may for _, may in payload.values())


def deliver(
    work: Bench,
    plan: Plan,
    rows: list[Row],
    model: Model,
    destination: dict[str, Any],
    taken: dict[tuple[str, str], str],
    lost: set[str],
    random: Random,
    run: int,
) -> None:
    """Send the rows to a destination that does as chance has it; maybe be killed.

    `taken` is what it took that no log tells of: the same row comes with the same key
    until one does. Of the rows in `lost` nobody knows even that they were sent.
    """
    log = work.write_log(f"run-{run}", plan.last_logged_at)
    killed_at = random.choice([None, None, 0, 1, 3, len(rows)])
    flushed_at = random.choice([0, 1, 2])
    noted: list[tuple[Row, str]] = []
    for number, row in enumerate(rows):
        if killed_at == number:
            break
        fate = random.choice(["taken", "taken", "taken", "rejected", "lost", "silent"])
        name = (row.key, row.operation + text(row.record or {}))
        if fate in ("taken", "silent"):
            assert taken.get(name, row.idempotency_key) == row.idempotency_key
            for other in [other for other in taken if other[0] == row.key]:
                del taken[other]
            taken[name] = row.idempotency_key
            if row.record is None:
                destination.pop(row.key, None)
            else:
                destination[row.key] = row.record
        outcome = {"taken": "succeeded", "rejected": "rejected"}.get(fate, "failed")
        log.add(Outcome(row=row, outcome=outcome))  # type: ignore[arg-type] # one of them
        noted.append((row, outcome))
        if number == flushed_at:
            log.flush()
            learn(model, noted, taken, run)
    if killed_at is None:
        log.flush()
        learn(model, noted, taken, run)
    lost |= {row.key for row, _ in noted}


def learn(
    model: Model,
    noted: list[tuple[Row, str]],
    taken: dict[tuple[str, str], str],
    run: int,
) -> None:
    for row, outcome in noted:
        model.learn(row, outcome, run)
        if outcome == "succeeded":
            taken.pop((row.key, row.operation + text(row.record or {})), None)
    noted.clear()


def settle(
    work: Bench,
    model: Model,
    destination: dict[str, Any],
    payload: Payload,
    lost: set[str],
) -> None:
    """At last all goes well: the destination holds what it should, and it is quiet."""
    work.ask("retry", rejected=True)
    model.ask("rejected")
    plan = work.plan()
    log = work.write_log("last", plan.last_logged_at)
    for row in list(plan.rows()):
        log.add(Outcome(row=row, outcome="succeeded"))
        lost.discard(row.key)
        if row.record is None:
            destination.pop(row.key, None)
        else:
            destination[row.key] = row.record
    log.flush()
    assert work.plan().planned == 0
    for key, (value, may) in payload.items():
        if may and model.mode != "insert" and key not in lost:
            assert destination[key] == {"email": key, "plan": value}
