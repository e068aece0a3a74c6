"""Manifests: how each tool of the catalog is spoken to.

A manifest is a YAML file in `catalog/`, found by its place; its name is the tool's. It
says what an account has to set, how requests are made and what the answers mean. What
it cannot say is a Python function in `connectors/`, which an action names instead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from activations.connectors import connector_names
from activations.documents import read_document
from activations.errors import ConfigError
from activations.responses import Part, ResponseRule
from activations.templates import Renderer, compile_path, compile_value, variables

CATALOG = Path(__file__).parent / "catalog"

REQUEST_NAMES = ("settings", "sync", "entries")
ENTRY_NAMES = (
    "settings",
    "sync",
    "operation",
    "key",
    "record",
    "ref",
    "idempotency_key",
)


class Setting(Part):
    """What an account sets. Without a default it must be set."""

    description: str
    type: Literal["string", "integer", "boolean", "object"] = "string"
    secret: bool = False
    choices: tuple[str, ...] = Field(default=(), strict=False)
    default: Any = None

    @property
    def is_required(self) -> bool:
        return "default" not in self.model_fields_set


class RateLimit(Part):
    """At most `requests` in any `seconds`, for everything an account sends."""

    requests: int = Field(gt=0)
    seconds: float = Field(gt=0)


class Signature(Part):
    """HMAC-SHA256 of the request's body, in hexadecimal, in a header."""

    header: str
    secret: str
    prefix: str = ""
    _secret: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Signature:
        self._secret = compile_value(self.secret, names=("settings",))
        return self

    def key(self, settings: dict[str, Any]) -> str | None:
        """The secret to sign with; None where the account does not sign."""
        value = self._secret({"settings": settings})
        return None if value is None else str(value)


class Requester(Part):
    """What all requests to a tool have in common."""

    base_url: str
    headers: Any = Field(default_factory=dict)
    rate_limit: RateLimit | None = None
    in_flight: int = Field(default=4, gt=0, le=64)
    timeout_seconds: float = Field(default=30, gt=0)
    idempotency_header: str | None = None
    signature: Signature | None = None
    _base_url: Renderer = PrivateAttr()
    _headers: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Requester:
        self._base_url = compile_value(self.base_url, names=("settings",))
        self._headers = compile_value(self.headers, names=("settings",))
        return self

    def url(self, settings: dict[str, Any]) -> str:
        return str(self._base_url({"settings": settings})).rstrip("/")

    def shared_headers(self, settings: dict[str, Any]) -> dict[str, str]:
        """The headers of every request; one whose value is empty is left out."""
        rendered = self._headers({"settings": settings})
        return {n: str(v) for n, v in rendered.items() if v is not None}


class Request(Part):
    """One HTTP call. `json` is the body; the path is below the base URL."""

    method: str
    path: str = ""
    body: Any = Field(default=None, alias="json")


class Operation(Part):
    """How records are inserted, updated, upserted or deleted.

    `entry` is made for each record; `request` is made for a batch of entries. With a
    batch size of 1 the request may use the record itself.
    """

    batch_size: int = Field(default=1, gt=0)
    batch_bytes: int = Field(default=1_000_000, gt=0)
    entry: Any = "{{ record }}"
    request: Request
    responses: tuple[ResponseRule, ...] = Field(default=(), strict=False)
    _entry: Renderer = PrivateAttr()
    _method: Renderer = PrivateAttr()
    _path: Renderer = PrivateAttr()
    _body: Renderer = PrivateAttr()
    _has_one_address: bool = PrivateAttr(default=True)

    @model_validator(mode="after")
    def _compile(self) -> Operation:
        names = set(REQUEST_NAMES)
        if self.batch_size == 1:
            names |= {*ENTRY_NAMES, "entry"}
        self._entry = compile_value(self.entry, names=ENTRY_NAMES)
        self._method = compile_value(self.request.method, names=("settings",))
        self._path = compile_path(self.request.path, names=names)
        self._body = compile_value(self.request.body, names=names)
        of_record = variables(self.request.path) - {"settings", "sync"}
        self._has_one_address = not of_record
        return self

    @property
    def has_one_address(self) -> bool:
        """Whether the URL is the same for every record."""
        return self._has_one_address

    def render_entry(self, context: dict[str, Any]) -> Any:
        return self._entry(context)

    def render_request(self, context: dict[str, Any]) -> tuple[str, str, Any]:
        """Method, path and body of one request."""
        method = str(self._method(context)).upper()
        return method, str(self._path(context)), self._body(context)


class Action(Part):
    """One thing an account can keep equal to a sync: contacts, a list, a file."""

    description: str
    key: str | None = None
    operations: dict[Literal["insert", "update", "upsert", "delete"], Operation] = (
        Field(default_factory=dict)
    )
    connector: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Action:
        if (self.connector is None) == (not self.operations):
            raise ValueError("needs either 'operations' or a 'connector'.")
        if self.connector is not None and self.connector not in connector_names():
            raise ValueError(
                f"there is no connector '{self.connector}'. "
                f"Connectors: {', '.join(connector_names())}."
            )
        writes = {"insert", "update"} <= self.operations.keys()
        if self.operations and not writes and "upsert" not in self.operations:
            raise ValueError("needs the operation 'upsert', or 'insert' and 'update'.")
        return self

    @property
    def can_delete(self) -> bool:
        return self.connector is not None or "delete" in self.operations

    def operation(self, name: Literal["insert", "update", "delete"]) -> Operation:
        """How the planned operation `name` is done: itself, or as an upsert."""
        if name in self.operations:
            return self.operations[name]
        return self.operations["upsert"]


class Manifest(Part):
    """A tool of the catalog."""

    name: str
    documentation: str
    settings: dict[str, Setting] = Field(default_factory=dict)
    requester: Requester | None = None
    actions: dict[str, Action] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_requester(self) -> Manifest:
        speaks_http = any(action.operations for action in self.actions.values())
        if speaks_http != (self.requester is not None):
            raise ValueError("actions with 'operations', and only they, need it.")
        return self


def load_catalog(directory: Path = CATALOG) -> dict[str, Manifest]:
    """Every manifest of the catalog by name; all problems of all files at once."""
    manifests: dict[str, Manifest] = {}
    problems: list[str] = []
    for path in sorted(directory.glob("*.yml")):
        try:
            document = read_document(path, name=f"catalog/{path.name}")
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        try:
            manifests[path.stem] = Manifest.model_validate(document.data)
        except ValidationError as error:
            problems.extend(document.validation_problems(error))
    if problems:
        raise ConfigError(problems)
    return manifests
