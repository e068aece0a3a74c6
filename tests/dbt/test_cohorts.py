"""A frozen cohort: who was in an audience at some time, whatever happens afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.audiences.definitions import AudienceProblem
from orchestration.audiences.freeze import Cohort, freeze
from orchestration.conditions.catalogue import Catalogue, Table
from orchestration.conditions.comparisons import Column
from tests.dbt.conftest import PROJECT_DIR, Project, event_row
from tests.dbt.test_audiences import added, ordered, profile_of

CATALOGUE = Catalogue(
    events={},
    traits={},
    audiences=frozenset({"cart_abandoners"}),
    tables={
        "profiles": Table(
            "profiles",
            "profiles",
            {
                name: Column(
                    name,
                    data_type="varchar",
                    description=name,
                    is_pii=name == "country",
                )
                for name in ("profile_id", "order_count", "country")
            },
        )
    },
)
SELECTION = ("--select", "+cart_abandoners")


@pytest.fixture
def project(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    directory = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(PROJECT_DIR, directory)
    project = make_project()
    project.project_dir = directory
    return project


def frozen(
    project: Project,
    audience: str = "cart_abandoners",
    *,
    as_of: datetime,
    name: str = "cohort",
    keep: tuple[str, ...] = (),
) -> Cohort:
    with duckdb.connect(project.data_dir / "warehouse.duckdb") as connection:
        connection.execute("set TimeZone = 'UTC'")
        return freeze(
            audience,
            as_of=as_of,
            name=name,
            keep=keep,
            owner="shop",
            catalogue=CATALOGUE,
            published=connection,
            project_dir=project.project_dir,
        )


def files(project_dir: Path) -> set[Path]:
    return {path for path in project_dir.rglob("*") if path.is_file()}


def test_a_cohort_has_who_was_in_it_then_and_what_they_were_like(
    project: Project,
) -> None:
    before = datetime.now(UTC)
    project.land(
        [
            added(1),
            added(2, anonymous_id="phone"),
            event_row(minute=3, user_id="ada", anonymous_id="laptop"),
        ],
        segment="s1",
    )
    project.dbt("run", *SELECTION)
    as_of = datetime.now(UTC)
    visitor, phone, ada = (
        profile_of(project, name) for name in ("visitor", "phone", "laptop")
    )
    project.land([ordered(10), added(11, anonymous_id="late")], segment="s2")
    project.dbt("run", *SELECTION)
    now = project.query("select profile_id from audiences.cart_abandoners")
    assert set(now) == {(phone,), (profile_of(project, "late"),)}

    wrong: dict[str, dict[str, Any]] = {
        "snake_case": {"name": "The cohort"},
        "there is a model cart_abandoners already": {"name": "cart_abandoners"},
        "no 'order_counts'; did you mean": {"keep": ("order_counts",)},
        "still to come": {"as_of": as_of + timedelta(days=1)},
        "the first entered at": {"as_of": before},
        "knows no 'abandoners'; did you mean": {"audience": "abandoners"},
    }
    unwritten = files(project.project_dir)
    for message, change in wrong.items():
        with pytest.raises(AudienceProblem, match=message):
            frozen(project, **{"as_of": as_of, **change})
    assert files(project.project_dir) == unwritten

    cohort = frozen(project, as_of=as_of, keep=("order_count", "country"))
    assert cohort.members == 2
    assert [file.name for file in cohort.files] == [
        *("cohort.sql", "cohort.yml", "cohort_baseline.sql", "cohort_baseline.yml"),
    ]
    described = (
        project.project_dir / "models/audiences/cohort_baseline.yml"
    ).read_text()
    assert '{name: country, description: "country", config: {meta: {pii: true}}}' in (
        described
    )
    with pytest.raises(AudienceProblem, match="there is a model cohort already"):
        frozen(project, as_of=as_of)

    def build(*arguments: str) -> tuple[set[str], set[tuple[str, int]]]:
        selection = (*SELECTION, "+cohort", "cohort_baseline")
        project.dbt("run", *selection, *arguments)
        members = project.query("select profile_id from audiences.cohort")
        baseline = project.query(
            "select profile_id, order_count from audiences.cohort_baseline"
        )
        return {row[0] for row in members}, set(baseline)

    baseline = {(visitor, 1), (phone, 0)}
    assert build() == ({visitor, phone}, baseline)

    # The phone turns out to be a part of somebody who was there before.
    later = [
        ordered(20),
        event_row(minute=-5, anonymous_id="earlier", user_id="bob"),
        event_row(minute=21, anonymous_id="phone", user_id="bob"),
    ]
    project.land(later, segment="s3")
    assert ada not in {visitor, phone}
    members, kept = build("--full-refresh")
    assert members == {visitor, profile_of(project, "phone")} != {visitor, phone}
    assert kept == baseline
    project.dbt("test", "--select", "cohort", "cohort_baseline")
