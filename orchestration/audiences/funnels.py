"""Funnels: people who did one thing after another.

`{funnel: {steps: [{did: A}, {did: B, within: 2 hours}], without: {did: C}}}`. Each step
comes strictly later than the one before. Each is found in one pass over its events and
those of the step before, in the order of time, however many a person has: it is enough
to know the latest way there was to the step before, and the latest beginning of such a
way. Later steps look only at who has come so far.
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
_BEFORE = "before_at"
_STARTED = "started_at"
_STARTED_BEFORE = "started_before_at"
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
    are properties that all steps have the same value of. Nothing that fits `without`
    happened between the first step and the last, with the same value of the properties
    `without_same`, which are among `same`."""

    name: str
    steps: tuple[Step, ...]
    without: Step | None
    same: tuple[str, ...]
    without_same: tuple[str, ...]
    window: Window
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        said = "did " + ", then ".join(step.words for step in self.steps)
        same = f", all with the same {' and '.join(self.same)}" if self.same else ""
        without = f", and no {self.without.words} in between" if self.without else ""
        free = [name for name in self.same if name not in self.without_same]
        if free:
            said += f"{same}{without}, whatever its {' and '.join(free)}"
        else:
            said += without + same
        return said if self.window.words == "ever" else f"{said}, {self.window.words}"

    def holds(self, names: Names) -> exp.Expr:
        found = names(self.name, Column(PERSON))
        return exp.Is(this=found, expression=exp.Not(this=exp.null()))

    def define(self, sources: Sources) -> None:
        for number in range(2, len(self.steps) + 1):
            events, before = (
                self._named("events", number),
                self._named("before", number),
            )
            sources.add(events, self._events(number, sources))
            sources.add(before, self._before(number, events))
            if number < len(self.steps):
                step = self._named("step", number)
                sources.add(step, self._reached(number, before))
            else:
                sources.add(self.name, self._people(before))

    def _named(self, what: str, number: int) -> str:
        """The name of a CTE."""
        return f"{self.name}_{what}_{number}"

    def _events(self, number: int, sources: Sources) -> exp.Query:
        """What a step is about: the step before, and what those who came so far did
        next; for the last step, what must not be in between as well."""
        parts: list[exp.Query] = []
        if number == 2:
            parts += [self._events_of(self.steps[0], 1, sources)]
        else:
            columns = [PERSON, *self.same, TIMESTAMP]
            columns += [_STARTED] if self.without else []
            parts += [
                exp.select(
                    *(column(name) for name in columns),
                    exp.alias_(exp.Literal.number(number - 1), _STEP),
                ).from_(self._named("step", number - 1))
            ]
        parts += [self._events_of(self.steps[number - 1], number, sources)]
        if self.without and number == len(self.steps):
            parts += [self._events_of(self.without, _WITHOUT, sources, of_step=number)]
        return exp.union(*parts, distinct=False)

    def _events_of(
        self, step: Step, number: int, sources: Sources, *, of_step: int | None = None
    ) -> exp.Select:
        """Events with a number that tells them from others; `of_step` is the step in
        whose query they stand, if it is not that."""
        at_step = of_step or number
        query, where = rows_where(step.event.model, step.where, sources)
        table = step.event.model if query.args.get("joins") else None
        at = column(TIMESTAMP, table)
        same = self.without_same if number == _WITHOUT else self.same
        person = column(PERSON, table)
        known = [
            exp.Is(this=one.copy(), expression=_not_null())
            for one in (person, *(column(name, table) for name in same))
        ]
        values = [
            column(name, table) if name in same else exp.alias_(exp.null(), name)
            for name in self.same
        ]
        conditions = [*known, self.window.holds(at), at.copy() <= moment(), where]
        columns: list[exp.Expr] = [person, *values, at.copy()]
        if at_step > 2:
            came_so_far = exp.select(PERSON).from_(self._named("step", at_step - 1))
            conditions.append(exp.In(this=person.copy(), query=came_so_far.subquery()))
            if self.without:
                columns.append(exp.alias_(exp.null(), _STARTED))
        return query.select(
            *columns, exp.alias_(exp.Literal.number(number), _STEP)
        ).where(*(one for one in conditions if one is not None))

    def _before(self, number: int, events: str) -> exp.Select:
        """What came before each event: the latest step before, and the latest first
        step that led to it."""
        found = [(number - 1, TIMESTAMP, self.same, _BEFORE)]
        if self.without and number > 2:
            found.append((number - 1, _STARTED, self.same, _STARTED_BEFORE))
        if self.without and number == len(self.steps):
            found.append((_WITHOUT, TIMESTAMP, self.without_same, _LAST_WITHOUT))
        return exp.select(
            exp.Star(),
            *(
                exp.alias_(_latest_earlier(_when(step, column(value)), same), name)
                for step, value, same, name in found
            ),
        ).from_(exp.table_(events))

    def _reached(self, number: int, before: str) -> exp.Select:
        """The events that are this step, with those before it, and all in time."""
        columns: list[exp.Expr] = [
            column(name) for name in (PERSON, *self.same, TIMESTAMP)
        ]
        if self.without:
            columns.append(exp.alias_(self._started(number), _STARTED))
        return exp.select(*columns).from_(before).where(*self._in_time(number))

    def _people(self, before: str) -> exp.Select:
        """Who reached the last step, with nothing in between that must not be there."""
        number = len(self.steps)
        conditions = self._in_time(number)
        if self.without:
            last = column(_LAST_WITHOUT)
            never = exp.Is(this=last.copy(), expression=exp.null())
            since = last <= self._started(number)
            conditions.append(exp.paren(exp.or_(never, since)))
        return exp.select(column(PERSON)).distinct().from_(before).where(*conditions)

    def _started(self, number: int) -> exp.Expr:
        """When the first step was that led to this one."""
        return column(_BEFORE if number == 2 else _STARTED_BEFORE)

    def _in_time(self, number: int) -> list[exp.Expr]:
        """That an event is this step, and not too long after the one before."""
        before = column(_BEFORE)
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


def _latest_earlier(value: exp.Expr, same: tuple[str, ...]) -> exp.Expr:
    """The latest value of an earlier event that has the same values of these
    properties. Of events at one moment the later steps stand first, so that none is
    taken for an earlier one."""
    return exp.Window(
        this=exp.func("max", value),
        partition_by=[column(name) for name in (PERSON, *same)],
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


def _is_step(number: int) -> exp.Expr:
    return column(_STEP).eq(exp.Literal.number(number))


def _when(step: int, value: exp.Expr) -> exp.Expr:
    return exp.Case().when(_is_step(step), value)


def _not_null() -> exp.Expr:
    return exp.Not(this=exp.null())
