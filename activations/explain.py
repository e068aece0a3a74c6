"""What became of rows: those that did not arrive, and one row's whole story."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from activations.facts import facts_of
from activations.json_values import json_text, read_number
from activations.plan import Plan
from collector.settings import CollectorSettings
from profiles.sql_names import quoted

_WAITS = {
    "refused": "waits until it changes, or for `kith sync retry --rejected`",
    "capped": "waits until its frequency caps leave a contact",
    "dead": "waits until it changes, or for `kith sync retry`",
}


@dataclass(frozen=True)
class Trouble:
    """A row that is to be sent and whose last outcome is not that it succeeded."""

    key: str
    operation: str
    outcome: str
    code: str | None
    message: str | None
    at: datetime
    since: datetime
    runs: int
    verdict: str

    @property
    def next(self) -> str:
        """What the next run does about it."""
        if self.outcome == "held":
            return "waits for the guard, or for `kith sync release`"
        return _WAITS.get(self.verdict, "the next run sends it again")


def find_troubles(plan: Plan, *, data_dir: Path) -> list[Trouble]:
    """The rows of the plan that have not arrived though they were tried, or are held.

    Those that wait for somebody come first, then the latest.
    """
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    with facts_of(plan.con, raw, plan.sync.name, log_dir=data_dir / "log"):
        rows = plan.con.execute(
            """
            with

            log as (

                select
                    logged.*,
                    changes.operation as planned,
                    changes.verdict
                from sync_log_rows as logged
                inner join sync_changes as changes on logged.key = changes.key
                inner join sync_states as states on logged.key = states.key
                where
                    logged.destination = $destination
                    and logged.action = $action
                    and logged.at > coalesce(states.effect.at, timestamptz '1970-01-01')
            )

            select
                key,
                any_value(planned),
                arg_max(outcome, log.at),
                arg_max(code, log.at),
                arg_max(message, log.at),
                max(log.at),
                min(log.at),
                count(distinct run_id),
                any_value(verdict)
            from log
            group by key
            order by any_value(verdict) = 'send', max(log.at) desc, key
            """,
            _target(plan),
        ).fetchall()
    return [Trouble(*row) for row in rows]


@dataclass(frozen=True)
class Explanation:
    """All that is known of one key of a sync, and what follows from it."""

    sync: str
    key: str
    conclusion: str
    record: Mapping[str, Any] | None
    fingerprint: str | None
    destination_fingerprint: str | None
    destination_ref: str | None
    delivered_at: datetime | None
    history: tuple[Mapping[str, Any], ...]
    requests: tuple[Mapping[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def describe(self) -> Iterator[str]:
        """The story in lines, for people."""
        yield f"{self.sync}: {self.key}"
        yield f"  {self.conclusion}"
        yield f"payload: {_text(self.record)}"
        if self.destination_fingerprint is None:
            yield "destination: holds nothing of this sync for it, as far as is known"
        else:
            same = self.destination_fingerprint == self.fingerprint
            what = "this row" if same else "another row; only its fingerprint is known"
            yield f"destination: holds {what}, sent {self.delivered_at:%F %T}"
            if self.destination_ref is not None:
                yield f"  which it calls {self.destination_ref}"
        yield "outcomes:" if self.history else "outcomes: none"
        for row in self.history:
            where = f"{row['destination']}, {row['action']}"
            why = " ".join(str(row[name]) for name in ("code", "message") if row[name])
            yield (
                f"  {row['at']:%F %T}  {row['operation']:6}  {row['outcome']:9}  "
                f"{where}  {why}".rstrip()
            )
        for row in self.requests:
            yield f"  {row['at']:%F %T}  {row['request']} by {row['requested_by']}"


def explain(plan: Plan, key: str, *, data_dir: Path) -> Explanation:
    """The story of one key: its row now, what was sent of it, and what comes next."""
    raw = CollectorSettings(data_dir=data_dir).raw_place()
    with facts_of(plan.con, raw, plan.sync.name, log_dir=data_dir / "log"):
        history = _rows(
            plan,
            "select * from sync_log_rows as logged where key = $key order by logged.at",
            key,
        )
        requests = _rows(
            plan,
            "select * from sync_requests_rows as asked "
            "where key = $key or key is null order by asked.at",
            key,
        )
    payload = _first(plan, "select * from sync_payload where key = $key", key)
    state = _first(plan, "select * from sync_states where key = $key", key)
    change = _first(plan, "select * from sync_changes where key = $key", key)
    effect = state.get("effect") if state.get("is_held") else None
    conclusion = _conclusion(plan, key, payload=payload, state=state, change=change)
    return Explanation(
        sync=plan.sync.name,
        key=key,
        conclusion=conclusion,
        record=_read(payload["record"]) if payload else None,
        fingerprint=payload.get("fingerprint"),
        destination_fingerprint=state.get("held_fingerprint") if effect else None,
        destination_ref=effect["ref"] if effect else None,
        delivered_at=effect["at"] if effect else None,
        history=tuple(history),
        requests=tuple(requests),
    )


def _conclusion(
    plan: Plan,
    key: str,
    *,
    payload: Mapping[str, Any],
    state: Mapping[str, Any],
    change: Mapping[str, Any],
) -> str:
    """Why the row is planned, or why not."""
    sync = plan.sync
    if change:
        return _conclusion_of_change(plan, change, state, is_in_payload=bool(payload))
    account = sync.account.name
    if payload and not payload["is_allowed"]:
        return f"It is left out: not all of {', '.join(sync.consent)} are true."
    if payload and payload["fingerprint"] != state.get("held_fingerprint"):
        return f"It has changed, but the mode {sync.mode} leaves it as it was sent."
    if payload:
        return f"Nothing is to be done: {account} holds the row as it is."
    if sync.watermark is not None and _is_in_table(plan, key):
        return "Its watermark is below that of the last run: it is not looked at."
    if not state.get("is_held"):
        return f"It is not in the payload, and {account} holds nothing of it."
    if sync.leave == "set":
        return f"It left the payload, and {account} was told so."
    return f"It left the payload; {account} keeps it, as `on_leave` says."


def _conclusion_of_change(
    plan: Plan,
    change: Mapping[str, Any],
    state: Mapping[str, Any],
    *,
    is_in_payload: bool,
) -> str:
    is_unsure = state.get("is_in_doubt", False)
    why = {
        "new": "it is new to the destination",
        "changed": "it has changed",
        "again": "an attempt since then may have arrived, without an answer"
        if is_unsure
        else "a resync was asked for",
        "left": "consent is not given any more"
        if is_in_payload
        else "it has left the payload",
    }[change["kind"]]
    planned = f"To {change['operation']}, as {why}"
    if change["verdict"] == "refused":
        return (
            f"{planned}; but {plan.sync.account.name} has rejected just this. It "
            f"{_WAITS['refused']}."
        )
    if change["verdict"] == "dead":
        return f"{planned}; but that failed too often. It {_WAITS['dead']}."
    if change["kind"] in plan.held_kinds:
        return f"{planned}; but the guard {plan.guard} holds it: {plan.held_reason}"
    attempt = state.get("attempt")
    if attempt and attempt["outcome"] == "failed":
        return f"{planned}: the next run tries it again."
    return f"{planned}: the next run sends it."


def _is_in_table(plan: Plan, key: str) -> bool:
    sync = plan.sync
    relation = f"{quoted(sync.schema)}.{quoted(sync.table)}"
    query = (
        # Names of the model, quoted.
        f"select 1 as found from {relation} "  # noqa: S608 - see above
        f"where cast({quoted(sync.key)} as varchar) = $key"
    )
    return bool(_first(plan, query, key))


def _first(plan: Plan, query: str, key: str) -> dict[str, Any]:
    rows = _rows(plan, query, key)
    return rows[0] if rows else {}


def _rows(plan: Plan, query: str, key: str) -> list[dict[str, Any]]:
    cursor = plan.con.execute(query, {"key": key})
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _target(plan: Plan) -> dict[str, str]:
    return {"destination": plan.sync.account.name, "action": plan.sync.target}


def _read(record: str) -> Any:
    return json.loads(record, parse_float=read_number)


def _text(record: Mapping[str, Any] | None) -> str:
    return "no row" if record is None else json_text(record)
