"""Identifiers as people name them, `type:value`, and what they are in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import yaml

from collector.strict_yaml import load
from orchestration.project import DBT_PROJECT


class IdentityProblem(Exception):
    """Something about identities that the user can mend; the message says how."""


@dataclass(frozen=True, order=True)
class Identifier:
    """One identifier, its value normalised as the graph has it."""

    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.type}:{self.value}"


def declared_identifiers(project_dir: Path = DBT_PROJECT) -> list[dict[str, Any]]:
    """`vars: identifiers` of dbt_project.yml, the strongest first."""
    file = project_dir / "dbt_project.yml"
    try:
        entries = load(file.read_text("utf-8"))["vars"]["identifiers"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise IdentityProblem(f"{file} has no `vars: identifiers`: {error}") from None
    return [entry for entry in entries if isinstance(entry, dict) and "type" in entry]


def parse_identifier(text: str) -> Identifier:
    """The identifier that a person wrote as `type:value`; the type must be declared."""
    kind, colon, value = text.partition(":")
    if not colon:
        raise IdentityProblem(
            f"'{text}' is no identifier: write type:value, as in email:ann@example.com"
        )
    declared = {str(entry["type"]): entry for entry in declared_identifiers()}
    if kind not in declared:
        raise IdentityProblem(
            f"'{text}': there is no identifier type '{kind}'. "
            f"Types: {', '.join(declared)}."
        )
    # In SQL, so that a value is folded by the same rules as when it was collected.
    fold = "select lower(trim(?))" if declared[kind].get("lower") else "select trim(?)"
    with duckdb.connect() as connection:
        ((folded,),) = connection.execute(fold, [value]).fetchall()
    if not folded:
        raise IdentityProblem(f"'{text}': the value is empty")
    return Identifier(kind, str(folded))


def parse_pair(left: str, right: str) -> tuple[Identifier, Identifier]:
    """Two identifiers, which must not be the same one."""
    pair = parse_identifier(left), parse_identifier(right)
    if pair[0] == pair[1]:
        raise IdentityProblem(f"{pair[0]} is one identifier: name two different ones")
    return pair


def profile_of(
    connection: duckdb.DuckDBPyConnection, identifier: Identifier
) -> str | None:
    """The profile that holds the identifier, or None where no event showed it."""
    row = connection.execute(
        "select profile_id from identity.profile_identifiers "
        "where identifier_type = ? and identifier_value = ?",
        [identifier.type, identifier.value],
    ).fetchone()
    return None if row is None else str(row[0])
