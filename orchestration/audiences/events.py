"""What people did: conditions on the events of one kind.

`{did: order_completed, where: […], count: {at_least: 2}, within: 30 days}`. What is
counted of an event is a column of one model that all audiences share,
`conditions_<event>`: one scan of the event, however many audiences ask.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlglot import exp

from orchestration.audiences.sources import Sources, rows_where
from orchestration.conditions.catalogue import PERSON, Table
from orchestration.conditions.comparisons import Column, Comparison
from orchestration.conditions.dbt_sql import UNITS, ago, column, moment
from orchestration.conditions.trees import All, Condition, Names
from orchestration.conditions.windows import BetweenAgo, Window, Within

PREFIX = "conditions_"
TIMESTAMP = "timestamp"

FUNCTIONS = {"sum": "sum", "average": "avg", "minimum": "min", "maximum": "max"}
"""What can be made of a property, with the SQL function that does."""

_LONGEST_NAME = 48
_PLAIN = re.compile(r"[a-z0-9_ ]+")


@dataclass(frozen=True)
class Measure:
    """One number of a person's events: how many there are, or a property's sum,
    average, minimum or maximum."""

    event: Table
    function: str
    where: Condition | None
    window: Window
    of: Column | None = None

    @property
    def words(self) -> str:
        """What it is, without the event."""
        named = self.function if self.of is None else self._words_of_it
        where = f"where {self.where.words}" if self.where else ""
        window = "" if self.window.words == "ever" else self.window.words
        return " ".join(filter(None, (named, where, window)))

    @property
    def _words_of_it(self) -> str:
        assert self.of is not None  # noqa: S101 - asked where it has one
        return f"{self.function} of {self.of.name}"

    @property
    def name(self) -> str:
        """The column: its words, and where these could be those of another measure, a
        few digits made of its SQL."""
        words = self.words.replace(" the ", " ").replace(" is ", " ")
        slug = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
        if _PLAIN.fullmatch(words) and len(slug) <= _LONGEST_NAME:
            return slug
        sql = self.value(qualified=True).sql(dialect="duckdb")
        digits = hashlib.sha256(sql.encode()).hexdigest()[:6]
        return f"{slug[: _LONGEST_NAME - 7].rstrip('_')}_{digits}"

    def value(self, *, qualified: bool) -> exp.Expr:
        """The aggregate over the person's events."""

        def names(table: str, found: Column) -> exp.Expr:
            return column(found.name, table if qualified else None)

        at = names(self.event.model, Column(TIMESTAMP))
        conditions = [
            self.window.holds(at),
            self.where.holds(names) if self.where else None,
        ]
        given = [condition for condition in conditions if condition is not None]
        if self.of is None:
            counted: exp.Expr = exp.Literal.number(1)
        else:
            counted = names(self.event.model, self.of)
            if self.function == "average":
                counted = exp.cast(counted, "double")
        if given:
            counted = exp.Case().when(exp.and_(*given), counted)
        elif self.of is None:
            counted = exp.Star()
        function = FUNCTIONS.get(self.function, "count")
        return exp.func(function, counted, dialect="duckdb")


@dataclass(frozen=True)
class Test:
    """A measure and what it has to be."""

    measure: Measure
    comparison: Comparison

    def holds(self, names: Names) -> exp.Expr:
        """The condition on the measure's column; who did nothing did it 0 times."""
        found = names(self.table, Column(self.measure.name))
        if self.measure.function == "count":
            found = exp.Coalesce(this=found, expressions=[exp.Literal.number(0)])
        return self.comparison.holds(found)

    @property
    def table(self) -> str:
        """The model that has the measure."""
        return PREFIX + self.measure.event.model


