"""What a column reads of events, and sets of that.

`Read` is one place in an event: a property, or a whole payload, or which event it is.
`Relation` is a table, a model or a step of a query: what each of its columns is made
of, and what decides which rows it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

Path = tuple[str, ...]
"""The way to a value inside JSON: names, and `[]` for the elements of an array."""

KIND_OF_EVENT = frozenset({"type", "event"})
"""The fields of an event that say which one it is."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """One place in an event that something reads.

    `types` and `events` are the calls it is read of, when the query asks for them;
    none means any. `model` is the event model that it is read through.
    """

    field: str
    path: Path = ()
    types: frozenset[str] | None = None
    events: frozenset[str] | None = None
    model: str | None = None

    def inside(self, path: Path) -> Read:
        """What is read when only `path` of this value is taken."""
        if self.field in KIND_OF_EVENT:
            return self
        return replace(self, path=self.path + path)

    def only(self, filters: Filters) -> Read:
        """The same, of the events alone that pass the filters.

        A value that was taken out of its payload may come from other rows by now, so it
        stays what it was.
        """
        if self.path or self.model:
            return self
        return replace(
            self,
            types=_both(self.types, filters.types),
            events=_both(self.events, filters.events),
        )


@dataclass(frozen=True)
class Filters:
    """The types and names of events that a query asks for; none means any."""

    types: frozenset[str] | None = None
    events: frozenset[str] | None = None

    def and_also(self, field: str, values: frozenset[str]) -> Filters:
        """These filters and one more, on the field `type` or `event`."""
        if field == "type":
            return replace(self, types=_both(self.types, values))
        return replace(self, events=_both(self.events, values))


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Reads:
    """What a column is made of (`values`), and what chooses its rows (`rows`)."""

    values: frozenset[Read] = frozenset()
    rows: frozenset[Read] = frozenset()

    @property
    def all(self) -> frozenset[Read]:
        """Both together."""
        return self.values | self.rows

    def inside(self, path: Path) -> Reads:
        """What is read when only `path` of the value is taken."""
        return Reads(frozenset(read.inside(path) for read in self.values), self.rows)

    def only(self, filters: Filters) -> Reads:
        """The same, of the events alone that pass the filters."""
        if filters == NO_FILTERS:
            return self
        return Reads(frozenset(read.only(filters) for read in self.values), self.rows)

    def with_rows(self, rows: frozenset[Read]) -> Reads:
        """The same with more that chooses the rows."""
        return Reads(self.values, self.rows | rows)


def union(many: Iterable[Reads]) -> Reads:
    """What all of these read."""
    values: set[Read] = set()
    rows: set[Read] = set()
    for one in many:
        values |= one.values
        rows |= one.rows
    return Reads(frozenset(values), frozenset(rows))


@dataclass(frozen=True)
class Relation:
    """The columns by name in lower case, and what chooses the rows.

    `rest` is what any other column reads, of a relation whose columns are not known.
    """

    columns: Mapping[str, Reads] = field(default_factory=dict)
    rows: frozenset[Read] = frozenset()
    rest: Reads | None = None

    @property
    def everything(self) -> Reads:
        """What all columns and the rows read."""
        listed = union((*self.columns.values(), self.rest or Reads()))
        return listed.with_rows(self.rows)

    def merged(self, other: Relation) -> Relation:
        """A relation that has the columns of both, and the rows of either."""
        names = {**self.columns, **other.columns}
        rest = [one.rest for one in (self, other) if one.rest is not None]
        return Relation(
            {
                name: union(
                    one.columns[name] for one in (self, other) if name in one.columns
                )
                for name in names
            },
            self.rows | other.rows,
            union(rest) if rest else None,
        )


def _both(
    one: frozenset[str] | None, other: frozenset[str] | None
) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other
