"""All audiences at a glance, defined and written in SQL alike."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from orchestration.audiences.definitions import Definitions
from orchestration.conditions.catalogue import Catalogue
from profiles.published import PublishedDatabaseMissing, connect
from profiles.settings import ProfilesSettings

_SIZES = """
select audience, count(*) from audiences.audience_memberships group by audience
"""


@dataclass(frozen=True)
class Audience:
    """An audience; `members` is its size as last published, if it ever was."""

    audience: str
    owner: str | None
    definition: str | None
    members: int | None


def list_all(catalogue: Catalogue, definitions: Definitions) -> list[Audience]:
    """Every audience of the project, by name."""
    sizes = _sizes()
    listed = []
    for name in sorted(catalogue.audiences | set(definitions.found)):
        found = definitions.found.get(name)
        is_built = name in catalogue.audiences and sizes is not None
        listed.append(
            Audience(
                audience=name,
                owner=found.owner if found else None,
                definition=found.words if found else None,
                members=(sizes or {}).get(name, 0) if is_built else None,
            )
        )
    return listed


def _sizes() -> dict[str, int] | None:
    """The members of each audience that has any; None without a published database."""
    try:
        with connect(ProfilesSettings().published_dir) as connection:
            return dict(connection.execute(_SIZES).fetchall())
    except (PublishedDatabaseMissing, duckdb.CatalogException):
        return None
