"""The part of a manifest that says what a tool's answers mean."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from activations.templates import Renderer, compile_value

RESPONSE_NAMES = ("settings", "options", "status", "response", "headers", "text")


class Part(BaseModel):
    """A piece of a manifest: keys that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Items(Part):
    """Where an answer speaks of single records: a list, and what stands in each item.

    An item is matched to its record by `key` (the record's key, or a list of keys), by
    `known_as` (what the tool calls it) or by `index` (its place in the request).
    `position` is the item's place in the answer, for tools that answer in the order of
    the request; it is null unless the answer has exactly one item for each record.
    `when` says which items of the list are meant.
    """

    items: str
    when: str | None = None
    key: str | None = None
    known_as: str | None = None
    index: str | None = None
    ref: str | None = None
    code: str | None = None
    message: str | None = None
    _fields: dict[str, Renderer] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _compile(self) -> Items:
        if self.key is None and self.index is None and self.known_as is None:
            raise ValueError(
                "needs 'key', 'known_as' or 'index', to match an item to its record."
            )
        self._fields["items"] = compile_value(self.items, names=RESPONSE_NAMES)
        for name in ("when", "key", "known_as", "index", "ref", "code", "message"):
            text = getattr(self, name)
            if text is not None:
                names = (*RESPONSE_NAMES, "item", "position")
                self._fields[name] = compile_value(text, names=names)
        return self

    def renderer(self, name: str) -> Renderer | None:
        return self._fields.get(name)


class ResponseRule(Part):
    """What an answer means. The first rule whose `status` and `when` fit decides.

    `partial`: the answer speaks of each record. With `accepted`, a record counts as
    delivered only when it is named there; with `rejected` alone, when it is not named,
    unless `others` says that they go again: such a tool refuses the whole batch and
    names the culprits. `ref` is what the tool calls the one record of a request.
    """

    status: int | list[int] | None = None
    when: str | None = None
    outcome: Literal["succeeded", "rejected", "retry", "fatal", "partial"]
    message: str | None = None
    code: str | None = None
    ref: str | None = None
    accepted: Items | None = None
    rejected: Items | None = None
    others: Literal["delivered", "again"] = "delivered"
    _fields: dict[str, Renderer] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _compile(self) -> ResponseRule:
        if self.status is None and self.when is None:
            raise ValueError("needs 'status' or 'when'.")
        lists = self.accepted is not None or self.rejected is not None
        if lists != (self.outcome == "partial"):
            raise ValueError("'accepted' and 'rejected' go with outcome 'partial'.")
        for name in ("when", "message", "code", "ref"):
            text = getattr(self, name)
            if text is not None:
                self._fields[name] = compile_value(text, names=RESPONSE_NAMES)
        return self

    def renderer(self, name: str) -> Renderer | None:
        return self._fields.get(name)

    @property
    def delivers_some(self) -> bool:
        """Whether some records of a request may be delivered and others not."""
        return self.outcome == "partial" and self.others == "delivered"

    def covers(self, status: int) -> bool:
        if self.status is None:
            return True
        return status in (
            [self.status] if isinstance(self.status, int) else self.status
        )
