"""Funnels: people who did one thing after another.

`{funnel: {steps: [{did: A}, {did: B, within: 2 hours}], without: {did: C}}}`. Each step
comes strictly later than the one before. It is found in one pass over the events in the
order of time, however many of them a person has: at each step it is enough to know the
latest way there was to the step before, and the latest beginning of such a way.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from orchestration.audiences.events import TIMESTAMP
from orchestration.audiences.sources import Sources, rows_where
from orchestration.conditions.catalogue import PERSON, Table
from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import column, moment
from orchestration.conditions.reading import Length
from orchestration.conditions.trees import Condition, Names
from orchestration.conditions.windows import Window

_STEP = "step"
_WITHOUT = 0
_LAST_WITHOUT = "last_without_at"


@dataclass(frozen=True)
class Step:
    """An event of a funnel. `within` is how long after the step before it may be."""

    event: Table
    where: Condition | None = None
    within: Length | None = None

    @property
    def words(self) -> str:
        where = f" where {self.where.words}" if self.where else ""
        within = f" within {self.within.words}" if self.within else ""
        return f"{self.event.title}{where}{within}"


@dataclass(frozen=True)
class Funnel:
    """People who took all steps, one after the other. `name` is that of its CTE; `same`
    are properties that all of its events have the same value of; none that fits
    `without` happened between the first step and the last."""

    name: str
    steps: tuple[Step, ...]
    without: Step | None
    same: tuple[str, ...]
    window: Window
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        said = "did " + ", then ".join(step.words for step in self.steps)
        if self.without:
            said += f", and no {self.without.words} in between"
        if self.same:
            said += f", all with the same {' and '.join(self.same)}"
        return said if self.window.words == "ever" else f"{said}, {self.window.words}"

    def holds(self, names: Names) -> exp.Expr:
        found = names(self.name, Column(PERSON))
        return exp.Is(this=found, expression=exp.Not(this=exp.null()))

    def define(self, sources: Sources) -> None:
        before = f"{self.name}_events"
        sources.add(before, self._events(sources))
        for number in range(2, len(self.steps) + 1):
            step = f"{self.name}_step_{number}"
            sources.add(step, self._before_step(number, before))
            before = step
        sources.add(self.name, self._people(before))

    def _events(self, sources: Sources) -> exp.Query:
        """All events that matter, each with the number of its step."""
        parts = [
            self._events_of(step, number, sources)
            for number, step in enumerate(self.steps, start=1)
        ]
        if self.without:
            parts.append(self._events_of(self.without, _WITHOUT, sources))
        return exp.union(*parts, distinct=False)

    def _events_of(self, step: Step, number: int, sources: Sources) -> exp.Select:
        query, where = rows_where(step.event.model, step.where, sources)
        table = step.event.model if query.args.get("joins") else None
        at = column(TIMESTAMP, table)
        values = [column(name, table) for name in (PERSON, *self.same)]
        known = [exp.Is(this=value.copy(), expression=_not_null()) for value in values]
        conditions = [*known, self.window.holds(at), at.copy() <= moment(), where]
        return query.select(
            *values, at.copy(), exp.alias_(exp.Literal.number(number), _STEP)
        ).where(*(one for one in conditions if one is not None))

    def _before_step(self, number: int, before: str) -> exp.Select:
        """What came before each event: the latest step before, and the latest first
        step that led to it. Events that can lead to nothing any more are left out."""
        latest = [(TIMESTAMP, _before_at(number))]
        if self.without and number > 2:
            start = _before_at(2) if number == 3 else _started_at(number - 1)
            latest.append((start, _started_at(number)))
        found = [
            (_when(_is_step(number - 1), column(value)), name) for value, name in latest
        ]
        if self.without and number == len(self.steps):
            without = _when(_is_step(_WITHOUT), column(TIMESTAMP))
            found.append((without, _LAST_WITHOUT))
        query = exp.select(
            exp.Star(),
            *(exp.alias_(self._latest_earlier(value), name) for value, name in found),
        ).from_(exp.table_(before))
        if number == 2:
            return query
        matters: list[exp.Expr] = [column(_STEP) >= exp.Literal.number(number)]
        matters += [_is_step(_WITHOUT)] if self.without else []
        return query.where(exp.or_(*matters, exp.and_(*self._reached(number - 1))))

    def _latest_earlier(self, value: exp.Expr) -> exp.Expr:
        """The latest value of an earlier event. Of events at one moment the later steps
        stand first, so that none is taken for an earlier one."""
        return exp.Window(
            this=exp.func("max", value),
            partition_by=[column(name) for name in (PERSON, *self.same)],
            order=exp.Order(
                expressions=[
                    column(TIMESTAMP),
                    exp.Ordered(this=column(_STEP), desc=True, nulls_first=False),
                ]
            ),
            spec=exp.WindowSpec(
                kind="ROWS",
                start="UNBOUNDED",
                start_side="PRECEDING",
                end=exp.Literal.number(1),
                end_side="PRECEDING",
            ),
        )

    def _reached(self, number: int) -> list[exp.Expr]:
        """Whether an event is this step, with those before it, and all in time."""
        before = column(_before_at(number))
        within = self.steps[number - 1].within
        if within is None:
            in_time: exp.Expr = exp.Is(this=before, expression=_not_null())
        else:
            latest = exp.Add(
                this=before,
                expression=exp.Interval(
                    this=exp.Literal.string(str(within.number)),
                    unit=exp.Var(this=within.unit),
                ),
            )
            in_time = column(TIMESTAMP) <= latest
        return [_is_step(number), in_time]

    def _people(self, events: str) -> exp.Select:
        """Who reached the last step, with nothing in between that must not be there."""
        number = len(self.steps)
        conditions = self._reached(number)
        if self.without:
            last = column(_LAST_WITHOUT)
            never = exp.Is(this=last.copy(), expression=exp.null())
            start = _before_at(2) if number == 2 else _started_at(number)
            conditions.append(exp.paren(exp.or_(never, last <= column(start))))
        return (
            exp.select(column(PERSON))
            .distinct()
            .from_(exp.table_(events))
            .where(*conditions)
        )


def _before_at(number: int) -> str:
    return f"before_step_{number}_at"


def _started_at(number: int) -> str:
    return f"started_before_step_{number}_at"


def _is_step(number: int) -> exp.Expr:
    return column(_STEP).eq(exp.Literal.number(number))


def _when(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case().when(condition, value.copy())


def _not_null() -> exp.Expr:
    return exp.Not(this=exp.null())
