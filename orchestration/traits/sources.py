"""The rows that traits are computed from, as the beginning of a query: one scan of each
event model, joined with what says whose the events are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlglot import exp

from orchestration.conditions.catalogue import PERSON
from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import UNITS, column, moment
from orchestration.conditions.reading import Length
from orchestration.conditions.trees import Names
from orchestration.conditions.where import tables_of
from orchestration.conditions.windows import AllTime, BetweenAgo, Within
from orchestration.traits.definitions import Computed, Source, Topic
from orchestration.traits.parts import both, is_known

AT = Column("timestamp")


@dataclass(frozen=True)
class Scan:
    """The rows of a source with their key, and the models that they come from."""

    rows: exp.Select
    """Without columns."""
    key: exp.Expr
    names: Names
    models: tuple[str, ...]
    bound: exp.Expr | None
    """What the windows of all traits have in common; the rows are no others."""

    def condition(self, trait: Computed) -> exp.Expr | None:
        """Which of the rows count for a trait; None if all do."""
        model = trait.source.table.model
        window = trait.window.holds(self.names(model, AT))
        where = trait.where.holds(self.names) if trait.where else None
        return both(where, None if window == self.bound else window)


def scan(topic: Topic, source: Source, traits: Sequence[Computed]) -> Scan:
    """The rows of a source, for these of its traits."""
    model = source.table.model
    asked = [one for trait in traits if trait.where for one in tables_of(trait.where)]
    others = [one for one in dict.fromkeys(asked) if one != model]
    first, joins, key_model = _path(topic, source)
    is_joined = bool(joins or others)

    def names(model: str, named: Column) -> exp.Expr:
        return column(named.name, model if is_joined else None)

    rows = exp.select().from_(first)
    for joined, condition in joins:
        rows = rows.join(joined, on=condition, join_type="inner")
    of_person = first if source.is_members else model
    for other in others:
        same = column(PERSON, of_person).eq(column(PERSON, other))
        rows = rows.join(other, on=same, join_type="left")
    bound = None
    if not source.is_members:
        at = names(model, AT)
        bound = _common(traits, at)
        is_persons = is_known(names(model, Column(PERSON)))
        conditions = both(
            is_persons if topic.per == "profile" else None, at <= moment(), bound
        )
        rows = rows.where(conditions, copy=False)
    return Scan(
        rows=rows,
        key=names(key_model, Column(topic.key)),
        names=names,
        models=(first, *(joined for joined, _ in joins), *others),
        bound=bound,
    )


def _path(topic: Topic, source: Source) -> tuple[str, list[tuple[str, exp.Expr]], str]:
    """The model to begin with, what is joined to it and how, and where the key is."""
    model = source.table.model
    if topic.per == "profile":
        return model, [], model
    if source.is_members:
        members = "account_profiles"
        return members, [(model, _same(members, model, PERSON))], members
    if topic.events == "of_members":
        members = "account_profiles"
        return model, [(members, _same(model, members, PERSON))], members
    calls = "account_events"
    same = exp.and_(_same(model, calls, "source_id"), _same(model, calls, "message_id"))
    return model, [(calls, same)], calls


def _same(left: str, right: str, name: str) -> exp.Expr:
    return column(name, left).eq(column(name, right))


def _common(traits: Sequence[Computed], at: exp.Expr) -> exp.Expr | None:
    """The window of all traits together; None if some look at all of time, or it is not
    known before the build which one reaches furthest."""
    windows = [trait.window for trait in traits]
    if any(isinstance(window, AllTime) for window in windows):
        return None
    if all(window == windows[0] for window in windows):
        return windows[0].holds(at)
    lengths = []
    for window in windows:
        if isinstance(window, Within):
            lengths.append(window.length)
        elif isinstance(window, BetweenAgo):
            lengths.append(window.start)
        else:
            return None
    return Within(max(lengths, key=_duration)).holds(at)


def _duration(length: Length) -> timedelta:
    return timedelta(**{UNITS[length.unit]: length.number})
