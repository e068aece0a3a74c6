"""Channels: where alerts go, from `alerts.yml`.

channels:
  on_call:
    account: ops_slack          # of destinations.yml
    action: message             # of its tool
    options: {}                 # what the action can be told
    record: {text: "{{ text }}"}
    states: [critical]          # else warning and critical
    syncs: ["crm__*"]           # else all
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activations.actions import Action
from activations.destinations import Account
from activations.documents import read_document
from activations.errors import ConfigError
from activations.templates import Renderer, TemplateError, compile_value

NAMES = (
    *("alert_id", "title", "text", "sync", "state", "previous_state"),
    *("reason", "at"),
)
"""What an alert tells, and what templates of a record can name."""

_WHOLE = {name: f"{{{{ {name} }}}}" for name in NAMES}


@dataclass(frozen=True)
class Channel:
    """An account and an action that alerts about some syncs go to."""

    name: str
    account: Account
    action: str
    options: Mapping[str, Any]
    states: frozenset[str]
    syncs: tuple[str, ...]
    record: Renderer

    def is_about(self, sync: str) -> bool:
        return any(fnmatchcase(sync, pattern) for pattern in self.syncs)


class _Channel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    account: str
    action: str
    options: dict[str, Any] = Field(default_factory=dict)
    record: dict[str, Any] = Field(default=_WHOLE, min_length=1)
    states: list[Literal["warning", "critical"]] = Field(
        default=["warning", "critical"], min_length=1
    )
    syncs: list[str] = Field(default=["*"], min_length=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    channels: dict[str, _Channel] = Field(default_factory=dict)


def load_channels(path: Path, accounts: Mapping[str, Account]) -> list[Channel]:
    """The channels of the file; `ConfigError` with every problem found."""
    document = read_document(path)
    try:
        file = _File.model_validate(document.data or {})
    except ValidationError as error:
        raise ConfigError(document.validation_problems(error)) from error
    problems: list[str] = []
    channels = []
    for name, given in file.channels.items():
        account = accounts.get(given.account)
        found = _problems(given, account, accounts)
        for place, message in found:
            problems.append(document.problem(("channels", name, *place), message))
        if account is not None and not found:
            channels.append(_channel(name, given, account))
    if problems:
        raise ConfigError(problems)
    return channels


def channel_problems(path: Path, accounts: Mapping[str, Account]) -> tuple[str, ...]:
    """Everything that is wrong with the file."""
    try:
        load_channels(path, accounts)
    except ConfigError as error:
        return error.problems
    return ()


def _channel(name: str, given: _Channel, account: Account) -> Channel:
    action = account.manifest.actions[given.action]
    options = {key: each.default for key, each in action.options.items()}
    return Channel(
        name=name,
        account=account,
        action=given.action,
        options=options | given.options,
        states=frozenset(given.states),
        syncs=tuple(given.syncs),
        record=compile_value(given.record, names=NAMES),
    )


def _problems(
    given: _Channel, account: Account | None, accounts: Mapping[str, Account]
) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with a channel, each with its place in it."""
    if account is None:
        known = ", ".join(sorted(accounts)) or "none"
        message = f"no account '{given.account}'. Accounts: {known}."
        return [(("account",), message)]
    action = account.manifest.actions.get(given.action)
    if action is None:
        known = ", ".join(account.manifest.actions)
        message = f"'{account.tool}' has no '{given.action}'. Actions: {known}."
        return [(("action",), message)]
    problems = [*_option_problems(given, action), *_record_problems(given, action)]
    if action.connector is None and not {"insert", "upsert"} & action.operations.keys():
        message = f"'{given.action}' inserts nothing, so it takes no message."
        problems.append((("action",), message))
    return problems


def _option_problems(
    given: _Channel, action: Action
) -> list[tuple[tuple[str, ...], str]]:
    problems: list[tuple[tuple[str, ...], str]] = []
    for name in sorted(given.options.keys() - action.options.keys()):
        known = ", ".join(action.options) or "none"
        problems.append((("options", name), f"no such option. Options: {known}."))
    for name, option in action.options.items():
        if name in given.options:
            if wrong := option.problem(given.options[name]):
                problems.append((("options", name), wrong))
        elif option.is_required:
            message = f"'{name}' is not set: {option.description}"
            problems.append((("options",), message))
    return problems


def _record_problems(
    given: _Channel, action: Action
) -> list[tuple[tuple[str, ...], str]]:
    problems: list[tuple[tuple[str, ...], str]] = []
    try:
        compile_value(given.record, names=NAMES)
    except TemplateError as error:
        problems.append((("record",), str(error)))
    if action.fields:
        known = ", ".join(action.fields)
        for name in sorted(given.record.keys() - action.fields.keys()):
            if action.other_fields is None:
                message = f"the action takes no '{name}'. Fields: {known}."
                problems.append((("record",), message))
        for name, field in action.fields.items():
            if field.required and name not in given.record:
                message = f"the action needs '{name}': {field.description}"
                problems.append((("record",), message))
    if action.needs_one_of and not given.record.keys() & set(action.needs_one_of):
        message = f"the action needs one of {', '.join(action.needs_one_of)}."
        problems.append((("record",), message))
    return problems
