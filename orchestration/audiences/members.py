"""Being in another audience."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from orchestration.audiences.sources import Sources
from orchestration.conditions.catalogue import PERSON
from orchestration.conditions.comparisons import Column
from orchestration.conditions.trees import Condition, Names


@dataclass(frozen=True)
class In:
    """People who are in another audience, defined or written in SQL."""

    audience: str
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        return f"is in {self.audience}"

    def holds(self, names: Names) -> exp.Expr:
        found = names(self.audience, Column(PERSON))
        return exp.Is(this=found, expression=exp.Not(this=exp.null()))

    def define(self, sources: Sources) -> None:
        sources.use(self.audience)
