"""A dbt project with identity rules of every kind, and a table of people beside it."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import yaml

if TYPE_CHECKING:  # whose fixture makes this project
    from tests.dbt.conftest import Project

Person = tuple[int | None, str | None, str | None, datetime | None]

RULES: dict[str, Any] = {
    "identifiers": [
        {
            "type": "user_id",
            "paths": ["user_id"],
            "limit": 1,
            "blocked": ["Shop-Assistant"],
        },
        {
            "type": "email",
            "paths": ["traits.email", "properties.email"],
            "lower": True,
            "limit": 3,
            "blocked_pattern": "^test@",
        },
        {"type": "phone", "external_id": True, "limit": 2},
        {
            "type": "ios_id",
            "paths": ["context.device.id"],
            "when": {
                "context.device.type": "iOS",
                "context.device.adTrackingEnabled": True,
            },
        },
        {"type": "customer_number", "limit": 1},
        {
            "type": "anonymous_id",
            "paths": ["anonymous_id"],
            "limit": 2,
            "limit_window": "weekly",
        },
    ],
    "identifier_tables": [
        {
            "source": ["crm", "people"],
            "key": "person",
            "seen_at": "changed_at",
            "columns": [
                {"type": "customer_number", "column": "person"},
                {"type": "email", "column": "work_email"},
                {"type": "email", "column": "home_email"},
            ],
        }
    ],
    "maximum_identifiers": 10,
}
SOURCES = {"sources": [{"name": "crm", "tables": [{"name": "people"}]}]}
EVENTS = """
select
    {{ event_columns() }},
    type
from {{ ref('events') }}
"""
PEOPLE = """
create schema crm;
create table crm.people (
    person bigint, work_email varchar, home_email varchar, changed_at timestamptz
);
"""


def write_identity_project(original: Path, directory: Path) -> Path:
    """Write a copy of the original dbt project under these rules."""
    project_dir = directory / "dbt_project"
    ignored = shutil.ignore_patterns("logs", "target", "*.duckdb")
    shutil.copytree(original, project_dir, ignore=ignored)
    file = project_dir / "dbt_project.yml"
    config = yaml.safe_load(file.read_text())
    config["vars"] |= RULES
    file.write_text(yaml.safe_dump(config))
    (project_dir / "models" / "crm.yml").write_text(yaml.safe_dump(SOURCES))
    (project_dir / "models" / "events" / "all_events.sql").write_text(EVENTS)
    return project_dir


def create_people(project: Project) -> None:
    """Make the table of people, without any."""
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        connection.execute(PEOPLE)


def add_people(project: Project, *people: Person) -> None:
    """Add rows to the table of people."""
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        connection.executemany("insert into crm.people values (?, ?, ?, ?)", people)
