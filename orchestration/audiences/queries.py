"""What a definition is in SQL: an audience's model, and queries on a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlglot import exp

from orchestration.audiences.entities import AccountUsers
from orchestration.audiences.events import Did, Measure, by_event, conditions_query
from orchestration.audiences.sources import Sources, matched
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue
from orchestration.conditions.dbt_sql import column, for_database
from orchestration.conditions.trees import Condition, ends_of


def audience_query(
    condition: Condition, *, instead: Mapping[str, exp.Query] | None = None
) -> exp.Select:
    """The profiles that meet a condition; `instead` as in `Sources.before`."""
    sources = _sources()
    query, [holds] = matched([condition], _profiles(), _PERSON, sources)
    return sources.before(query.where(holds), instead=instead)


def conditions_queries(conditions: Sequence[Condition]) -> dict[str, exp.Select]:
    """The models that have all that these conditions ask of events, by name."""
    measures = [one for condition in conditions for one in measures_of(condition)]
    return {
        model: conditions_query(found) for model, found in by_event(measures).items()
    }


def measures_of(condition: Condition) -> Iterator[Measure]:
    """What the condition asks of events, inside accounts too."""
    for end in ends_of(condition):
        if isinstance(end, Did):
            yield from end.measures
        elif isinstance(end, AccountUsers):
            yield from measures_of(end.matching)


def members_sql(condition: Condition, *, catalogue: Catalogue, now: datetime) -> str:
    """The members in DuckDB's SQL: `profile_id` of each, as of `now`.

    It needs none of the `conditions_` models.
    """
    query = audience_query(condition, instead=conditions_queries([condition]))
    return _on_database(query, catalogue, now)


def truths_sql(
    conditions: Sequence[Condition], *, catalogue: Catalogue, now: datetime
) -> str:
    """Which conditions each profile meets, in DuckDB's SQL: `profile_id`, and
    `condition_1` and so on, true or false, in the order of the conditions."""
    sources = _sources()
    query, truths = matched(conditions, _profiles(), _PERSON, sources)
    for number, holds in enumerate(truths, start=1):
        truth = exp.Coalesce(this=holds, expressions=[exp.false()])
        query = query.select(exp.alias_(truth, f"condition_{number}"))
    query = sources.before(query, instead=conditions_queries(conditions))
    return _on_database(query, catalogue, now)


def _profiles() -> exp.Select:
    return exp.select(_PERSON.copy()).from_(exp.table_(PROFILES))


def _sources() -> Sources:
    sources = Sources()
    sources.use(PROFILES)
    return sources


def _on_database(query: exp.Select, catalogue: Catalogue, now: datetime) -> str:
    def table_of(model: str) -> exp.Table:
        table = catalogue.tables.get(model)
        return exp.table_(model, db=table.schema if table else "audiences")

    return for_database(query, now=now, table_of=table_of).sql(
        dialect="duckdb", pretty=True
    )


_PERSON = column(PERSON, PROFILES)
