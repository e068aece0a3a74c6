"""Syncs: the models under `models/syncs`, as dbt's manifest tells of them.

`meta.sync` of a model says where its rows go and how; the model's columns are the
payload. The file that is read is what `dbt parse` or a build leaves behind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activations.actions import Action
from activations.cron import cron_problem
from activations.destinations import Account, load_destinations
from activations.errors import ConfigError
from activations.manifest import load_catalog

FOLDER = "models/syncs/"
PROFILE = "profile_id"
"""The column that says whose a row is; as `_profile_id` it stays out of the payload."""
DESTINATIONS = Path(__file__).parent / "destinations.yml"

Mode = Literal["upsert", "mirror"]


@dataclass(frozen=True)
class Sync:
    """A sync: which table goes to which action of which account, and how.

    `model` is dbt's id of the model; `schema` and `table` are where the published
    database holds its rows. Mode `upsert` inserts and updates; `mirror` also deletes
    what this sync sent and the payload no longer has.
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
    max_delete_share: float = 0.1
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        return self.account.manifest.actions[self.action_name]


class _SyncMeta(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    destination: str
    action: str
    mode: Mode
    key: str
    schedule: str | None = None
    max_delete_share: float = Field(default=0.1, ge=0, le=1)
    control_group: Literal["honour", "ignore"] = "honour"
    options: dict[str, Any] = Field(default_factory=dict)


def dbt_manifest(data_dir: Path) -> Path:
    """Where dbt leaves its manifest below the data directory."""
    return data_dir / "dbt" / "target" / "manifest.json"


def load_syncs(
    data_dir: Path,
    *,
    destinations_file: Path = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Sync]:
    """Every sync by name, checked against the accounts, the catalog and its model.

    `ConfigError` names all problems of all files at once. A variable that an account
    needs and that is not set is no problem here, only when the account is used.
    """
    syncs, _, problems = _read(data_dir, destinations_file, environ)
    if problems:
        raise ConfigError(problems)
    return syncs


def find_problems(
    data_dir: Path,
    *,
    destinations_file: Path = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Everything that keeps a sync from running, without calling anybody.

    To what `load_syncs` refuses it adds the variables that accounts need.
    """
    _, accounts, problems = _read(data_dir, destinations_file, environ)
    unset = [line for account in accounts.values() for line in account.unresolved]
    return (*problems, *unset)


def _read(
    data_dir: Path, destinations_file: Path, environ: Mapping[str, str] | None
) -> tuple[dict[str, Sync], dict[str, Account], list[str]]:
    """What can be read of the syncs and accounts, and every problem on the way."""
    syncs: dict[str, Sync] = {}
    accounts: dict[str, Account] = {}
    problems: list[str] = []
    try:
        accounts = load_destinations(
            destinations_file, catalog=load_catalog(), environ=environ
        )
    except ConfigError as error:
        problems.extend(error.problems)
    are_accounts_known = not problems
    try:
        nodes = _sync_models(dbt_manifest(data_dir))
    except ConfigError as error:
        return syncs, accounts, [*problems, *error.problems]
    for node in nodes:
        reader = _SyncReader(node, accounts, are_accounts_known=are_accounts_known)
        sync = reader.read()
        problems.extend(reader.problems)
        if sync is not None:
            syncs[sync.name] = sync
    return syncs, accounts, problems


def _sync_models(path: Path) -> list[dict[str, Any]]:
    """The models that are syncs, or say that they are."""
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"].values()
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist: dbt has not read the project yet. "
            "Run `./kith build`."
        ) from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} is not a manifest of dbt: {error}") from error
    return [
        node
        for node in sorted(nodes, key=lambda node: str(node["name"]))
        if node["resource_type"] == "model"
        and (_is_in_folder(node) or "sync" in node["config"].get("meta", {}))
    ]


def _is_in_folder(node: Mapping[str, Any]) -> bool:
    return str(node["original_file_path"]).replace("\\", "/").startswith(FOLDER)


class _SyncReader:
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
        columns = list(self._node.get("columns", {}))
        if meta.key not in columns:
            known = ", ".join(columns) or "none"
            message = f"'{meta.key}' is not a column of the model. Columns: {known}."
            self._problem("key", message)
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
            max_delete_share=meta.max_delete_share,
            options=self._options(account.manifest.actions[meta.action], meta.options),
        )

    def _meta(self) -> _SyncMeta | None:
        if not _is_in_folder(self._node):
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
                    known = ", ".join(_SyncMeta.model_fields)
                    message = f"there is no such key. Keys: {known}."
                self._problem(field, message)
            return None

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
        if meta.mode == "mirror" and not action.can_delete:
            message = f"'{meta.action}' cannot delete, so it cannot mirror. Use upsert."
            self._problem("mode", message)
        self._check_options(action, meta.options)
        self._check_columns(action)
        if action.key is not None and action.key != meta.key:
            message = (
                f"'{meta.action}' finds records by '{action.key}'; that is the key."
            )
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
        columns = self._node.get("columns", {}).keys() - {f"_{PROFILE}"}
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