@dataclass(frozen=True)
class Did:
    """People did something, or did not."""

    event: Table
    tests: tuple[Test, ...]
    where: Condition | None
    window: Window
    is_negated: bool = False
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        did = "did not do" if self.is_negated else "did"
        window = "" if self.window.words == "ever" else f" {self.window.words}"
        where = f" where {self.where.words}" if self.where else ""
        said = "" if self.is_negated else self._tests_words
        return f"{did} {self.event.title}{said}{window}{where}"

    @property
    def _tests_words(self) -> str:
        said = [
            times_words(test.comparison)
            if test.measure.function == "count"
            else f"with {test.comparison.words}"
            for test in self.tests
        ]
        return "".join(f" {words}" for words in said)

    def holds(self, names: Names) -> exp.Expr:
        return exp.and_(*(test.holds(names) for test in self.tests))

    def define(self, sources: Sources) -> None:
        sources.use(*(test.table for test in self.tests))

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What has to be computed for it."""
        return tuple(test.measure for test in self.tests)


def conditions_query(measures: Sequence[Measure]) -> exp.Select:
    """The model that has measures of one event: a row per profile, a column each."""
    event = measures[0].event
    sources = Sources()
    every = [measure.where for measure in measures if measure.where is not None]
    query, _ = rows_where(event.model, _together(every), sources)
    is_joined = bool(query.args.get("joins"))
    table = event.model if is_joined else None
    person, at = column(PERSON, table), column(TIMESTAMP, table)
    query = query.select(
        person,
        *(
            exp.alias_(measure.value(qualified=is_joined), measure.name)
            for measure in measures
        ),
    )
    query = query.where(
        exp.Is(this=person.copy(), expression=exp.Not(this=exp.null())),
        *([at.copy() > earliest] if (earliest := _earliest(measures)) else []),
        at.copy() <= moment(),
    ).group_by(person.copy())
    return sources.before(query)


def by_event(measures: Iterable[Measure]) -> dict[str, list[Measure]]:
    """The measures of each `conditions_<event>`, each once and in order."""
    found: dict[str, dict[str, Measure]] = {}
    for measure in measures:
        found.setdefault(PREFIX + measure.event.model, {})[measure.name] = measure
    return {
        model: [named[name] for name in sorted(named)]
        for model, named in sorted(found.items())
    }


def _together(conditions: Sequence[Condition]) -> Condition | None:
    """Conditions as one that names all the tables that they do."""
    return All(tuple(conditions)) if conditions else None


def _earliest(measures: Sequence[Measure]) -> exp.Expr | None:
    """Since when events count for any of the measures, if that can be told: an engine
    that keeps events by time leaves the older ones unread."""
    lengths = []
    for measure in measures:
        match measure.window:
            case Within(length) | BetweenAgo(length):
                lengths.append(length)
            case _:
                return None
    longest = max(
        lengths, key=lambda length: timedelta(**{UNITS[length.unit]: length.number})
    )
    return ago(longest.number, longest.unit)


def times_words(comparison: Comparison) -> str:
    """A comparison of how often, as people say it."""
    values = [str(value) for value in comparison.values]
    said = " or ".join(values)
    times = "time" if said == "1" else "times"
    match comparison.operator:
        case "at_least" if said == "1":
            return "at least once"
        case "equals" | "one_of":
            words = f"exactly {said} {times}"
        case "not_equals" | "none_of":
            words = f"not {said} {times}"
        case operator:
            words = f"{operator.replace('_', ' ')} {said} {times}"
    return words + (" or never" if _fits_nothing(comparison) else "")


def _fits_nothing(comparison: Comparison) -> bool:
    """Whether 0 passes, so that those who never did it are meant too."""
    numbers = [value for value in comparison.values if isinstance(value, int | float)]
    match comparison.operator:
        case "at_most":
            return numbers[0] >= 0
        case "less_than":
            return numbers[0] > 0
        case "at_least":
            return numbers[0] <= 0
        case "more_than":
            return numbers[0] < 0
        case "equals" | "one_of":
            return 0 in numbers
        case _:
            return 0 not in numbers
