"""A sync: which rows go where, and how."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

from activations.actions import Action, Mode
from activations.destinations import Account
from activations.guards import Guards

Leave = Literal["nothing", "delete", "set"]
Priority = Literal["high", "normal", "low"]
_LEAVES_NOTHING_BEHIND: tuple[Mode, ...] = ("mirror", "audience")


@dataclass(frozen=True)
class Sync:
    """A sync: which table goes to which action of which account, and how.

    `model` is dbt's id of the model; `schema` and `table` are where the published
    database holds its rows. `on_leave` is what becomes of a row that this sync sent
    and the payload no longer has; `leave_values` are what it is set to.
    """

    name: str
    model: str
    schema: str
    table: str
    account: Account
    action_name: str
    mode: Mode
    key: str
    schedule: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    on_leave: Leave | None = None
    leave_values: Mapping[str, Any] = field(default_factory=dict)
    consent: tuple[str, ...] = ()
    watermark: str | None = None
    guards: Guards = field(default_factory=Guards)
    priority: Priority = "normal"

    @property
    def action(self) -> Action:
        return self.account.manifest.actions[self.action_name]

    @property
    def target(self) -> str:
        """What of the account the rows go to: the action, and the options set for it.

        The log remembers by it, so that a sync which is pointed to another list starts
        from nothing there.
        """
        options = self.action.options
        chosen = {
            name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for name, value in sorted(self.options.items())
            if value != options[name].default
        }
        return self.action_name + (f"?{urlencode(chosen)}" if chosen else "")

    @property
    def leave(self) -> Leave:
        """What becomes of a row that leaves the payload."""
        if self.on_leave is not None:
            return self.on_leave
        return "delete" if self.mode in _LEAVES_NOTHING_BEHIND else "nothing"

    @property
    def withdrawal(self) -> Leave:
        """What becomes of a row that was sent and whose consent is withdrawn."""
        if self.leave != "nothing" or self.mode in ("update", "append"):
            return self.leave
        return "delete" if self.action.can_delete else "nothing"


def is_sent(column: str) -> bool:
    """Whether a column goes to the destination; `_profile_id` and its like do not."""
    return not column.startswith("_")
