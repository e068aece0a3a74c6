"""Who would be in an audience: asked of the published database, nothing is built."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from orchestration.audiences.definitions import AudienceProblem, Definition
from orchestration.audiences.leaves import leaves_of
from orchestration.audiences.queries import members_sql
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue
from orchestration.conditions.trees import Condition, ends_of
from orchestration.conditions.where import Compared
from profiles.published import connect
from profiles.settings import ProfilesSettings
from profiles.sql_names import quoted

SAMPLE = 5
MASKED = "[masked]"


@dataclass(frozen=True)
class Met:
    """One condition of a definition, and how many profiles meet it by itself."""

    words: str
    profiles: int


@dataclass(frozen=True)
class Preview:
    """Who would be in. `current`, `entries` and `exits` are None for an audience that
    was never built; `sample` is a few members with the traits that were asked about."""

    audience: str
    definition: str
    profiles: int
    size: int
    current: int | None
    entries: int | None
    exits: int | None
    conditions: tuple[Met, ...]
    sample: tuple[dict[str, Any], ...]


def preview(
    definition: Definition, catalogue: Catalogue, *, now: datetime | None = None
) -> Preview:
    """What a build at this moment would make of the definition."""
    moment = now or datetime.now(UTC)
    with connect(ProfilesSettings().published_dir) as connection:
        try:
            return _preview(definition, catalogue, moment, connection)
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            reason = str(error).splitlines()[0]
            raise AudienceProblem(
                f"the published database lacks what is asked for: {reason}. "
                "Run ./kith build."
            ) from error


def _preview(
    definition: Definition,
    catalogue: Catalogue,
    now: datetime,
    connection: duckdb.DuckDBPyConnection,
) -> Preview:
    members = members_sql(definition.condition, catalogue=catalogue, now=now)
    connection.execute(f"create temp table previewed as {members}")
    size = _one(connection, "select count(*) from previewed")
    current = entries = exits = None
    if definition.audience in catalogue.audiences:
        table = f"audiences.{quoted(definition.audience)}"
        current = _one(connection, f"select count(*) from {table}")  # noqa: S608 - a model
        both = _one(
            connection,
            f"select count(*) from {table} inner join previewed using (profile_id)",  # noqa: S608 - a model
        )
        entries, exits = size - both, current - both
    return Preview(
        audience=definition.audience,
        definition=definition.words,
        profiles=_one(connection, "select count(*) from profiles.profiles"),
        size=size,
        current=current,
        entries=entries,
        exits=exits,
        conditions=_met(definition, catalogue, now, connection),
        sample=_sample(definition.condition, catalogue, connection),
    )


def _met(
    definition: Definition,
    catalogue: Catalogue,
    now: datetime,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Met, ...]:
    leaves = leaves_of(definition, catalogue=catalogue, now=now)
    counts = ", ".join(f"count_if({name})" for name in leaves.columns)
    query = f"select {counts} from ({leaves.sql}) as truths"  # noqa: S608 - compiled
    [found] = connection.execute(query).fetchall()
    return tuple(map(Met, leaves.words, found))


def _sample(
    condition: Condition, catalogue: Catalogue, connection: duckdb.DuckDBPyConnection
) -> tuple[dict[str, Any], ...]:
    """A few members, the same ones each time, with what was asked of their profiles."""
    asked = _asked(condition)
    columns = ", ".join(quoted(name) for name in asked)
    rows = connection.execute(
        f"select {columns} from {PROFILES}.{PROFILES} as profiles "  # noqa: S608 - a model
        "where profile_id in (select profile_id from previewed) "
        f"order by profile_id limit {SAMPLE}"
    ).fetchall()
    known = catalogue.tables[PROFILES].columns
    return tuple(
        {
            name: MASKED if known[name].is_pii and value is not None else value
            for name, value in zip(asked, row, strict=True)
        }
        for row in rows
    )


def _asked(condition: Condition) -> list[str]:
    """The profile's key and the columns of `profiles` that the definition compares."""
    columns = {PERSON: None}
    for end in ends_of(condition):
        if isinstance(end, Compared):
            compared = end.comparison
            if end.table == PROFILES:
                columns[compared.column.name] = None
            if compared.other is not None and end.other_table == PROFILES:
                columns[compared.other.name] = None
    return list(columns)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    [(value,)] = connection.execute(query).fetchall()
    return int(value)
