"""The part of a manifest that says what a tool can hold, and by which requests."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from activations.auth import Auth
from activations.calls import Request, RequestTemplate
from activations.connectors import Planned, connector_names
from activations.responses import Part, ResponseRule
from activations.side_requests import ENTRY_NAMES, SHARED_NAMES, Find, Job, Step
from activations.templates import Renderer, compile_value, takes_whole

Mode = Literal["insert", "update", "upsert", "mirror", "audience", "append"]
OperationName = Literal["insert", "update", "upsert", "delete", "add", "remove"]

_RECORD_NAMES = frozenset({"record", "other"})
_BODY_NAMES = _RECORD_NAMES | {"entry", "entries"}
_CHOICES: dict[Planned, tuple[OperationName, ...]] = {
    "insert": ("insert", "upsert", "add"),
    "update": ("update", "upsert", "add"),
    "delete": ("delete", "remove"),
}


class Setting(Part):
    """What an account or a sync sets. Without a default it must be set."""

    description: str
    type: Literal["string", "integer", "boolean", "object"] = "string"
    secret: bool = False
    choices: tuple[str, ...] = Field(default=(), strict=False)
    default: Any = None

    @property
    def is_required(self) -> bool:
        return "default" not in self.model_fields_set

    def problem(self, value: Any) -> str | None:
        """What is wrong with the value that was set; None where nothing is."""
        is_typed = isinstance(value, _TYPES[self.type])
        if not is_typed or (self.type == "integer" and isinstance(value, bool)):
            return f"needs a value of type {self.type}, found {type(value).__name__}."
        if self.type == "string" and not value.strip():
            return "is empty."
        if self.choices and value not in self.choices:
            return f"'{value}' is not possible. Values: {', '.join(self.choices)}."
        return None


_TYPES: dict[str, type] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "object": dict,
}


class RecordField(Part):
    """A column that an action takes, and how its value is made what the tool wants.

    `value` is not asked where the column is null or absent.
    """

    description: str
    required: bool = False
    value: str = "{{ value }}"
    _value: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> RecordField:
        names = ("value", "row", "settings", "options")
        self._value = compile_value(self.value, names=names)
        return self

    def render(self, context: dict[str, Any]) -> Any:
        return self._value(context)


class Operation(Part):
    """How records are inserted, updated, upserted, deleted, added or removed.

    `entry` is made for each record; `request` is made for a batch of entries. With a
    batch size of 1 the request may use the record itself, and `create` is the request
    for a record that has no `ref`. Where the tool does the work only afterwards, `job`
    tells what becomes of it.
    """

    batch_size: int = Field(default=1, gt=0)
    batch_bytes: int = Field(default=1_000_000, gt=0)
    entry: Any = "{{ record }}"
    find: Find | None = None
    request: Request
    create: Request | None = None
    job: Job | None = None
    responses: tuple[ResponseRule, ...] = Field(default=(), strict=False)
    _entry: Renderer = PrivateAttr()
    _request: RequestTemplate = PrivateAttr()
    _create: RequestTemplate | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _compile(self) -> Operation:
        names = {*SHARED_NAMES, "entries"}
        if self.batch_size == 1:
            names |= {*ENTRY_NAMES, "entry"}
        self._entry = compile_value(self.entry, names=ENTRY_NAMES)
        self._request = self.request.compiled(names=names)
        if self.create is not None:
            if self.batch_size != 1:
                raise ValueError("'create' goes with a batch size of 1.")
            self._create = self.create.compiled(names=names)
        if self.job and any(rule.delivers_some for rule in self.responses):
            # Of what the first answer takes, only the job knows whether it was done.
            raise ValueError(
                "a 'job' tells of single records; the answer that begins it takes all "
                "of them or none, so 'partial' here needs 'others: again'."
            )
        return self

    def requests(self) -> Iterator[Request]:
        """Every request that it can make."""
        if self.find is not None:
            yield self.find.request
        yield self.request
        if self.create is not None:
            yield self.create
        if self.job is not None:
            yield from self.job.requests()

    @property
    def has_one_address(self) -> bool:
        """Whether the URL is the same for every record."""
        return self.request.has_one_address

    @cached_property
    def carries_records(self) -> bool:
        """Whether its entries hold records that no template looks into."""
        return (
            self.find is None
            and takes_whole(self.entry, _RECORD_NAMES)
            and all(request.carries(_BODY_NAMES) for request in self.requests())
        )

    @property
    def entry_renderer(self) -> Renderer:
        """Makes the entry of a record."""
        return self._entry

    def template(self, ref: str | None) -> RequestTemplate:
        """The request for a record that has this `ref`, or for a batch."""
        if ref is None and self._create is not None:
            return self._create
        return self._request


class Action(Part):
    """One thing an account can keep equal to a sync: contacts, a list, a file.

    Without `fields` it takes every column as it is. With them it takes these, and
    others only where `other_fields` says what becomes of them. A connector is told
    with the `modes` that it knows; what requests can do is seen from their operations.
    """

    description: str
    key: str | None = None
    keys: tuple[str, ...] = Field(default=(), strict=False)
    auth: Auth | None = None
    options: dict[str, Setting] = Field(default_factory=dict)
    fields: dict[str, RecordField] = Field(default_factory=dict)
    other_fields: str | None = None
    needs_one_of: tuple[str, ...] = Field(default=(), strict=False)
    prepare: tuple[Step, ...] = Field(default=(), strict=False)
    operations: dict[OperationName, Operation] = Field(default_factory=dict)
    connector: str | None = None
    given_modes: tuple[Mode, ...] = Field(default=(), strict=False, alias="modes")

    @model_validator(mode="after")
    def _is_complete(self) -> Action:
        if (self.connector is None) == (not self.operations):
            raise ValueError("needs either 'operations' or a 'connector'.")
        if self.connector is not None and self.connector not in connector_names():
            raise ValueError(
                f"there is no connector '{self.connector}'. "
                f"Connectors: {', '.join(connector_names())}."
            )
        if self.operations and not {"insert", "upsert", "add"} & self.operations.keys():
            raise ValueError("needs the operation 'upsert', 'insert' or 'add'.")
        if (self.connector is None) == bool(self.given_modes):
            raise ValueError("actions with a 'connector', and only they, need 'modes'.")
        for name in ("needs_one_of", "keys"):
            if unknown := set(getattr(self, name)) - self.fields.keys():
                raise ValueError(f"'{name}' names no field: {sorted(unknown)}.")
        if self.key is not None and self.keys:
            raise ValueError("has either 'key' or 'keys'.")
        return self

    def requests(self) -> Iterator[Request]:
        """Every request that it can make."""
        yield from (step.request for step in self.prepare)
        for operation in self.operations.values():
            yield from operation.requests()

    @property
    def possible_keys(self) -> tuple[str, ...]:
        """The columns that can be a sync's key; none where every column can."""
        return self.keys if self.key is None else (self.key,)

    @property
    def can_delete(self) -> bool:
        return "mirror" in self.given_modes or self._has("delete")

    @property
    def carries_records(self) -> bool:
        """Whether records go out as they are: no template looks into one."""
        operations = self.operations.values()
        return (
            bool(operations)
            and not self.fields
            and all(operation.carries_records for operation in operations)
        )

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes in which a sync can use the action."""
        if self.connector is not None:
            return self.given_modes
        if "add" in self.operations:
            return ("audience",) if self._has("delete") else ("insert",)
        can_upsert = self._has("insert") and self._has("update")
        possible: dict[Mode, bool] = {
            "insert": self._has("insert"),
            "update": self._has("update"),
            "upsert": can_upsert,
            "mirror": can_upsert and self._has("delete"),
            "append": self._has("insert"),
        }
        return tuple(mode for mode, is_possible in possible.items() if is_possible)

    def operation(self, planned: Planned) -> Operation:
        """How the planned operation is done: itself, as an upsert, or as a member."""
        (name, *_) = (n for n in _CHOICES[planned] if n in self.operations)
        return self.operations[name]

    def _has(self, planned: Planned) -> bool:
        return any(name in self.operations for name in _CHOICES[planned])
