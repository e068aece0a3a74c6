"""Conditions on properties and traits, joined by all, any and not.

where:
  - {property: total, at_least: 50}
  - any:
      - {property: currency, equals: EUR}
      - {trait: country, one_of: [DE, FR]}
  - not: {property: coupon, exists: true}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from orchestration.conditions.catalogue import Catalogue, Table
from orchestration.conditions.comparisons import (
    Column,
    Comparison,
    read_comparison,
)
from orchestration.conditions.reading import Mistakes, Place, nearest
from orchestration.conditions.trees import Condition, Names, ends_of, read_tree


@dataclass(frozen=True)
class Compared:
    """A comparison of a column; `table` is its model, `other_table` that of the column
    it is held against."""

    table: str
    comparison: Comparison
    other_table: str | None = None
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        return self.comparison.words

    def holds(self, names: Names) -> exp.Expr:
        other = self.comparison.other
        return self.comparison.holds(
            names(self.table, self.comparison.column),
            names(self.other_table, other) if other and self.other_table else None,
        )


@dataclass(frozen=True)
class Scope:
    """What a comparison can name: the columns of the rows at hand, by the key `word`,
    and by the key `trait` the traits of the person that they belong to."""

    rows: Table | None = None
    traits: Catalogue | None = None
    word: str = "property"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that name a column here."""
        named = ((self.word, self.rows), ("trait", self.traits))
        return tuple(key for key, source in named if source is not None)

    def find(self, key: str, name: object) -> tuple[str, Column] | None:
        """The model and column of that name."""
        if key == "trait" and self.traits is not None:
            trait = self.traits.trait(name)
            return None if trait is None else (trait[0].model, trait[1])
        if self.rows is None or not isinstance(name, str):
            return None
        column = self.rows.columns.get(name)
        return None if column is None else (self.rows.model, column)

    def names(self, key: str) -> list[str]:
        """What `find` takes."""
        if key == "trait" and self.traits is not None:
            return self.traits.trait_names
        return [] if self.rows is None else list(self.rows.columns)


def read_where(
    found: object, place: Place, mistakes: Mistakes, *, scope: Scope
) -> Condition | None:
    """A tree of comparisons."""

    def leaf(
        found: Mapping[str, Any], place: Place, mistakes: Mistakes
    ) -> Condition | None:
        return read_compared(found, place, mistakes, scope=scope)

    return read_tree(found, place, mistakes, leaf=leaf, leaf_keys=scope.keys)


def read_compared(
    found: Mapping[str, Any], place: Place, mistakes: Mistakes, *, scope: Scope
) -> Compared | None:
    """One comparison, as `{property: total, at_least: 50}`."""
    given = [key for key in scope.keys if key in found]
    if len(given) != 1:
        mistakes.add(place, f"names one of {' or '.join(scope.keys)}")
        return None
    key = given[0]
    named = _find(found, key, place, mistakes, scope)
    if named is None:
        return None
    others: list[str] = []

    def other_column(value: object, at: Place) -> Column | None:
        other = _read_other(value, at, mistakes, scope)
        if other is None:
            return None
        others.append(other[0])
        return other[1]

    rest = {name: value for name, value in found.items() if name != key}
    comparison = read_comparison(
        named[1], rest, place, mistakes, other_column=other_column
    )
    if comparison is None:
        return None
    return Compared(named[0], comparison, others[0] if comparison.other else None)


def tables_of(condition: Condition) -> list[str]:
    """The models whose columns the comparisons of a tree name, each once."""
    found: dict[str, None] = {}
    for end in ends_of(condition):
        if isinstance(end, Compared):
            found[end.table] = None
            if end.other_table is not None:
                found[end.other_table] = None
    return list(found)


def _find(
    found: Mapping[str, Any], key: str, place: Place, mistakes: Mistakes, scope: Scope
) -> tuple[str, Column] | None:
    named = scope.find(key, found[key])
    if named is None:
        hint = nearest(found[key], scope.names(key))
        mistakes.add((*place, key), f"unknown {key} '{found[key]}'; {hint}")
    return named


def _read_other(
    value: object, place: Place, mistakes: Mistakes, scope: Scope
) -> tuple[str, Column] | None:
    """The column that stands in place of a value, as `{trait: other}`."""
    keys = " or ".join(f"{{{key}: …}}" for key in scope.keys)
    if not isinstance(value, Mapping) or len(value) != 1:
        mistakes.add(place, f"takes a value or {keys}")
        return None
    [key] = value
    if key not in scope.keys:
        mistakes.add((*place, str(key)), f"unknown key; takes a value or {keys}")
        return None
    return _find(value, key, place, mistakes, scope)
