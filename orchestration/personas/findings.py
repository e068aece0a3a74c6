"""What a build made of the personas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.audiences.leaves import Leaves
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue
from orchestration.personas.building import PersonaError
from orchestration.personas.names import ACCOUNT
from orchestration.personas.worlds import World

Row = Mapping[str, Any]

_IDENTIFIERS = """
    select
        event_identifiers.message_id,
        profile_identifiers.profile_id,
        profile_identifiers.identifier_type,
        profile_identifiers.identifier_value
    from identity.int_event_identifiers as event_identifiers
    inner join identity.profile_identifiers
        on event_identifiers.identifier_id = profile_identifiers.identifier_id
"""
_VIOLATIONS = """
    select message_id, event, property, violation
    from staging.event_violations
    order by all
"""


@dataclass(frozen=True)
class Identified:
    """An identifier of somebody in a world, without its mark."""

    type: str
    value: str
    profile_id: str


@dataclass(frozen=True)
class Findings:
    """The tables of a build, as far as personas are looked for in them.

    `identified` and `violations` are by the mark of the world, `rows` by model and key,
    `members` by audience; `truths` by audience and profile, of each of its conditions.
    """

    identified: Mapping[str, tuple[Identified, ...]]
    violations: Mapping[str, tuple[tuple[str, str], ...]]
    rows: Mapping[str, Mapping[str, Row]]
    members: Mapping[str, frozenset[str]]
    truths: Mapping[str, Mapping[str, tuple[bool, ...]]]

    def profiles(self, world: World) -> list[str]:
        """The profiles that the identifiers of a world became."""
        found = self.identified.get(world.mark.text, ())
        return sorted({one.profile_id for one in found})

    def profile_of(self, world: World, identifier: str) -> str | None:
        """Whose identifier this is, written `type:value`."""
        kind, _, value = identifier.partition(":")
        for one in self.identified.get(world.mark.text, ()):
            if one.type == kind and one.value.lower() == value.strip().lower():
                return one.profile_id
        return None


def read_findings(
    warehouse: Path,
    worlds: Iterable[World],
    catalogue: Catalogue,
    models: set[str],
    leaves: Mapping[str, Leaves],
) -> Findings:
    """What the build of these models found of these worlds.

    `leaves` are the conditions of the audiences that have a definition.
    """
    marks = {world.mark.text: world.mark for world in worlds}
    identified: dict[str, list[Identified]] = {}
    violations: dict[str, list[tuple[str, str]]] = {}
    with duckdb.connect(warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for message, profile, kind, value in _fetch(connection, _IDENTIFIERS):
            mark = message.partition("-")[0]
            if mark in marks:
                one = Identified(kind, marks[mark].taken_off(value), profile)
                identified.setdefault(mark, []).append(one)
        for message, event, name, violation in _fetch(connection, _VIOLATIONS):
            where = f"'{event}'" + (f": {name}" if name else "")
            told = (message, f"{where} breaks the tracking plan: {violation}")
            violations.setdefault(message.partition("-")[0], []).append(told)
        tables = {
            name: catalogue.tables[name]
            for name in {*models, PROFILES} - catalogue.audiences
        }
        rows = {
            name: _rows(
                connection,
                f'"{table.schema}"."{name}"',
                PERSON if PERSON in table.columns else ACCOUNT,
            )
            for name, table in tables.items()
        }
        members = {
            name: _members(connection, f'"{catalogue.tables[name].schema}"."{name}"')
            for name in models & catalogue.audiences
        }
        truths = {
            name: _truths(connection, name, found.sql)
            for name, found in leaves.items()
            if name in members
        }
    return Findings(
        identified={mark: tuple(found) for mark, found in identified.items()},
        violations={mark: tuple(found) for mark, found in violations.items()},
        rows=rows,
        members=members,
        truths=truths,
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, key: str
) -> dict[str, Row]:
    found = connection.execute(f"select * from {table}")  # noqa: S608 - names of models
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return {str(row[key]): row for row in rows}


def _members(connection: duckdb.DuckDBPyConnection, audience: str) -> frozenset[str]:
    sql = f"select profile_id from {audience}"  # noqa: S608 - names of models
    return frozenset(profile for (profile,) in _fetch(connection, sql))


def _truths(
    connection: duckdb.DuckDBPyConnection, audience: str, sql: str
) -> dict[str, tuple[bool, ...]]:
    try:
        rows = _fetch(connection, sql)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        reason = str(error).splitlines()[0]
        raise PersonaError(
            f"the model of {audience} is not what its definition says: {reason}. "
            f"Run ./kith audience compile {audience}."
        ) from error
    return {profile: tuple(found) for profile, *found in rows}


def _fetch(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()
