"""Requests of a manifest: written as templates, rendered to calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import Field, model_validator

from activations.json_values import json_bytes
from activations.responses import Part
from activations.templates import (
    Context,
    TemplateError,
    compile_path,
    compile_value,
    leaves_alone,
    takes_whole,
    variables,
)

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Request(Part):
    """One HTTP call: the path is below the base URL, the body `json` or `form`.

    Query parameters, headers and fields of a form whose value is null are left out;
    objects and lists in a form are JSON text. `rate` names the one of the requester's
    `rates` that it counts by, instead of the account's `rate_limit`.
    """

    method: str
    rate: str | None = None
    base_url: str | None = None
    path: str = ""
    query: dict[str, Any] = Field(default_factory=dict)
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = Field(default=None, alias="json")
    form: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_one_body(self) -> Request:
        if self.form is not None and self.body is not None:
            raise ValueError("has either 'json' or 'form'.")
        return self

    def compiled(self, *, names: Collection[str]) -> RequestTemplate:
        """The request ready to be rendered; a name that it cannot use is an error."""
        return RequestTemplate(self, names)

    def carries(self, names: Collection[str]) -> bool:
        """Whether values of these names are only ever copied, into a JSON body."""
        others = self.model_dump(exclude={"body"})
        return takes_whole(self.body, names) and leaves_alone(others, names)

    @property
    def has_one_address(self) -> bool:
        """Whether the URL is the same for every record."""
        return not variables(self.path) - {"settings", "sync", "options", "prepared"}


@dataclass(frozen=True)
class Rendered:
    """A request with its values: where it goes below the base URL, and its bytes."""

    method: str
    base_url: str | None
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    rate: str | None = None

    @property
    def size(self) -> int:
        """The bytes of its body."""
        return len(self.body or b"")


class RequestTemplate:
    """A request whose templates are compiled."""

    def __init__(self, request: Request, names: Collection[str]) -> None:
        self._method = compile_value(request.method, names=names)
        self._base_url = compile_value(request.base_url, names=names)
        self._path = compile_path(request.path, names=names)
        self._query = compile_value(request.query, names=names)
        self._headers = compile_value(request.headers, names=names)
        self._body = compile_value(
            request.body if request.form is None else request.form, names=names
        )
        self._is_form = request.form is not None
        self._rate = request.rate

    def render(self, context: Context) -> Rendered:
        """The request with the context's values."""
        content = self._body(context)
        body = None
        headers: dict[str, str] = {}
        if content is not None:
            body = form_bytes(content) if self._is_form else json_bytes(content)
            headers["Content-Type"] = FORM if self._is_form else JSON
        headers |= {
            name: _header(name, str(value))
            for name, value in self._headers(context).items()
            if value is not None
        }
        base_url = self._base_url(context)
        return Rendered(
            method=str(self._method(context)).upper(),
            base_url=None if base_url is None else str(base_url),
            path=with_query(str(self._path(context)), self._query(context)),
            headers=headers,
            body=body,
            rate=self._rate,
        )


def _header(name: str, value: str) -> str:
    """The value of a header, unless no header can have it."""
    if not value.isascii() or any(mark in value for mark in "\r\n\0"):
        raise TemplateError(f"the value of '{name}' is none that a header can have")
    return value


def with_query(url: str, query: Mapping[str, Any]) -> str:
    """The URL with these parameters; a list repeats its name."""
    text = urlencode(_present(query), doseq=True)
    if not text:
        return url
    return url + ("&" if "?" in url else "?") + text


def form_bytes(fields: Mapping[str, Any]) -> bytes:
    """The fields as a form is sent."""
    return urlencode(_present(fields, write=_as_json)).encode()


def _present(
    fields: Mapping[str, Any], *, write: Callable[[Any], Any] = lambda value: value
) -> dict[str, Any]:
    return {
        name: str(value).lower() if isinstance(value, bool) else write(value)
        for name, value in fields.items()
        if value is not None
    }


def _as_json(value: Any) -> Any:
    is_nested = isinstance(value, dict | list)
    return json_bytes(value).decode() if is_nested else value
