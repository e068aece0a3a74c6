"""The single conditions of a definition, and which profiles meet each of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestration.audiences.definitions import Definition
from orchestration.audiences.queries import truths_sql
from orchestration.conditions.catalogue import Catalogue
from orchestration.conditions.trees import ends_of


@dataclass(frozen=True)
class Leaves:
    """The conditions at the ends of a definition's tree, in its order.

    `sql` is a query of DuckDB with a row per profile: `profile_id` and, for each
    condition, the column that `columns` names, true or false and never null.
    """

    words: tuple[str, ...]
    columns: tuple[str, ...]
    sql: str


def leaves_of(definition: Definition, *, catalogue: Catalogue, now: datetime) -> Leaves:
    """What a definition consists of, and how to see who meets which part.

    The query needs the schemas that dbt makes (`profiles`, `events`, `audiences`, …),
    but none of the models `conditions_…`. `now` is the moment that the build of the
    database took for now. To count how often each condition was true and false:

        catalogue = read_catalogue(manifest)
        definitions = read_definitions(project_dir, catalogue)
        for name, definition in definitions.found.items():
            leaves = leaves_of(definition, catalogue=catalogue, now=moment)
            for profile_id, *truths in connection.execute(leaves.sql).fetchall():
                for words, is_true in zip(leaves.words, truths, strict=True):
                    ...

    An audience that is written in SQL is not among `definitions.found`.
    """
    ends = list(ends_of(definition.condition))
    return Leaves(
        words=tuple(end.words for end in ends),
        columns=tuple(f"condition_{number}" for number in range(1, len(ends) + 1)),
        sql=truths_sql(ends, catalogue=catalogue, now=now),
    )
