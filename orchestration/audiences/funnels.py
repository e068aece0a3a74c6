"""Funnels: people who did one thing after another.

`{funnel: {steps: [{did: A}, {did: B, within: 2 hours}], without: {did: C}}}`. Each step
comes strictly later than the one before. It is found in one pass over the events in the
order of time, however many of them a person has: at each step it is enough to know the
latest way there was to the step before, and the latest beginning of such a way.
"""

from __future__ import annotations

from collections.abc import Iterator
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
_WITHOUT_AT = "without_at"


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
        events = f"{self.name}_events"
        sources.add(events, self._events(sources))
        sources.add(f"{self.name}_moments", self._moments(events))
        before = f"{self.name}_moments"
        for number in range(2, len(self.steps) + 1):
            step = f"{self.name}_step_{number}"
            sources.add(step, self._before_step(number, before))
            before = step
        sources.add(self.name, self._people(before))

    def _events(self, sources: Sources) -> exp.Query:
        """All events that matter, each with the number of its step; 0 is `without`."""
        parts = [
            self._events_of(step, number, sources)
            for number, step in enumerate(self.steps, start=1)
        ]
        if self.without:
            parts.append(self._events_of(self.without, 0, sources))
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

    def _moments(self, events: str) -> exp.Select:
        """What happened, a row per moment: the rows before it are strictly earlier."""
        keys = [column(name) for name in (PERSON, *self.same, TIMESTAMP)]
        numbers = [*range(1, len(self.steps) + 1), *([0] if self.without else [])]
        return (
            exp.select(
                *(key.copy() for key in keys),
                *(
                    exp.alias_(
                        exp.func("max", _when(_is_step(number), column(TIMESTAMP))),
                        _step_at(number),
                    )
                    for number in numbers
                ),
            )
            .from_(exp.table_(events))
            .group_by(*(key.copy() for key in keys))
        )

    def _before_step(self, number: int, before: str) -> exp.Select:
        """What came before each moment: the latest step before, and the latest first
        step that led to it."""
        reached = self._is_reached(number - 1)
        latest = [(column(_step_at(number - 1)), _before_at(number))]
        if self.without and number > 2:
            start = _before_at(2) if number == 3 else _started_at(number - 1)
            latest.append((column(start), _started_at(number)))
        found = [
            (value if reached is None else _when(reached.copy(), value), name)
            for value, name in latest
        ]
        if self.without and number == len(self.steps):
            found.append((column(_WITHOUT_AT), _last_without()))
        return exp.select(
            exp.Star(),
            *(exp.alias_(self._latest_earlier(value), name) for value, name in found),
        ).from_(exp.table_(before))

    def _latest_earlier(self, value: exp.Expr) -> exp.Expr:
        return exp.Window(
            this=exp.func("max", value),
            partition_by=[column(name) for name in (PERSON, *self.same)],
            order=exp.Order(expressions=[column(TIMESTAMP)]),
            spec=exp.WindowSpec(
                kind="ROWS",
                start="UNBOUNDED",
                start_side="PRECEDING",
                end=exp.Literal.number(1),
                end_side="PRECEDING",
            ),
        )

    def _is_reached(self, number: int) -> exp.Expr | None:
        """Whether the step was taken at this moment, and in time those before it."""
        if number == 1:
            return None
        at, before = column(_step_at(number)), column(_before_at(number))
        within = self.steps[number - 1].within
        if within is None:
            return at > before
        latest = exp.Add(
            this=before,
            expression=exp.Interval(
                this=exp.Literal.string(str(within.number)),
                unit=exp.Var(this=within.unit),
            ),
        )
        return at <= latest

    def _people(self, moments: str) -> exp.Select:
        """Who reached the last step, with nothing in between that must not be there."""
        number = len(self.steps)
        conditions = list(filter(None, [self._is_reached(number)]))
        if self.without:
            start = _before_at(2) if number == 2 else _started_at(number)
            conditions.append(self._nothing_since(start))
        return (
            exp.select(column(PERSON))
            .distinct()
            .from_(exp.table_(moments))
            .where(*conditions)
        )

    def _nothing_since(self, start: str) -> exp.Expr:
        last = column(_last_without())
        never = exp.Is(this=last.copy(), expression=exp.null())
        return exp.paren(exp.or_(never, last <= column(start)))

    @property
    def events(self) -> Iterator[Table]:
        """What it looks at."""
        for step in (*self.steps, *([self.without] if self.without else [])):
            yield step.event


def _step_at(number: int) -> str:
    return f"step_{number}_at" if number else _WITHOUT_AT


def _before_at(number: int) -> str:
    return f"before_step_{number}_at"


def _started_at(number: int) -> str:
    return f"started_before_step_{number}_at"


def _last_without() -> str:
    return "last_without_at"


def _is_step(number: int) -> exp.Expr:
    return column(_STEP).eq(exp.Literal.number(number))


def _when(condition: exp.Expr, value: exp.Expr) -> exp.Expr:
    return exp.Case().when(condition, value.copy())


def _not_null() -> exp.Expr:
    return exp.Not(this=exp.null())
