"""Reads what the yml of a model that enriches an event declares; tells every mistake.

config:
  meta:
    enriches: product_viewed
    lookups:
      product: {property: product_id, model: products, key: product_id}
columns:
  - {name: brand, data_type: varchar, config: {meta: {lookup: product.brand}}}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.conditions.catalogue import Catalogue, Table, flag_of
from orchestration.conditions.comparisons import Column
from orchestration.conditions.reading import Mistakes, Place, check_keys, nearest
from orchestration.lookups.definitions import Added, Enriched, Lookup

_AT_EVENT = ("config", "meta", "enriches")
_AT_LOOKUPS = ("config", "meta", "lookups")
_KEYS = ("property", "model", "key", "valid_from", "valid_to")
_PERIOD = ("valid_from", "valid_to")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def enriches(model: Mapping[str, Any]) -> bool:
    """Whether a model's entry in its yml declares lookups."""
    meta = _meta(model)
    return "enriches" in meta or "lookups" in meta


def read_enriched(
    model: Mapping[str, Any], catalogue: Catalogue, mistakes: Mistakes
) -> Enriched | None:
    """What a model's entry in its yml declares; None if it is mistaken."""
    before = len(mistakes.found)
    name, meta = str(model["name"]), _meta(model)
    event = _event(name, meta.get("enriches"), catalogue, mistakes)
    if event is None:
        return None
    found = meta.get("lookups")
    if not isinstance(found, Mapping) or not found:
        mistakes.add(
            _AT_LOOKUPS,
            "says what is looked up, as {product: {property: product_id, model: "
            "products, key: product_id}}",
        )
        return None
    reader = _Reader(event, catalogue, mistakes)
    lookups = [reader.lookup(str(name), one) for name, one in found.items()]
    known = {lookup.name: lookup for lookup in lookups if lookup is not None}
    columns = [one for one in model.get("columns") or () if isinstance(one, Mapping)]
    added = list(reader.added(columns, known, [str(name) for name in found]))
    if len(mistakes.found) > before:
        return None
    return Enriched(name, event, tuple(known.values()), tuple(added))


def _event(
    model: str, name: object, catalogue: Catalogue, mistakes: Mistakes
) -> Table | None:
    events = {one.model: one for one in catalogue.events.values() if not one.enriches}
    if not isinstance(name, str) or name not in events:
        wrong = "is missing" if name is None else f"unknown event model '{name}'"
        mistakes.add(_AT_EVENT, f"{wrong}; {nearest(name or '', events)}")
        return None
    other = catalogue.enriched(name)
    if other is not None and other.model != model:
        mistakes.add(
            _AT_EVENT, f"{other.model} enriches '{name}' already; add its lookups there"
        )
    return events[name]


