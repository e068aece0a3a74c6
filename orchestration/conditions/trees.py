"""Trees of conditions: all, any and not of what else can be said.

A list means all of it. What stands at the ends of a tree, its reader decides:
comparisons (`where.py`), or what people did. A condition is false where it finds no
value, and `not` makes that true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlglot import exp

from orchestration.conditions.comparisons import Column
from orchestration.conditions.reading import Mistakes, Place, check_keys, nearest

CONNECTIVES = ("all", "any", "not")

Names = Callable[[str, Column], exp.Expr]
"""How a query calls a column of a model."""


class Condition(Protocol):
    """Something that is true or not of a person, an event or another row."""

    @property
    def words(self) -> str:
        """How people say it."""

    @property
    def parts(self) -> Sequence[Condition]:
        """What it is joined from; none at the end of a tree."""

    def holds(self, names: Names) -> exp.Expr:
        """It in SQL; null counts as false."""


Leaf = Callable[[Mapping[str, Any], Place, Mistakes], Condition | None]
"""Reads what stands at the end of a tree; None where it is mistaken."""


@dataclass(frozen=True)
class All:
    """All of its parts hold."""

    parts: tuple[Condition, ...]

    @property
    def words(self) -> str:
        return " and ".join(_grouped(part) for part in self.parts)

    def holds(self, names: Names) -> exp.Expr:
        return exp.and_(*(part.holds(names) for part in self.parts))


@dataclass(frozen=True)
class AnyOf:
    """At least one of its parts holds."""

    parts: tuple[Condition, ...]

    @property
    def words(self) -> str:
        return " or ".join(_grouped(part) for part in self.parts)

    def holds(self, names: Names) -> exp.Expr:
        return exp.or_(*(part.holds(names) for part in self.parts))


@dataclass(frozen=True)
class Not:
    """Its part does not hold, be it that there is no value."""

    part: Condition

    @property
    def parts(self) -> tuple[Condition, ...]:
        return (self.part,)

    @property
    def words(self) -> str:
        return f"not ({self.part.words})"

    def holds(self, names: Names) -> exp.Expr:
        inside = self.part.holds(names)
        return exp.not_(exp.Coalesce(this=inside, expressions=[exp.false()]))


def read_tree(
    found: object,
    place: Place,
    mistakes: Mistakes,
    *,
    leaf: Leaf,
    leaf_keys: Sequence[str],
) -> Condition | None:
    """A tree whose ends `leaf` reads; one of the `leaf_keys` stands in each of them."""
    if isinstance(found, list):
        return _read_parts(All, found, place, mistakes, leaf=leaf, leaf_keys=leaf_keys)
    if not isinstance(found, Mapping):
        mistakes.add(place, "takes a condition or a list of conditions")
        return None
    given = [key for key in CONNECTIVES if key in found]
    if not given:
        if not any(key in found for key in leaf_keys):
            allowed = [*CONNECTIVES, *leaf_keys]
            name = next(iter(found), "")
            mistakes.add(
                place, f"no condition begins with '{name}'; " + nearest(name, allowed)
            )
            return None
        return leaf(found, place, mistakes)
    key = given[0]
    check_keys(found, [key], place, mistakes)
    if len(found) > 1:
        return None
    inside, at = found[key], (*place, key)
    if key == "not":
        part = read_tree(inside, at, mistakes, leaf=leaf, leaf_keys=leaf_keys)
        return None if part is None else Not(part)
    if not isinstance(inside, list):
        mistakes.add(at, "takes a list of conditions")
        return None
    kind = All if key == "all" else AnyOf
    return _read_parts(kind, inside, at, mistakes, leaf=leaf, leaf_keys=leaf_keys)


def ends_of(condition: Condition) -> Iterator[Condition]:
    """What stands at the ends of a tree, in its order."""
    if not condition.parts:
        yield condition
    for part in condition.parts:
        yield from ends_of(part)


def _read_parts(
    kind: type[All] | type[AnyOf],
    found: Sequence[object],
    place: Place,
    mistakes: Mistakes,
    *,
    leaf: Leaf,
    leaf_keys: Sequence[str],
) -> Condition | None:
    if not found:
        mistakes.add(place, "is empty; name at least one condition")
        return None
    read = [
        read_tree(part, (*place, str(number)), mistakes, leaf=leaf, leaf_keys=leaf_keys)
        for number, part in enumerate(found, start=1)
    ]
    parts = tuple(part for part in read if part is not None)
    if len(parts) < len(read):
        return None
    return parts[0] if len(parts) == 1 else kind(parts)


def _grouped(part: Condition) -> str:
    """Its words; in brackets if several conditions are joined in them."""
    return f"({part.words})" if isinstance(part, All | AnyOf) else part.words
