"""What a definition can name: events, traits, audiences and what is related to people.

It is read from dbt's manifest, so there is no list of its own to keep: an event is a
model that plans one or enriches such a one, a trait a column of `profiles` or of a
model of traits, a relation a `relationships` test.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestration.conditions.comparisons import Column

PROFILES = "profiles"
PERSON = "profile_id"

Node = Mapping[str, Any]

_WITH_ROWS = ("model", "seed", "snapshot")
_REF = re.compile(r"ref\(\s*['\"](\w+)['\"]\s*\)")


@dataclass(frozen=True)
class Table:
    """A model whose columns can be named. `title` is what an event is called, and
    `enriches` the model that has the same events without what was looked up."""

    model: str
    schema: str
    columns: Mapping[str, Column]
    title: str = ""
    enriches: str = ""


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
    """Every model, seed and snapshot."""
    relations: tuple[Relation, ...] = field(default=())
    keys: frozenset[tuple[str, frozenset[str]]] = field(default=frozenset())
    """Models with columns that are unique together, as a dbt test says."""
    owner: str = PERSON
    """The key of those whose traits can be named."""

    def event(self, name: object, asked: object = None) -> Table | None:
        """An event by its model or by its own name.

        What is `asked` of it may name properties. Where the event does not have them
        all, it is the model that enriches it, if there is one.
        """
        events = [one for one in self.events.values() if not one.enriches]
        found = next((one for one in events if name in (one.model, one.title)), None)
        if found is None:
            return self.events.get(name) if isinstance(name, str) else None
        if _properties_in(asked) <= found.columns.keys():
            return found
        return self.enriched(found.model) or found

    def enriched(self, event: str) -> Table | None:
        """The model that enriches an event, given by its model."""
        enriched = (one for one in self.events.values() if one.enriches == event)
        return next(enriched, None)

    @property
    def event_names(self) -> list[str]:
        """What `event` takes."""
        return [*self.events, *{one.title: None for one in self.events.values()}]

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
    tables = {
        node["name"]: _table(node)
        for node in nodes.values()
        if node["resource_type"] in _WITH_ROWS and node["package_name"] == "kith"
    }
    tables |= dict(_enriched(models, tables))
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
        keys=frozenset(_keys(nodes)),
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


def _enriched(
    models: Mapping[str, Node], tables: Mapping[str, Table]
) -> Iterator[tuple[str, Table]]:
    """The models that enrich an event: they have its columns too, and one for each
    lookup that tells whether anything was found."""
    for name, node in models.items():
        meta = node["config"].get("meta") or {}
        event = tables.get(str(meta.get("enriches")))
        lookups = meta.get("lookups")
        if event is not None and event.title and isinstance(lookups, Mapping):
            flags = {flag: Column(flag, "boolean") for flag in map(flag_of, lookups)}
            columns = {**event.columns, **tables[name].columns, **flags}
            table = replace(tables[name], columns=columns, title=event.title)
            yield name, replace(table, enriches=event.model)


def flag_of(lookup: object) -> str:
    """The column that tells whether a lookup found anything."""
    return f"is_{lookup}_known"


def _keys(nodes: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    for node in nodes.values():
        test = node.get("test_metadata") or {}
        model = nodes.get(node.get("attached_node"))
        if node["config"].get("where"):
            continue  # Among other rows it may stand twice.
        if model and test.get("name") == "unique":
            yield model["name"], frozenset({str(test["kwargs"]["column_name"])})
        elif model and test.get("name") == "unique_key":
            yield model["name"], frozenset(map(str, test["kwargs"]["columns"]))


def _properties_in(asked: object) -> set[str]:
    """The properties that a part of a definition names, however deep."""
    if isinstance(asked, list):
        return {name for one in asked for name in _properties_in(one)}
    if not isinstance(asked, Mapping):
        return set()
    named = asked.get("property")
    inside = {name for one in asked.values() for name in _properties_in(one)}
    return inside | ({named} if isinstance(named, str) else set())
