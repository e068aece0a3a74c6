"""Requests of a manifest that carry no records: before, between and after those."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from activations.calls import Request, RequestTemplate
from activations.responses import RESPONSE_NAMES, Part, ResponseRule
from activations.templates import Renderer, TemplateError, compile_value

SHARED_NAMES = ("settings", "sync", "options", "prepared")
ENTRY_NAMES = (
    *SHARED_NAMES,
    *("operation", "key", "record", "other", "ref", "idempotency_key"),
)
_ANSWERED = (*SHARED_NAMES, *RESPONSE_NAMES)


class Paged(Part):
    """A request that is made page after page.

    `when` says whether it is made at all; `next`, where it is not null, is the `page`
    of the same request made again.
    """

    when: str = "{{ true }}"
    request: Request
    next: str | None = None
    _known: ClassVar[tuple[str, ...]]
    """What `when` and the request may use."""
    _when: Renderer = PrivateAttr()
    _request: RequestTemplate = PrivateAttr()
    _next: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile_paged(self) -> Self:
        self._when = compile_value(self.when, names=self._known)
        self._request = self.request.compiled(names=(*self._known, "page"))
        self._next = compile_value(self.next, names=_ANSWERED)
        return self

    @property
    def template(self) -> RequestTemplate:
        return self._request

    def is_due(self, context: dict[str, Any]) -> bool:
        return bool(self._when(context))


class Step(Paged):
    """A request that is made once a run, before the first record: it gives a value.

    Pages are asked for until there is one. `wait_seconds` is how long the tool needs
    afterwards, as when an audience takes members some seconds later.
    """

    name: str
    value: str
    wait_seconds: float = Field(default=0, ge=0, le=60)
    responses: tuple[ResponseRule, ...] = Field(default=(), strict=False)
    _known = SHARED_NAMES
    _value: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Self:
        self._value = compile_value(self.value, names=_ANSWERED)
        return self

    def read(self, context: dict[str, Any]) -> tuple[Any, Any]:
        """The value that the answer gives, and the next page."""
        return self._value(context), self._next(context)


class Find(Part):
    """A request that finds the tool's own identifiers of a batch's records.

    `items` is a list in the answer; `key` names the record of an item, `ref` is what
    the tool calls it. Records that are not found are rejected, or kept without a `ref`.
    """

    entry: Any = "{{ key }}"
    request: Request
    items: str
    key: str
    ref: str
    missing: Literal["rejected", "kept"] = "rejected"
    responses: tuple[ResponseRule, ...] = Field(default=(), strict=False)
    _entry: Renderer = PrivateAttr()
    _request: RequestTemplate = PrivateAttr()
    _items: Renderer = PrivateAttr()
    _item: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Find:
        self._entry = compile_value(self.entry, names=ENTRY_NAMES)
        self._request = self.request.compiled(names={*ENTRY_NAMES, "entries", "entry"})
        self._items = compile_value(self.items, names=RESPONSE_NAMES)
        named = {"key": self.key, "ref": self.ref}
        self._item = compile_value(named, names=(*RESPONSE_NAMES, "item"))
        return self

    @property
    def template(self) -> RequestTemplate:
        return self._request

    def render_entry(self, context: dict[str, Any]) -> Any:
        return self._entry(context)

    def read(self, context: dict[str, Any]) -> list[tuple[str, str]]:
        """Key and identifier of each record that was found."""
        found = self._items(context)
        items = found if isinstance(found, list) else []
        named = [self._item({**context, "item": item}) for item in items]
        return [
            (str(each["key"]), str(each["ref"]))
            for each in named
            if each["key"] is not None and each["ref"] is not None
        ]


class Found(Paged):
    """A list in the answers to a request, of all its pages."""

    items: str
    _known = _ANSWERED
    _items: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Self:
        self._items = compile_value(self.items, names=_ANSWERED)
        return self

    def read(self, context: dict[str, Any]) -> tuple[list[Any], Any]:
        """The items of one answer, and the next page."""
        items = self._items(context)
        if items is not None and not isinstance(items, list):
            raise TemplateError(f"'{self.items}': {type(items).__name__} is no list.")
        return items or [], self._next(context)


class Job(Part):
    """Work that a tool does after it has taken a request.

    `request` asks how it is, every `every_seconds` and for at most `within_seconds`,
    until `ended`; it may use the answer that began the job, as `found` may use the one
    that says that it ended. The `responses` then judge the records, by `response.job`
    (that last answer) and `response.items` (what was found).
    """

    request: Request
    ended: str
    every_seconds: float = Field(default=5, gt=0, le=60)
    within_seconds: float = Field(default=900, gt=0, le=3600)
    found: Found | None = None
    responses: tuple[ResponseRule, ...] = Field(strict=False)
    _request: RequestTemplate = PrivateAttr()
    _ended: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> Job:
        self._request = self.request.compiled(names=_ANSWERED)
        self._ended = compile_value(self.ended, names=_ANSWERED)
        return self

    def requests(self) -> Iterator[Request]:
        """Every request that it can make."""
        yield self.request
        if self.found is not None:
            yield self.found.request

    @property
    def template(self) -> RequestTemplate:
        return self._request

    def has_ended(self, context: dict[str, Any]) -> bool:
        return bool(self._ended(context))
