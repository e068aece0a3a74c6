"""Manifests: how each tool of the catalog is spoken to.

A manifest is a YAML file in `catalog/`, found by its place; its name is the tool's. It
says what an account has to set, how requests are made and what the answers mean. What
it cannot say is a Python function in `connectors/`, which an action names instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from activations.actions import Action, Setting
from activations.auth import Auth
from activations.calls import Request, RequestTemplate
from activations.documents import read_document
from activations.errors import ConfigError
from activations.rates import Rate
from activations.responses import Part, ResponseRule
from activations.templates import Renderer, compile_value

CATALOG = Path(__file__).parent / "catalog"


class RateLimit(Part):
    """At most `requests` in any `seconds`."""

    requests: int = Field(gt=0)
    seconds: float = Field(gt=0)


Windows = RateLimit | Annotated[tuple[RateLimit, ...], Field(strict=False)]
"""One limit, or several of which each holds."""


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
    """What all requests to a tool have in common.

    `rate_limit` is for everything an account sends, but for the requests that name one
    of the `rates`: the tool counts these by themselves.
    """

    base_url: str
    headers: Any = Field(default_factory=dict)
    query: dict[str, Any] = Field(default_factory=dict)
    auth: Auth | None = None
    rate_limit: Windows = ()
    rates: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], Windows] = Field(
        default_factory=dict
    )
    in_flight: int = Field(default=4, gt=0, le=64)
    timeout_seconds: float = Field(default=30, gt=0)
    idempotency_header: str | None = None
    signature: Signature | None = None
    _base_url: Renderer = PrivateAttr()
    _headers: Renderer = PrivateAttr()
    _query: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Requester:
        self._base_url = compile_value(self.base_url, names=("settings",))
        self._headers = compile_value(self.headers, names=("settings",))
        self._query = compile_value(self.query, names=("settings",))
        return self

    def rate(self, name: str | None) -> Rate:
        """The rate of this name, or the one of all requests that name none."""
        windows = self.rate_limit if name is None else self.rates[name]
        listed = (windows,) if isinstance(windows, RateLimit) else windows
        return [(window.requests, window.seconds) for window in listed]

    def url(self, settings: dict[str, Any]) -> str:
        return str(self._base_url({"settings": settings})).rstrip("/")

    def shared_headers(self, settings: dict[str, Any]) -> dict[str, str]:
        """The headers of every request; one whose value is empty is left out."""
        rendered = self._headers({"settings": settings})
        return {n: str(v) for n, v in rendered.items() if v is not None}

    def shared_query(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The parameters of every request."""
        found: dict[str, Any] = self._query({"settings": settings})
        return found


class Check(Part):
    """A request that changes nothing and proves that the credential is accepted."""

    request: Request
    responses: tuple[ResponseRule, ...] = Field(default=(), strict=False)
    _request: RequestTemplate = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Check:
        self._request = self.request.compiled(names=("settings",))
        return self

    @property
    def template(self) -> RequestTemplate:
        return self._request


class Manifest(Part):
    """A tool of the catalog.

    `check` is asked by `kith destination check`. `erase` names the action whose records
    are people that the tool shall forget: a sync of such requests is an ordinary sync.
    """

    name: str
    documentation: str
    settings: dict[str, Setting] = Field(default_factory=dict)
    requester: Requester | None = None
    check: Check | None = None
    erase: str | None = None
    actions: dict[str, Action] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_requester(self) -> Manifest:
        speaks_http = any(action.operations for action in self.actions.values())
        if speaks_http != (self.requester is not None):
            raise ValueError("actions with 'operations', and only they, need it.")
        if self.erase is not None and self.erase not in self.actions:
            raise ValueError(f"'erase' names no action: {self.erase}.")
        return self

    @model_validator(mode="after")
    def _has_rates(self) -> Manifest:
        known = self.requester.rates if self.requester is not None else {}
        requests = [r for action in self.actions.values() for r in action.requests()]
        if self.check is not None:
            requests.append(self.check.request)
        for request in requests:
            if request.rate is not None and request.rate not in known:
                raise ValueError(
                    f"there is no rate '{request.rate}'. "
                    f"Rates: {', '.join(known) or 'none'}."
                )
        return self


class Catalog(Mapping[str, Manifest]):
    """The tools that there are. A manifest is read when it is first asked for.

    Reading one that is wrong raises `ConfigError` with everything that is.
    """

    def __init__(self, directory: Path = CATALOG) -> None:
        self._files = {path.stem: path for path in sorted(directory.glob("*.yml"))}
        self._read: dict[str, Manifest] = {}

    def __getitem__(self, name: str) -> Manifest:
        if name not in self._read:
            self._read[name] = _read_manifest(self._files[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def load_catalog(directory: Path = CATALOG) -> dict[str, Manifest]:
    """Every manifest of the catalog by name; all problems of all files at once."""
    catalog = Catalog(directory)
    manifests: dict[str, Manifest] = {}
    problems: list[str] = []
    for name in catalog:
        try:
            manifests[name] = catalog[name]
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(problems)
    return manifests


def _read_manifest(path: Path) -> Manifest:
    document = read_document(path, name=f"catalog/{path.name}")
    try:
        return Manifest.model_validate(document.data)
    except ValidationError as error:
        raise ConfigError(document.validation_problems(error)) from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema of manifests; `catalog/manifest.schema.json` is its copy."""
    return Manifest.model_json_schema(by_alias=True)
