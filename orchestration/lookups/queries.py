"""The queries of lookups: events with what was found, and how much was found."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from orchestration.conditions.catalogue import flag_of
from orchestration.conditions.dbt_sql import column, import_of
from orchestration.lookups.definitions import Added, Enriched, Lookup

COUNTS = "lookup_counts"

_KNOWN = "is_known"
_HAPPENED = "timestamp"
_RECEIVED = "received_at"
_COUNTED = ("model", "lookup", "received_on")


def enriched_query(enriched: Enriched) -> exp.Select:
    """The event's rows, all of them, each with what the lookups found of it."""
    event = enriched.event
    tables = [event.model, *(lookup.table.model for lookup in enriched.lookups)]
    query = exp.select(*(column(name, event.model) for name in event.columns))
    query = query.from_(exp.table_(event.model))
    for lookup in enriched.lookups:
        table: exp.Expr = exp.table_(lookup.table.model)
        alias = lookup.table.model
        if tables.count(alias) > 1:
            alias = f"{lookup.name}_{alias}"
            table = exp.alias_(table, alias, table=True)
        added = [one for one in enriched.added if one.lookup == lookup.name]
        query = query.select(
            *(_found(one, alias) for one in added), _flag(event.model, lookup, alias)
        ).join(table, on=_same(event.model, lookup, alias), join_type="left")
    for model in dict.fromkeys(tables):
        query = query.with_(model, as_=import_of(model))
    return query


def counts_query(models: Sequence[Enriched]) -> exp.Select:
    """How many events each lookup found something for, by the day they came."""
    selects = []
    for enriched in models:
        for lookup in enriched.lookups:
            day = exp.cast(column(_RECEIVED), "date")
            select = exp.select(
                exp.alias_(exp.Literal.string(enriched.model), "model"),
                exp.alias_(exp.Literal.string(lookup.name), "lookup"),
                exp.alias_(day, "received_on"),
                exp.alias_(column(flag_of(lookup.name)), _KNOWN),
            )
            selects.append(select.from_(exp.table_(enriched.model)))
    lookups: exp.Query = selects[0]
    for select in selects[1:]:
        lookups = exp.union(lookups, select, distinct=False)
    keys = [column(name) for name in _COUNTED]
    known = column(_KNOWN)
    unknown = exp.Not(this=known.copy())
    without = exp.Is(this=known.copy(), expression=exp.null())
    query = exp.select(
        *keys,
        exp.alias_(exp.Count(this=exp.Star()), "event_count"),
        exp.alias_(_count(known), "known_count"),
        exp.alias_(_count(unknown), "unknown_count"),
        exp.alias_(_count(without), "keyless_count"),
    )
    query = query.from_(exp.table_("lookups")).group_by(*(key.copy() for key in keys))
    for enriched in models:
        query = query.with_(enriched.model, as_=import_of(enriched.model))
    return query.with_("lookups", as_=lookups)


def _found(added: Added, alias: str) -> exp.Expr:
    found = column(added.column, alias)
    return found if added.name == added.column else exp.alias_(found, added.name)


def _flag(event: str, lookup: Lookup, alias: str) -> exp.Expr:
    """Whether anything was found; null where the event says nothing to look up."""
    found = column(lookup.key, alias)
    is_found = exp.Is(this=found, expression=exp.Not(this=exp.null()))
    asked = column(lookup.property, event)
    is_asked = exp.Is(this=asked, expression=exp.Not(this=exp.null()))
    return exp.alias_(exp.Case().when(is_asked, is_found), flag_of(lookup.name))


def _same(event: str, lookup: Lookup, alias: str) -> exp.Expr:
    """The row that the event names, as of the event where the table keeps history."""
    same = column(lookup.property, event).eq(column(lookup.key, alias))
    if not lookup.valid_from:
        return same
    happened = column(_HAPPENED, event)
    ended = column(lookup.valid_to, alias)
    is_open = exp.Is(this=ended, expression=exp.null())
    return exp.and_(
        same,
        column(lookup.valid_from, alias) <= happened,
        exp.or_(is_open, happened.copy() < ended.copy()),
    )


def _count(condition: exp.Expr) -> exp.Expr:
    return exp.Count(this=exp.Case().when(condition, exp.Literal.number(1)))
