"""Connectors: what a manifest cannot say, as one Python function each.

A connector is a module of this folder with two functions. `deliver` is given a batch
and the account's settings, makes the destination hold it, and gives back an outcome
for each row: only when the effect is durable. It may be called again with rows that it
has already written. An `OSError` marks the rows without an outcome as failed; another
error leaves them planned. A module that sets `NOTES_EACH` does what cannot be done
twice, so each of its outcomes is written down before it goes on. `check` changes
nothing, and raises what keeps the account from being used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

Planned = Literal["insert", "update", "delete"]


class Row(NamedTuple):
    """A planned row: the record that a key shall have (None where it is deleted).

    `ref` is the identifier that the destination gave it. `idempotency_key` stays the
    same until the row is known to be delivered. `goes_alone` is true where the last
    attempt at this key failed, perhaps because of this row. A tuple, because runs make
    one for each of their rows.
    """

    operation: Planned
    key: str
    fingerprint: str
    record: Mapping[str, Any] | None
    ref: str | None = None
    idempotency_key: str = ""
    goes_alone: bool = False


@dataclass(frozen=True)
class Batch:
    """Rows of one sync, in the order of the plan. Each key stands once.

    `types` are DuckDB's types of the payload's columns. `options` are what the sync
    sets for the action. A connector that opens a connection asks `egress` for it, with
    `private_network` as the account says; one that has a rate shares it with the
    account's other syncs, by `rates`, below `log_dir`.
    """

    sync: str
    key: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    action: str = ""
    mode: str = "upsert"
    types: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    private_network: bool = False
    account: str = ""
    priority: int = 0
    log_dir: Path | None = None


class Outcome(NamedTuple):
    """What became of a row."""

    row: Row
    outcome: Literal["succeeded", "rejected", "failed", "held"]
    code: str | None = None
    message: str | None = None
    ref: str | None = None
    attempts: int = 0
    request_ms: float | None = None


Connector = Callable[[Batch, Mapping[str, Any]], Iterable[Outcome]]
Check = Callable[[Mapping[str, Any], bool], None]


def connector_names() -> tuple[str, ...]:
    """The connectors there are: the modules of this folder."""
    files = Path(__file__).parent.glob("*.py")
    return tuple(sorted(f.stem for f in files if f.stem != "__init__"))


def load_connector(name: str) -> Connector:
    """The function of the connector `name`."""
    module = importlib.import_module(f"activations.connectors.{name}")
    deliver: Connector = module.deliver
    return deliver


def notes_each(name: str) -> bool:
    """Whether an outcome is written down before the connector `name` goes on."""
    module = importlib.import_module(f"activations.connectors.{name}")
    return bool(getattr(module, "NOTES_EACH", False))


def load_check(name: str) -> Check:
    """What proves that an account can be used by the connector `name`.

    Called with the settings and whether the account is on a private network.
    """
    module = importlib.import_module(f"activations.connectors.{name}")
    check: Check = module.check
    return check
