"""Accounts: which tools this company has, from `destinations.yml`.

    hubspot_eu:
      manifest: hubspot
      settings:
        access_token: "{{ env_var('HUBSPOT_EU_TOKEN') }}"

Everything is checked when the file is read, and all problems are told at once. A
variable that is not set is a problem of its account only: other accounts work without.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from activations.actions import Setting
from activations.client import Call, check_call
from activations.documents import Document, read_document
from activations.errors import ConfigError
from activations.manifest import Manifest
from activations.redaction import redact
from activations.templates import TemplateError, compile_value

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_FROM_ENVIRONMENT = re.compile(
    r"""(\w+\ )?                             # the scheme: Bearer, Basic, Token
    \{\{ \s* env_var\( \s* (['"]) [A-Za-z_][A-Za-z0-9_]* \2 \s* \) \s* \}\}\Z""",
    re.VERBOSE,
)
_SECRET_NAME = re.compile(
    r"authorization|cookie|token|secret|password|api[-_]?key", re.I
)


@dataclass(frozen=True)
class Account:
    """An account in a tool. `unresolved` says what keeps it from being used."""

    name: str
    tool: str
    manifest: Manifest
    settings: Mapping[str, Any]
    private_network: bool = False
    secrets: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()

    def redact(self, text: str) -> str:
        """The text without the account's secrets."""
        return redact(text, self.secrets)

    def __repr__(self) -> str:
        return f"Account({self.name!r}, {self.tool!r})"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    manifest: str
    private_network: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)


class _Missing(Exception):
    """An environment variable is not set."""


def load_destinations(
    path: Path,
    *,
    catalog: Mapping[str, Manifest],
    environ: Mapping[str, str] | None = None,
) -> dict[str, Account]:
    """The accounts of the file by name; `ConfigError` with every problem found."""
    document = read_document(path)
    environ = os.environ if environ is None else environ
    entries = {} if document.data is None else document.data
    if not isinstance(entries, dict):
        raise ConfigError(document.problem((), "is not a mapping of account names."))
    accounts: dict[str, Account] = {}
    problems: list[str] = []
    for name, data in entries.items():
        reader = _AccountReader(document, str(name), environ)
        account = reader.read(data, catalog)
        problems.extend(reader.problems)
        if account is not None and not reader.problems:
            accounts[account.name] = account
    if problems:
        raise ConfigError(problems)
    return accounts


class _AccountReader:
    """Reads one account and gathers what is wrong with it."""

    def __init__(
        self, document: Document, name: str, environ: Mapping[str, str]
    ) -> None:
        self._document = document
        self._name = name
        self._environ = environ
        self.problems: list[str] = []
        self._unresolved: list[str] = []
        self._secrets: list[str] = []

    def read(self, data: Any, catalog: Mapping[str, Manifest]) -> Account | None:
        if not _NAME.match(self._name):
            self._problem((), "a name is lower-case letters, digits and underscores.")
        try:
            entry = _Entry.model_validate(data)
        except ValidationError as error:
            below = (self._name,)
            self.problems += self._document.validation_problems(error, below=below)
            return None
        try:
            manifest = catalog.get(entry.manifest)
        except ConfigError as error:
            self.problems.extend(error.problems)
            return None
        if manifest is None:
            known = ", ".join(sorted(catalog))
            message = f"there is no manifest '{entry.manifest}'. Manifests: {known}."
            self._problem(("manifest",), message)
            return None
        settings = self._settings(entry.settings, manifest)
        account = Account(
            name=self._name,
            tool=entry.manifest,
            manifest=manifest,
            settings=settings,
            private_network=entry.private_network,
            secrets=tuple(self._secrets),
            unresolved=tuple(self._unresolved),
        )
        if not self.problems and not self._unresolved:
            self._check_requests(account)
        return account

    def _settings(self, given: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
        for name in given.keys() - manifest.settings.keys():
            known = ", ".join(manifest.settings) or "none"
            message = f"'{manifest.name}' has no such setting. Settings: {known}."
            self._problem(("settings", name), message)
        settings: dict[str, Any] = {}
        for name, setting in manifest.settings.items():
            if name in given:
                settings[name] = self._value(name, given[name], setting)
            elif setting.is_required:
                message = f"'{name}' is not set: {setting.description}"
                self._problem(("settings",), message)
            else:
                settings[name] = setting.default
        return settings

    def _value(self, name: str, raw: Any, setting: Setting) -> Any:
        place = ("settings", name)
        for inner, text in _secret_texts(place, raw, is_secret=setting.secret):
            if not (isinstance(text, str) and _FROM_ENVIRONMENT.match(text)):
                message = (
                    "a secret never stands in a file (secret_in_config). "
                    "Write \"{{ env_var('NAME') }}\" and set NAME."
                )
                self._problem(inner, message)
                return None
        try:
            render = compile_value(raw, names=("env_var",))
            value = render({"env_var": self._env_var})
        except _Missing as error:
            self._unresolved.append(self._document.problem(self._at(place), str(error)))
            return None
        except TemplateError as error:
            self._problem(place, str(error))
            return None
        for _, text in _secret_texts(place, value, is_secret=setting.secret):
            self._secrets += [text, text.rpartition(" ")[2]]
        return self._checked(place, value, setting)

    def _checked(self, place: tuple[str, ...], value: Any, setting: Setting) -> Any:
        if problem := setting.problem(value):
            self._problem(place, problem)
        return value

    def _env_var(self, name: str, default: str | None = None) -> str:
        value = self._environ.get(name) or default
        if value is None:
            raise _Missing(f"the environment variable {name} is not set.")
        return value

    def _check_requests(self, account: Account) -> None:
        """What every request of the account has in common must be possible."""
        requester = account.manifest.requester
        if requester is None:
            return
        settings = dict(account.settings)
        try:
            url = requester.url(settings)
            headers = requester.shared_headers(settings)
            requester.shared_query(settings)
            call = Call(method="GET", url=url, headers=headers)
            check_call(call, private_network=account.private_network)
        except TemplateError as error:
            self._problem(("settings",), str(error))
        except ConfigError as error:
            for problem in error.problems:
                self._problem(("settings",), account.redact(problem))

    def _problem(self, place: tuple[str, ...], message: str) -> None:
        self.problems.append(self._document.problem(self._at(place), message))

    def _at(self, place: tuple[str, ...]) -> tuple[str, ...]:
        return (self._name, *place)


def _secret_texts(
    place: tuple[str, ...], value: Any, *, is_secret: bool
) -> list[tuple[tuple[str, ...], Any]]:
    """The secret values in a setting: itself, or fields whose name tells of one."""
    if is_secret:
        return [] if value is None else [(place, value)]
    if not isinstance(value, dict):
        return []
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, inner in value.items():
        secret = bool(_SECRET_NAME.search(str(key)))
        found += _secret_texts((*place, str(key)), inner, is_secret=secret)
    return found
