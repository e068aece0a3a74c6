"""Reads `meta.sync` of a dbt model, and tells everything that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from activations.actions import Action, Mode
from activations.cron import cron_problem
from activations.destinations import Account
from activations.guards import Guards
from activations.sync import Leave, Priority, Sync, is_sent

FOLDER = "models/syncs/"
PROFILE = "profile_id"
"""The column that says whose a row is; as `_profile_id` it stays out of the payload."""


class _OnLeave(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    values: dict[str, str | int | FiniteFloat | bool | None] = Field(
        alias="set", min_length=1
    )


class _SyncMeta(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    destination: str
    action: str
    mode: Mode
    key: str
    schedule: str | None = None
    control_group: Literal["honour", "ignore"] = "honour"
    options: dict[str, Any] = Field(default_factory=dict)
    on_leave: Literal["nothing", "delete"] | _OnLeave | None = None
    consent: list[str] = Field(default_factory=list)
    watermark: str | None = None
    guards: Guards = Field(default_factory=Guards)
    priority: Priority = "normal"

    @property
    def leave(self) -> Leave | None:
        return "set" if isinstance(self.on_leave, _OnLeave) else self.on_leave

    @property
    def leave_values(self) -> dict[str, Any]:
        return self.on_leave.values if isinstance(self.on_leave, _OnLeave) else {}


def is_in_folder(node: Mapping[str, Any]) -> bool:
    return str(node["original_file_path"]).replace("\\", "/").startswith(FOLDER)


class SyncReader:
    """Reads the sync of one model and gathers what is wrong with it."""

    def __init__(
        self,
        node: Mapping[str, Any],
        accounts: Mapping[str, Account],
        *,
        are_accounts_known: bool,
    ) -> None:
        self._node = node
        self._accounts = accounts
        self._are_accounts_known = are_accounts_known
        patch = node.get("patch_path") or node["original_file_path"]
        self._file = str(patch).partition("://")[2] or str(patch)
        self.problems: list[str] = []

    def read(self) -> Sync | None:
        meta = self._meta()
        if meta is None:
            return None
        if meta.schedule is not None and (wrong := cron_problem(meta.schedule)):
            self._problem("schedule", wrong)
        self._check_named_columns(meta)
        self._check_mode(meta)
        self._check_who_is_left_out(meta)
        account = self._account(meta)
        if account is None or self.problems:
            return None
        return Sync(
            name=str(self._node["name"]),
            model=str(self._node["unique_id"]),
            schema=str(self._node["schema"]),
            table=str(self._node.get("alias") or self._node["name"]),
            account=account,
            action_name=meta.action,
            mode=meta.mode,
            key=meta.key,
            schedule=meta.schedule,
            options=self._options(account.manifest.actions[meta.action], meta.options),
            on_leave=meta.leave,
            leave_values=meta.leave_values,
            consent=tuple(meta.consent),
            watermark=meta.watermark,
            guards=meta.guards,
            priority=meta.priority,
        )

    def _meta(self) -> _SyncMeta | None:
        if not is_in_folder(self._node):
            self._problem("", f"a sync lives in {FOLDER}; move the model there.")
        found = self._node["config"].get("meta", {}).get("sync")
        if found is None:
            self._problem("", "the model has no `meta.sync` that says where it goes.")
            return None
        try:
            return _SyncMeta.model_validate(found)
        except ValidationError as error:
            for wrong in error.errors(include_url=False):
                field = ".".join(str(part) for part in wrong["loc"])
                message = wrong["msg"]
                if wrong["type"] == "extra_forbidden":
                    model = Guards if wrong["loc"][0] == "guards" else _SyncMeta
                    known = ", ".join(model.model_fields)
                    message = f"there is no such key. Keys: {known}."
                self._problem(field, message)
            return None

    def _check_named_columns(self, meta: _SyncMeta) -> None:
        """The columns that the settings speak of are columns of the model."""
        columns = list(self._node.get("columns", {}))
        named = [("key", meta.key), *(("consent", name) for name in meta.consent)]
        named += [("on_leave", name) for name in meta.leave_values]
        if meta.watermark is not None:
            named.append(("watermark", meta.watermark))
        for place, name in named:
            if name not in columns:
                known = ", ".join(columns) or "none"
                message = f"'{name}' is not a column of the model. Columns: {known}."
                self._problem(place, message)
        for place, name in named:
            if place in ("key", "on_leave") and not is_sent(name):
                message = f"'{name}' is not sent, as its name begins with `_`."
                self._problem(place, message)

    def _check_mode(self, meta: _SyncMeta) -> None:
        """What the mode needs is there, and what it cannot do is not asked for."""
        if meta.mode == "append" and meta.watermark is None:
            message = (
                "append needs it: the column that grows with every row, as `sent_at`."
            )
            self._problem("watermark", message)
        if meta.mode != "append" and meta.watermark is not None:
            self._problem("watermark", "only the mode append has one.")
        if meta.mode == "append" and meta.leave not in (None, "nothing"):
            self._problem("on_leave", "append never changes what it sent.")
        if meta.mode == "audience" and meta.leave == "set":
            self._problem("on_leave", "a member is removed or stays; it has no values.")
        if meta.key in meta.leave_values:
            self._problem("on_leave", f"'{meta.key}' is the key; it stays what it is.")

    def _check_who_is_left_out(self, meta: _SyncMeta) -> None:
        """The model's materialization leaves out whom nobody may contact, if it can."""
        materialized = self._node["config"].get("materialized")
        if materialized != "sync":
            message = f"a sync is materialized as sync, not as {materialized}."
            self._problem("", message)
        is_told = PROFILE in self._node.get("columns", {}) or re.search(
            rf"\b_{PROFILE}\b", str(self._node.get("raw_code"))
        )
        if meta.control_group == "honour" and not is_told:
            message = (
                "the rows do not tell whose they are, so nobody could be left out. "
                f"Select `{PROFILE} as _{PROFILE}`, which is not sent, or say `ignore` "
                "for rows that are not about people or must reach everybody."
            )
            self._problem("control_group", message)

    def _account(self, meta: _SyncMeta) -> Account | None:
        account = self._accounts.get(meta.destination)
        if account is None:
            # With a broken destinations file the account may well be there.
            if self._are_accounts_known:
                known = ", ".join(sorted(self._accounts)) or "none"
                message = f"no account '{meta.destination}'. Accounts: {known}."
                self._problem("destination", message)
            return None
        action = account.manifest.actions.get(meta.action)
        if action is None:
            known = ", ".join(account.manifest.actions)
            message = f"'{account.tool}' has no '{meta.action}'. Actions: {known}."
            self._problem("action", message)
            return None
        if meta.mode not in action.modes:
            known = ", ".join(action.modes)
            message = f"'{meta.action}' cannot {meta.mode}. Modes: {known}."
            self._problem("mode", message)
        elif meta.leave == "delete" and not action.can_delete:
            self._problem("on_leave", f"'{meta.action}' cannot delete.")
        elif meta.leave == "set" and not {"update", "upsert"} & set(action.modes):
            self._problem("on_leave", f"'{meta.action}' cannot update.")
        self._check_options(action, meta.options)
        self._check_columns(action)
        keys = action.possible_keys
        if keys and meta.key not in keys:
            known = " or ".join(f"'{key}'" for key in keys)
            message = f"'{meta.action}' finds records by {known}; that is the key."
            self._problem("key", message)
        return account

    def _check_options(self, action: Action, given: Mapping[str, Any]) -> None:
        for name in given.keys() - action.options.keys():
            known = ", ".join(action.options) or "none"
            self._problem(f"options.{name}", f"no such option. Options: {known}.")
        for name, option in action.options.items():
            if name in given and (wrong := option.problem(given[name])):
                self._problem(f"options.{name}", wrong)
            elif name not in given and option.is_required:
                self._problem("options", f"'{name}' is not set: {option.description}")

    def _options(self, action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every option of the action, with its default where it is not set."""
        return {name: given.get(name, o.default) for name, o in action.options.items()}

    def _check_columns(self, action: Action) -> None:
        """The columns of the model are those that the action takes; none is missing."""
        columns = {name for name in self._node.get("columns", {}) if is_sent(name)}
        if not action.fields:
            return
        fields = ", ".join(action.fields)
        for name in sorted(columns - action.fields.keys()):
            if action.other_fields is None:
                self._problem("", f"the action takes no '{name}'. Fields: {fields}.")
        for name, declared in action.fields.items():
            if declared.required and name not in columns:
                what = declared.description
                self._problem("", f"the action needs the column '{name}': {what}")
        needed = action.needs_one_of
        if needed and not columns & set(needed):
            self._problem("", f"the action needs one of {', '.join(needed)}.")

    def _problem(self, field: str, message: str) -> None:
        place = f"{self._node['name']}: meta.sync" + (f".{field}" if field else "")
        self.problems.append(f"{self._file}: {place}: {message}")
