"""What the queries of traits are put together from."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import call, column
from orchestration.traits.types import same_type

PLACE = exp.alias_(
    exp.Tuple(
        expressions=[
            column(name)
            for name in ("timestamp", "received_at", "source_id", "message_id")
        ]
    ),
    "place",
)
"""Where an event stands among all others: a value that orders them, each its own."""


@dataclass(frozen=True)
class Part:
    """A query that computes some of a topic's traits, one row per key.

    The parts of one source have the same keys.
    """

    source: str
    name: str
    query: exp.Select
    counts: frozenset[str]
    """Those of its traits that are 0 where there is no row."""
    others: frozenset[str]
    steps: list[tuple[str, exp.Select]] = field(default_factory=list)
    """CTEs that its query reads."""

    @property
    def traits(self) -> frozenset[str]:
        """All traits that it computes."""
        return self.counts | self.others


def when(condition: exp.Expr | None, value: exp.Expr) -> exp.Expr:
    """The value where the condition holds; always, if there is none."""
    if condition is None:
        return value
    return exp.Case(ifs=[exp.If(this=condition, true=value)])


def is_known(value: exp.Expr) -> exp.Expr:
    """That a value is there."""
    return exp.Is(this=value.copy(), expression=exp.Not(this=exp.null()))


def both(*conditions: exp.Expr | None) -> exp.Expr | None:
    """All of these that there are, as one."""
    parts = [part for condition in conditions for part in conjuncts(condition)]
    return exp.and_(*parts) if parts else None


def conjuncts(condition: exp.Expr | None) -> list[exp.Expr]:
    """What `and` joins in a condition."""
    if isinstance(condition, exp.And):
        return [*conjuncts(condition.left), *conjuncts(condition.right)]
    return [] if condition is None else [condition]


def best(
    value: exp.Expr,
    condition: exp.Expr | None,
    *by: exp.Expr,
    is_least: bool = False,
) -> exp.Expr:
    """Of the rows for which the condition holds, the value of that with the greatest
    (or least) rank by these expressions."""
    rank = by[0] if len(by) == 1 else exp.Tuple(expressions=list(by))
    return call("min_by" if is_least else "max_by", value, when(condition, rank))


def cast_to(value: exp.Expr, data_type: str) -> exp.Expr:
    """The value as another type of number."""
    return exp.cast(value, data_type, dialect="duckdb")


def kept(value: exp.Expr, data_type: str, column: Column | None) -> exp.Expr:
    """A value of a column, as the type that the trait has."""
    if column is None or same_type(data_type, column.data_type):
        return value
    return cast_to(value, data_type)
