"""Frozen cohorts: who was in an audience at some time, kept as an audience of its own.

The log of audiences tells who that was, so a cohort can be frozen long after. Values of
its people are another matter: they are kept from the cohort's first build on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import duckdb

from orchestration.audiences.definitions import FOLDER, AudienceProblem
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue
from orchestration.conditions.comparisons import Column
from orchestration.conditions.reading import nearest

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MEMBERS = """
select count(*)
from (
    select changes.profile_id
    from audiences.audience_changes as changes
    where changes.audience = $audience and changes.at <= $as_of
    group by changes.profile_id
    having arg_max(changes.change, changes.at) = 'entered'
)
"""


@dataclass(frozen=True)
class Cohort:
    """A cohort that was written: how many it has by the log, and its files."""

    name: str
    audience: str
    as_of: datetime
    members: int
    files: tuple[Path, ...]


def freeze(
    audience: str,
    *,
    as_of: datetime,
    name: str,
    keep: Sequence[str],
    owner: str,
    catalogue: Catalogue,
    published: duckdb.DuckDBPyConnection,
    project_dir: Path,
) -> Cohort:
    """Write the models of a cohort; `AudienceProblem`, and no file, where that fails.

    `keep` are columns of `profiles`.
    """
    _check_name(name, catalogue, project_dir, keep)
    kept = [_trait(trait, catalogue) for trait in dict.fromkeys(keep)]
    members = _members(audience, as_of, published)
    said = as_of.astimezone(UTC).isoformat(sep=" ")
    values = {"name": name, "audience": audience, "as_of": said, "owner": owner}
    folder = project_dir / FOLDER
    files = {folder / f"{name}{ending}": ("cohort", "") for ending in (".sql", ".yml")}
    if kept:
        baseline = folder / f"{name}_baseline.sql"
        selected = "\n".join(f"    profiles.{column.name}," for column in kept)
        files[baseline] = ("baseline", selected)
        described = "\n".join(_described(column) for column in kept)
        files[baseline.with_suffix(".yml")] = ("baseline", described)
    for file, (template, columns) in files.items():
        text = (TEMPLATES / f"{template}{file.suffix}").read_text("utf-8")
        filled = Template(text).substitute(values, columns=columns)
        file.write_text(filled, encoding="utf-8")
    return Cohort(name, audience, as_of, members, tuple(files))


def _check_name(
    name: str, catalogue: Catalogue, project_dir: Path, keep: Sequence[str]
) -> None:
    if not _NAME.fullmatch(name):
        raise AudienceProblem(
            f"'{name}' is not snake_case: lower-case words joined by `_`."
        )
    for model in (name, f"{name}_baseline") if keep else (name,):
        files = [
            project_dir / FOLDER / f"{model}{ending}" for ending in (".sql", ".yml")
        ]
        if model in catalogue.tables or any(file.exists() for file in files):
            raise AudienceProblem(
                f"there is a model {model} already; a frozen cohort is never written "
                "over. Choose another name."
            )


def _trait(name: str, catalogue: Catalogue) -> Column:
    columns = catalogue.tables[PROFILES].columns
    if name not in columns or name == PERSON:
        traits = [column for column in columns if column != PERSON]
        raise AudienceProblem(f"profiles have no '{name}'; {nearest(name, traits)}")
    return columns[name]


def _members(
    audience: str, as_of: datetime, published: duckdb.DuckDBPyConnection
) -> int:
    """How many the audience had then, by its log."""
    if as_of > datetime.now(UTC):
        raise AudienceProblem(
            f"{as_of.isoformat()} is still to come; a cohort is frozen as of a time "
            "that has been."
        )
    first = dict(
        published.execute(
            "select audience, min(changes.at) "
            "from audiences.audience_changes as changes group by audience"
        ).fetchall()
    )
    if audience not in first:
        raise AudienceProblem(
            f"the log of audiences knows no '{audience}'; {nearest(audience, first)}"
        )
    if as_of < first[audience]:
        raise AudienceProblem(
            f"nobody was in {audience} as of {as_of.isoformat()}: the first entered at "
            f"{first[audience].isoformat()}."
        )
    values = {"audience": audience, "as_of": as_of}
    ((members,),) = published.execute(_MEMBERS, values).fetchall()
    return int(members)


def _described(column: Column) -> str:
    """The column in the yml; what it means is told where it comes from."""
    described = json.dumps(column.description or "As in profiles.", ensure_ascii=False)
    pii = ", config: {meta: {pii: true}}" if column.is_pii else ""
    return f"      - {{name: {column.name}, description: {described}{pii}}}"