@dataclass(frozen=True)
class _Reader:
    """Reads the lookups of one event."""

    event: Table
    catalogue: Catalogue
    mistakes: Mistakes

    def lookup(self, name: str, found: object) -> Lookup | None:
        place, before = (*_AT_LOOKUPS, name), len(self.mistakes.found)
        if not _NAME.fullmatch(name):
            self.mistakes.add(place, "the name of a lookup is in snake_case")
        if flag_of(name) in _lowered(self.event.columns):
            self.mistakes.add(
                place,
                f"{self.event.model} has a column '{flag_of(name)}' already, as this "
                "lookup would add; give it another name",
            )
        if not isinstance(found, Mapping):
            self.mistakes.add(place, f"has the keys {', '.join(_KEYS)}")
            return None
        check_keys(found, _KEYS, place, self.mistakes)
        property = self._property(found.get("property"), (*place, "property"))
        table = self._table(found.get("model"), (*place, "model"))
        if property is None or table is None:
            return None
        wanted = {"key": found.get("key", property.name)}
        wanted |= {key: found[key] for key in _PERIOD if key in found}
        if len(wanted) == len(_PERIOD):
            self.mistakes.add(place, "a history has both valid_from and valid_to")
        columns = {
            key: self._column(table, column, (*place, key))
            for key, column in wanted.items()
        }
        self._check_kinds(property, table, columns, place)
        if len(self.mistakes.found) > before:
            return None
        names = {key: column.name for key, column in columns.items() if column}
        self._check_unique(table, names, place)
        return Lookup(name, property.name, table, **names)

    def added(
        self,
        columns: Iterable[Mapping[str, Any]],
        lookups: Mapping[str, Lookup],
        declared: Sequence[str],
    ) -> Iterator[Added]:
        """The columns that lookups add. Of those that are `declared`, `lookups` are
        the ones without a mistake."""
        flags = {flag_of(name) for name in declared}
        known = _lowered([*self.event.columns, *flags])
        seen: set[str] = set()
        for entry in columns:
            name = str(entry.get("name"))
            place = ("columns", name)
            found = _meta(entry).get("lookup")
            own = name.lower() in known
            if name.lower() in seen:
                self.mistakes.add(place, "stands here already")
            seen.add(name.lower())
            if found is None:
                if not own:
                    self.mistakes.add(
                        place,
                        "says in config.meta.lookup what it is, as "
                        f"'{declared[0]}.{name}'",
                    )
                continue
            if own:
                self.mistakes.add(place, "is a column that the model has anyway")
            at = (*place, "config", "meta", "lookup")
            lookup, _, column = str(found).partition(".")
            if lookup not in declared:
                self.mistakes.add(
                    at, f"unknown lookup '{lookup}'; {nearest(lookup, declared)}"
                )
            elif lookup in lookups:
                source = self._column(lookups[lookup].table, column, at)
                if source is not None:
                    self._check_type(entry, source, lookups[lookup].table, place)
                    if source.is_pii and "pii" not in _meta(entry):
                        self.mistakes.add(
                            (*place, "config", "meta"),
                            f"{lookups[lookup].table.model}.{source.name} is personal; "
                            f"say pii here too, as {{lookup: {found}, pii: name}}",
                        )
                    yield Added(name, lookup, source.name)

    def _property(self, name: object, place: Place) -> Column | None:
        found = self.event.columns.get(name) if isinstance(name, str) else None
        if found is None:
            wrong = "is missing" if name is None else f"unknown property '{name}'"
            hint = nearest(name or "", self.event.columns)
            self.mistakes.add(place, f"{wrong}; {hint}")
        return found

    def _table(self, name: object, place: Place) -> Table | None:
        found = self.catalogue.tables.get(name) if isinstance(name, str) else None
        if found is None:
            wrong = "is missing" if name is None else f"unknown model '{name}'"
            hint = nearest(name or "", self.catalogue.tables)
            self.mistakes.add(place, f"{wrong}; {hint}")
        return found

    def _column(self, table: Table, name: object, place: Place) -> Column | None:
        """A column of the table; of one whose yml names none, any."""
        if isinstance(name, str) and name and not table.columns:
            return Column(name)
        found = table.columns.get(name) if isinstance(name, str) else None
        if found is None:
            hint = nearest(name or "", table.columns)
            self.mistakes.add(place, f"{table.model} has no column '{name}'; {hint}")
        return found

    def _check_kinds(
        self,
        property: Column,
        table: Table,
        columns: Mapping[str, Column | None],
        place: Place,
    ) -> None:
        for key, column in columns.items():
            if column is None:
                continue
            wanted = "time" if key in _PERIOD else property.kind
            if "unknown" not in (wanted, column.kind) and column.kind != wanted:
                other = (
                    "has to be a time"
                    if key in _PERIOD
                    else (
                        f"{property.name} is {property.data_type}; cast it in the model"
                    )
                )
                self.mistakes.add(
                    (*place, key),
                    f"{table.model}.{column.name} is {column.data_type}, {other}",
                )

    def _check_unique(
        self, table: Table, names: Mapping[str, str], place: Place
    ) -> None:
        """Nothing else keeps an event from being there twice."""
        unique = {names["key"], *([names["valid_from"]] if len(names) > 1 else [])}
        if not any(
            model == table.model and key <= unique for model, key in self.catalogue.keys
        ):
            told = " and ".join(sorted(unique))
            self.mistakes.add(
                (*place, "model"),
                f"no test says that {told} of {table.model} "
                f"{'is' if len(unique) == 1 else 'are'} unique; give it the test "
                f"{'unique' if len(unique) == 1 else 'unique_key'}, or an event could "
                "be there twice",
            )

    def _check_type(
        self, entry: Mapping[str, Any], source: Column, table: Table, place: Place
    ) -> None:
        found, wanted = entry.get("data_type"), source.data_type
        if wanted and not found:
            self.mistakes.add((*place, "data_type"), f"is missing; it is {wanted}")
        elif wanted and str(found).lower() != wanted.lower():
            self.mistakes.add(
                (*place, "data_type"),
                f"is {found}, but {table.model}.{source.name} is {wanted}",
            )


def _lowered(names: Iterable[str]) -> set[str]:
    """Names as databases compare them, which tell no `Brand` from a `brand`."""
    return {name.lower() for name in names}


def _meta(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    config = entry.get("config")
    meta = config.get("meta") if isinstance(config, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}
