"""The project with the benchmark's traits and audiences, over the shop's events."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import yaml

from orchestration.audiences.compiling import compile_audiences
from orchestration.audiences.definitions import read_definitions
from orchestration.conditions.catalogue import read_catalogue
from orchestration.dbt_runs import DbtRun, run_dbt
from orchestration.project import DBT_PROJECT
from orchestration.traits.compiling import compile_topics, write_topics

SHOP = Path(__file__).parent / "audience_shop"
TRAITS = "traits_bench"
DAYS = 90

_PROFILES = """
create schema profiles;
create table profiles.profiles as
select
    substr(md5('person:' || number), 1, 16) as profile_id,
    case when number % 3 > 0 then 'p' || number || '@example.com' end as email,
    ['GB', 'IE', 'DE', 'FR', 'US'][1 + number % 5] as country
from range($people) as numbers (number);
create schema identity;
create table identity.profile_merges (
    losing_profile_id varchar, profile_id varchar, merged_at timestamptz,
    message_id varchar
);
create table identity.profile_identifiers (
    profile_id varchar, identifier_type varchar, identifier_value varchar,
    identifier_id bigint
);
create table identity.int_event_identifiers (
    strongest_identifier_id bigint, batch_id bigint
);
create table identity.int_identifier_owners (
    identifier_id bigint, profile_id varchar, batch_id bigint
);
create schema staging;
create table staging.violation_releases (source_id varchar);
"""

_CHOSEN = (
    *(TRAITS, "path:models/audiences/conditions", "config.materialized:audience"),
    *("audience_changes", "audience_freshness", "int_followed_profiles"),
)

# How old the events are is asked of all of them. As the build leaves out what makes
# them, it computes all traits and conditions anew.
_RECEIVED = """
create or replace table staging.stg_events as
select received_at, 1 as batch_id from events.page_viewed
union all
select received_at, 1 from events.product_viewed
union all
select received_at, 1 from events.product_added
union all
select received_at, 1 from events.order_completed
union all
select received_at, 1 from events.order_refunded
"""


def definitions() -> dict[str, Any]:
    """The traits and the audiences by their names."""
    text = (SHOP / "definitions.yml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def write_project(place: Path, data_dir: Path) -> Path:
    """A copy of the project with the benchmark's audiences in place of its own."""
    project = place / "dbt_project"
    shutil.copytree(DBT_PROJECT, project)
    manifest = _parse(project, data_dir)
    audiences = read_catalogue(manifest).audiences
    for model in (project / "models" / "audiences").glob("*.yml"):
        if model.stem in audiences:
            model.unlink()
            model.with_suffix(".sql").unlink()
    shutil.rmtree(project / "models" / "syncs")
    given = definitions()
    _write_traits(project, given["traits"])
    catalogue = read_catalogue(_parse(project, data_dir))
    compiled, problems = compile_topics(project, catalogue, [TRAITS])
    _stop_at(problems)
    write_topics(project, compiled, overwrite=True)
    for name, definition in given["audiences"].items():
        _write_model(
            project / "models" / "audiences" / f"{name}.yml",
            name=name,
            description="One row per profile.",
            config={"meta": {"owner": "benchmark", "definition": definition}},
        )
        stub = project / "models" / "audiences" / f"{name}.sql"
        stub.write_text("select profile_id from {{ ref('profiles') }}")
    catalogue = read_catalogue(_parse(project, data_dir))
    found = read_definitions(project, catalogue)
    _stop_at(found.problems)
    compile_audiences(found, project, overwrite=True)
    return project


def write_events(
    warehouse: Path,
    *,
    first: int,
    events: int,
    people: int,
    days: float,
    until: datetime,
) -> None:
    """Append events to the tables of the event models, and make people at first."""
    values = {
        "first": first,
        "events": events,
        "people": people,
        "days": days,
        "until": until.isoformat(sep=" "),
    }
    with duckdb.connect(warehouse) as connection:
        connection.execute("set TimeZone = 'UTC'")
        if first == 0:
            connection.execute(Template(_PROFILES).substitute(values))
        statements = (SHOP / "events.sql").read_text("utf-8")
        connection.execute(Template(statements).substitute(values))
        connection.execute(_RECEIVED)


def run(project: Path, data_dir: Path, *, moment: datetime) -> DbtRun:
    """Build the traits, the conditions and the audiences, without their tests."""
    done = run_dbt(
        ["run", "--select", *_CHOSEN],
        data_dir=data_dir,
        project_dir=project,
        target="duckdb",
        moment=moment,
    )
    if not done.succeeded:
        failed = [f"{node.name}: {node.message}" for node in done.nodes]
        raise SystemExit("\n".join([done.problem, *failed]))
    return done


def _parse(project: Path, data_dir: Path) -> Path:
    done = run_dbt(["parse"], data_dir=data_dir, project_dir=project)
    if not done.succeeded:
        raise SystemExit(done.problem)
    return data_dir / "dbt" / "target" / "manifest.json"


def _write_traits(project: Path, traits: list[dict[str, Any]]) -> None:
    columns: list[dict[str, Any]] = [{"name": "profile_id", "data_type": "varchar"}]
    for column in traits:
        meta = {"trait": column.pop("trait")}
        columns.append({**column, "config": {"meta": meta}})
    yml = project / "models" / "traits" / f"{TRAITS}.yml"
    _write_model(
        yml,
        name=TRAITS,
        description="One row per profile.",
        config={"meta": {"traits": {"per": "profile"}}},
        columns=columns,
    )
    yml.with_suffix(".sql").write_text("select 1 as profile_id")


def _write_model(path: Path, **entry: Any) -> None:
    text = yaml.safe_dump({"models": [entry]}, sort_keys=False)
    path.write_text(text, encoding="utf-8")


def _stop_at(problems: Any) -> None:
    if problems:
        raise SystemExit("\n".join(problems))
