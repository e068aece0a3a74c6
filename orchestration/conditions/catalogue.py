"""What a definition can name: events, traits, audiences and what is related to people.

It is read from dbt's manifest, so there is no list of its own to keep: an event is a
model that plans one, a trait a column of `profiles` or of a model of traits, a relation
a `relationships` test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.conditions.comparisons import Column

PROFILES = "profiles"
PERSON = "profile_id"

_REF = re.compile(r"ref\(\s*['\"](\w+)['\"]\s*\)")


@dataclass(frozen=True)
class Table:
    """A model whose columns can be named. `title` is what an event is called."""

    model: str
    schema: str
    columns: Mapping[str, Column]
    title: str = ""


@dataclass(frozen=True)
class Relation:
    """A column of a model that holds keys of another one, as a dbt test says."""

    model: str
    column: str
    to_model: str
    to_column: str


@dataclass(frozen=True)
class Catalogue:
    """Everything that a definition can name, by the names of models."""

    events: Mapping[str, Table]
    traits: Mapping[str, Table]
    """`profiles` first, then the models of traits."""
    audiences: frozenset[str]
    tables: Mapping[str, Table]
    """Every model."""
    relations: tuple[Relation, ...] = field(default=())
    owner: str = PERSON
    """The key of those whose traits can be named."""

    def event(self, name: object) -> Table | None:
        """An event by its model or by its own name."""
        if isinstance(name, str) and name in self.events:
            return self.events[name]
        return next((one for one in self.events.values() if one.title == name), None)

    @property
    def event_names(self) -> list[str]:
        """What `event` takes."""
        titles = [one.title for one in self.events.values()]
        return [*self.events, *titles]

    def trait(self, name: object) -> tuple[Table, Column] | None:
        """A trait by its column or `model.column`; that of `profiles` comes first."""
        if not isinstance(name, str):
            return None
        model, _, column = name.rpartition(".")
        for table in self._of_owner:
            if column in table.columns and model in ("", table.model):
                return table, table.columns[column]
        return None

    @property
    def trait_names(self) -> list[str]:
        """What `trait` takes."""
        return sorted({name for table in self._of_owner for name in table.columns})

    @property
    def _of_owner(self) -> list[Table]:
        """Traits of accounts are no person's."""
        return [table for table in self.traits.values() if self.owner in table.columns]


def read_catalogue(manifest: Path) -> Catalogue:
    """The catalogue of the project that the manifest was made from."""
    nodes = json.loads(manifest.read_bytes())["nodes"]
    models = {
        node["name"]: node
        for node in nodes.values()
        if node["resource_type"] == "model" and node["package_name"] == "kith"
    }
    tables = {name: _table(node) for name, node in models.items()}
    traits = {
        name: tables[name] for name in models if models[name]["fqn"][1] == "traits"
    }
    people = {PROFILES: tables[PROFILES]} if PROFILES in tables else {}
    return Catalogue(
        events={name: tables[name] for name in tables if tables[name].title},
        traits=people | traits,
        audiences=frozenset(
            name
            for name, node in models.items()
            if node["config"]["materialized"] == "audience"
        ),
        tables=tables,
        relations=tuple(_relations(nodes)),
    )


def _table(node: Mapping[str, Any]) -> Table:
    meta = node["config"].get("meta") or {}
    columns = {
        name: Column(
            name,
            data_type=column.get("data_type"),
            description=column.get("description") or "",
            is_pii="pii" in (column.get("config", {}).get("meta") or {}),
        )
        for name, column in node["columns"].items()
    }
    title = str(meta["event"]) if "event" in meta else ""
    return Table(node["name"], node["schema"], columns, title)


def _relations(nodes: Mapping[str, Any]) -> Iterator[Relation]:
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        if test.get("name") != "relationships" or not node.get("attached_node"):
            continue
        arguments = test["kwargs"]
        target = _REF.search(str(arguments.get("to")))
        model = nodes.get(node["attached_node"])
        if target and model:
            yield Relation(
                model["name"],
                str(arguments["column_name"]),
                target[1],
                str(arguments["field"]),
            )
