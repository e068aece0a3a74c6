"""What a query about people selects from: other models, and CTEs made on the way.

Conditions say by `table.column` what they need. Here it gets into the query: a model is
imported, a CTE is added, and both are joined to the person that the row is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from orchestration.conditions.catalogue import PERSON
from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import column, import_of
from orchestration.conditions.trees import Condition, ends_of
from orchestration.conditions.where import Compared, tables_of


@dataclass
class Sources:
    """The CTEs of a query: imported models first, then what is made of them."""

    imports: dict[str, None] = field(default_factory=dict)
    steps: dict[str, exp.Query] = field(default_factory=dict)

    def use(self, *models: str) -> None:
        """Import models, each once."""
        self.imports |= dict.fromkeys(models)

    def add(self, name: str, query: exp.Query) -> None:
        """Add a CTE; of the same name there is one."""
        self.steps[name] = query

    def before(
        self, query: exp.Select, *, instead: Mapping[str, exp.Query] | None = None
    ) -> exp.Select:
        """The query with all of it in front. `instead` has queries to stand in place of
        models that a database may not have."""
        bodies = {name: (instead or {}).get(name) for name in self.imports}
        for name, body in bodies.items():
            query = query.with_(name, as_=body or import_of(name))
        for name, step in self.steps.items():
            query = query.with_(name, as_=step)
        return query


class Leaf(Condition, Protocol):
    """What a definition can say of people, besides comparing their traits."""

    def define(self, sources: Sources) -> None:
        """Bring what its SQL names among the sources."""


def matched(
    conditions: Sequence[Condition],
    query: exp.Select,
    person: exp.Column,
    sources: Sources,
) -> tuple[exp.Select, list[exp.Expr]]:
    """The conditions in SQL, and the query with everything joined that they name."""
    used: dict[str, None] = {}

    def names(table: str, found: Column) -> exp.Expr:
        used[table] = None
        return column(found.name, table)

    for condition in conditions:
        for end in ends_of(condition):
            define(end, sources)
    holds = [condition.holds(names) for condition in conditions]
    return joined(query, list(used), person), holds


def define(end: Condition, sources: Sources) -> None:
    """Bring what the end of a tree names among the sources."""
    if isinstance(end, Compared):
        sources.use(*tables_of(end))
    else:
        end.define(sources)  # type: ignore[attr-defined]  # all others are leaves


def joined(
    query: exp.Select, tables: list[str], owner: exp.Column, *, key: str = PERSON
) -> exp.Select:
    """The query with tables of at most one row per profile (or other `key`), for the
    one that each row is about."""
    for table in tables:
        if table != owner.table:
            query = query.join(
                exp.table_(table),
                on=owner.copy().eq(column(key, table)),
                join_type="left",
            )
    return query


def rows_where(
    model: str, condition: Condition | None, sources: Sources, *, key: str = PERSON
) -> tuple[exp.Select, exp.Expr | None]:
    """Rows of a model that belong to people, and which of them meet a condition.

    Columns go by their bare names, unless traits are joined, which is done by `key`.
    """
    sources.use(model)
    query = exp.select().from_(exp.table_(model))
    others = (
        [table for table in tables_of(condition) if table != model] if condition else []
    )
    sources.use(*others)
    query = joined(query, others, column(key, model), key=key)
    if condition is None:
        return query, None
    return query, condition.holds(
        lambda table, found: column(found.name, table if others else None)
    )
