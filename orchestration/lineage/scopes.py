"""The names that stand for something at one place of a query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestration.lineage.reads import (
    NO_FILTERS,
    Filters,
    Read,
    Reads,
    Relation,
    union,
)

Ctes = Mapping[str, Relation]
"""Common table expressions by name."""


@dataclass(frozen=True)
class Source:
    """Something after `from` or `join`, under its alias.

    `attached` is what chooses its rows when a left join hangs it on the others: it
    concerns only the columns that are taken from it.
    """

    relation: Relation
    attached: frozenset[Read] = frozenset()
    filters: Filters = NO_FILTERS

    def column(self, name: str) -> Reads | None:
        """What one of its columns reads, or None when it has no such column."""
        found = self.relation.columns.get(name, self.relation.rest)
        if found is None:
            return None
        return found.only(self.filters).with_rows(self.attached)


@dataclass(frozen=True)
class Scope:
    """The names that an expression may use; those of the query around it come last."""

    sources: dict[str, Source] = field(default_factory=dict)
    ctes: Ctes = field(default_factory=dict)
    outer: Scope | None = None
    aliases: dict[str, Reads] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()

    def column(self, name: str, table: str) -> Reads | None:
        """What a column reads, or None when no such column is known."""
        found = self._in_table(name, table) if table else self._anywhere(name)
        if found is None and self.outer is not None:
            return self.outer.column(name, table)
        return found

    def _in_table(self, name: str, table: str) -> Reads | None:
        if table in self.sources:
            return self.sources[table].column(name)
        # `a.b` may be the field b of a column a.
        return self._anywhere(table) if table not in self.ctes else None

    def _anywhere(self, name: str) -> Reads | None:
        if name in self.parameters:
            return Reads()
        listing = [
            source
            for source in self.sources.values()
            if name in source.relation.columns
        ]
        if not listing and name in self.aliases:
            return self.aliases[name]
        found = [source.column(name) for source in listing or self.sources.values()]
        known = [reads for reads in found if reads is not None]
        return union(known) if known else None

    @property
    def everything(self) -> Reads:
        """What all columns of all sources read."""
        return union(
            source.relation.everything.with_rows(source.attached)
            for source in self.sources.values()
        )
