"""The tracking plan as values: what dbt's manifest says of the event models.

The plan is the yml of the models in `dbt_project/models/events`. dbt writes what it has
read of them into `manifest.json`, and this reads the plan from there, so that the
collector and the commands know it without dbt.

A model plans an event when its `config.meta` names one. Its columns plan properties,
and so does `config.meta.properties`, for those that have no column. What every event
must obey stands in `config.meta.common` of the model `events`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from collector import strict_yaml

KINDS = (
    "unplanned_event",
    "unplanned_property",
    "required_missing",
    "type_mismatch",
    "enum",
    "pattern",
    "format",
    "range",
)
"""How an event can depart from the plan. Of the last five a property counts with the
first that holds, in this order."""

WITHOUT_VALUE = frozenset({"unplanned_event", "required_missing"})
"""Those that no property can be omitted for, as none is wrong."""

CALL_TYPES = ("track", "identify", "page", "screen", "group", "alias")
JSON_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
FORMATS = ("date-time", "date", "email", "uri", "uuid", "ipv4", "ipv6")
ACTIONS = ("allow", "omit", "quarantine")

SHIPPED: Mapping[str, str] = {
    kind: "allow" if kind.startswith("unplanned_") else "quarantine" for kind in KINDS
}
"""What is done about each kind where the project says nothing."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one value must be. `types` are JSON types; none means any."""

    types: tuple[str, ...] = ()
    data_type: str | None = None
    """The type of the column that the value becomes, if it has one: it must fit."""
    required: bool = False
    enum: tuple[Any, ...] | None = None
    pattern: str | None = None
    format: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    items: Rule | None = None
    """Of each element, when the value is an array."""
    properties: Mapping[str, Rule] = field(default_factory=dict)
    """Of the values inside, when the value is an object."""
    pii: bool = False
    """Whether values are about a person, and so never shown."""
    description: str = ""

    @property
    def is_nullable(self) -> bool:
        """Whether null is a value, rather than the absence of one."""
        return "null" in self.types


@dataclass(frozen=True, kw_only=True)
class PlannedEvent:
    """One event in one version, as one model plans it.

    `name` is the event of track calls, and the type itself of all others. `properties`
    are the outermost ones, by name; those inside them are in their rules.
    """

    name: str
    type: str = "track"
    version: int = 1
    properties: Mapping[str, Rule] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    """The column that holds a property, by the property's path."""
    enforcement: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    """The new name of a property by the old one."""
    aliases: tuple[str, ...] = ()
    """Names that the event had before."""
    owner: str = ""
    description: str = ""
    model: str = ""
    table: str = ""
    """What the model becomes, `schema.table`."""
    file: str = ""
    """The yml, below the dbt project."""

    @property
    def payload(self) -> str:
        """The field of the event that the properties are in."""
        return "traits" if self.type in ("identify", "group") else "properties"

    def place_of(self, path: str) -> tuple[str, ...]:
        """The keys that lead to where a property is planned, or what it lies in."""
        if path in self.columns:
            return ("columns", self.columns[path], "config", "meta", "property")
        outer = (
            path.removesuffix("[]") if path.endswith("[]") else path.rpartition(".")[0]
        )
        if outer:
            return self.place_of(outer)
        return ("config", "meta", "properties", path)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is planned. `common` are rules of every event, by path from its root."""

    events: tuple[PlannedEvent, ...] = ()
    common: Mapping[str, Rule] = field(default_factory=dict)
    enforcement: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is done about each kind: by call type, and `default` for all types."""

    def versions(self, type: str, name: str) -> tuple[PlannedEvent, ...]:
        """All versions of an event, oldest first."""
        found = (one for one in self.events if (one.type, one.name) == (type, name))
        return tuple(sorted(found, key=lambda event: event.version))

    def action(self, event: PlannedEvent | None, type: str, kind: str) -> str:
        """What is done about a violation: the most specific word counts."""
        words = (
            event.enforcement if event else {},
            self.enforcement.get(type, {}),
            self.enforcement.get("default", {}),
            SHIPPED,
        )
        return next(said[kind] for said in words if kind in said)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing wrong in the plan, and where: `place` are the keys that lead to it.

    They lead from the model's entry in its yml, or from the root of `dbt_project.yml`
    when there is no model.
    """

    file: str
    place: tuple[str, ...]
    message: str
    model: str | None = None

    def __str__(self) -> str:
        return f"{self.file}: {'.'.join(self.place)}: {self.message}"


class PlanError(Exception):
    """The plan cannot be used; `mistakes` says all that is wrong with it."""

    def __init__(self, message: str, mistakes: tuple[Mistake, ...] = ()) -> None:
        super().__init__(message)
        self.mistakes = mistakes


def load_plan(manifest: Path, *, project: Path | None = None) -> Plan:
    """The plan in a manifest of dbt; raises `PlanError` that lists all that is wrong.

    `project` is `dbt_project.yml`, for the enforcement of the whole project, which is
    no part of the manifest.
    """
    plan, mistakes = read_plan(manifest, project=project)
    if mistakes:
        raise PlanError("\n".join(map(str, mistakes)), mistakes)
    return plan


def read_plan(
    manifest: Path, *, project: Path | None = None
) -> tuple[Plan, tuple[Mistake, ...]]:
    """The plan as far as it can be understood, and what is wrong in it.

    Raises `PlanError` when the files cannot be read at all.
    """
    # Here and not above: the words become what stands above.
    from collector.plan_words import parse_plan

    variables = _variables(project) if project else {}
    try:
        nodes = json.loads(manifest.read_bytes())["nodes"].values()
        return parse_plan(
            nodes, variables, project_file=project.name if project else ""
        )
    except OSError as error:
        raise PlanError(f"{manifest}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PlanError(f"{manifest}: is no manifest of dbt") from None


def _variables(project: Path) -> Mapping[str, Any]:
    try:
        document = strict_yaml.load(project.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"{project}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError(f"{project}: is not valid YAML: {error}") from None
    found = document.get("vars") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
