"""A preview says what a build then does; and what dbt knows of a built definition."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from collector.plan import read_plan
from orchestration.audiences.compiling import compile_audiences
from orchestration.audiences.definitions import (
    FOLDER,
    AudienceProblem,
    read_definitions,
    read_file,
)
from orchestration.audiences.preview import MASKED, Preview, preview
from orchestration.cli import app
from orchestration.cli.problems import Problem
from orchestration.conditions.catalogue import Catalogue, read_catalogue
from orchestration.lineage.models import Lineage, Reader
from profiles.published import publish
from tests.dbt.conftest import PROJECT_DIR, Project, Row, event_row

DEFINED = ("repeat_buyers", "window_shoppers", "quick_deciders", "buying_teams")
BUILD = ("run", "--select", *(f"+{name}" for name in DEFINED), "audience_memberships")
NOW = datetime.now(UTC)


def did(person: str, event: str, days: float, **properties: Any) -> Row:
    """An event of somebody, so many days ago."""
    at = NOW - timedelta(days=days)
    return event_row(
        event=event,
        user_id=person,
        anonymous_id=None,
        message_id=f"{person} {event} {days}",
        timestamp=at,
        received_at=at,
        properties=properties,
        context={"groupId": "acme"} if person in ("ann", "ben") else None,
    )


def viewed(person: str, days: float) -> Row:
    return did(person, "Product Viewed", days, product_id="p", name="P", category="c")


def ordered(person: str, days: float, total: int = 60) -> Row:
    order = f"{person}-{days}"
    return did(
        person, "Order Completed", days, order_id=order, total=total, currency="EUR"
    )


EVENTS = [
    *(ordered("ann", days) for days in (10, 40, 80)),
    ordered("cleo", 20),
    ordered("cleo", 200),
    *(viewed("ben", days) for days in (1, 2, 3)),
    *(viewed("ann", days) for days in (1, 2, 3)),
    viewed("dan", 5),
    did("dan", "Product Added", 4.99, cart_id="c", product_id="p"),
    ordered("dan", 4.9, total=10),
]


@pytest.fixture(scope="module")
def built(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of this project, built and published."""
    copy = tmp_path_factory.mktemp("checkout") / "dbt_project"
    shutil.copytree(PROJECT_DIR, copy, ignore=shutil.ignore_patterns("logs", "target"))
    built = replace(project, project_dir=copy)
    built.land(EVENTS, segment="s")
    built.dbt(*BUILD, with_artifacts=True)
    publish(built.data_dir / "warehouse.duckdb", built.data_dir / "published")
    return built


@pytest.fixture(scope="module")
def catalogue(built: Project) -> Catalogue:
    return read_catalogue(built.data_dir / "dbt" / "target" / "manifest.json")


def file_of(built: Project, name: str) -> Path:
    return built.project_dir / FOLDER / f"{name}.yml"


def previewed(built: Project, catalogue: Catalogue, name: str) -> Preview:
    return preview(read_file(file_of(built, name), catalogue), catalogue)


def sizes(built: Project) -> dict[str, int]:
    return {
        name: built.query(f"select count(*) from audiences.{name}")[0][0]  # noqa: S608 - ours
        for name in DEFINED
    }


def test_a_preview_of_what_was_built_changes_nothing(
    built: Project, catalogue: Catalogue
) -> None:
    assert sizes(built) == {
        "repeat_buyers": 1,
        "window_shoppers": 1,
        "quick_deciders": 1,
        "buying_teams": 2,
    }
    for name, size in sizes(built).items():
        made = previewed(built, catalogue, name)
        assert (made.size, made.current, made.entries, made.exits) == (size, size, 0, 0)
        assert made.profiles == 4
        assert len(made.sample) == size
    made = previewed(built, catalogue, "window_shoppers")
    assert [(one.words, one.profiles) for one in made.conditions] == [
        ("did Product Viewed at least 3 times in the last 30 days", 2),
        ("did not do Order Completed in the last 30 days", 1),
    ]


def test_personal_traits_are_masked_in_a_sample(
    built: Project, catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "everybody.yml"
    file.write_text(
        "any: [{trait: email, exists: true}, {trait: order_count, at_least: 1}]"
    )
    made = preview(read_file(file, catalogue), catalogue)
    assert (made.size, made.current, made.entries) == (3, None, None)
    assert [row["email"] for row in made.sample] == [None] * 3
    assert {row["order_count"] for row in made.sample} == {1, 2, 3}
    pii = catalogue.tables["profiles"].columns["order_count"]
    columns = {
        **catalogue.tables["profiles"].columns,
        "order_count": replace(pii, is_pii=True),
    }
    table = replace(catalogue.tables["profiles"], columns=columns)
    masked = replace(catalogue, tables={**catalogue.tables, "profiles": table})
    made = preview(read_file(file, catalogue), masked)
    assert {row["order_count"] for row in made.sample} == {MASKED}


def test_what_is_not_published_yet_is_said(
    built: Project, catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "idea.yml"
    file.write_text("{in: vip_customers}")
    with pytest.raises(AudienceProblem, match=r"vip_customers.*Run \./kith build"):
        preview(read_file(file, catalogue), catalogue)


def test_dbt_shows_owner_definition_and_grain(built: Project) -> None:
    manifest = json.loads(
        (built.data_dir / "dbt" / "target" / "manifest.json").read_bytes()
    )
    node = manifest["nodes"]["model.kith.repeat_buyers"]
    assert node["description"] == (
        "Whoever meets this: did Order Completed at least 2 times in the last 90 days. "
        "One row per profile."
    )
    assert node["config"]["meta"]["owner"] == "marketing"


def test_lineage_leads_from_a_property_to_the_audiences_that_ask_for_it(
    built: Project,
) -> None:
    file = built.data_dir / "dbt" / "target" / "manifest.json"
    plan, _ = read_plan(file)
    lineage = Lineage(json.loads(file.read_bytes()), plan.events)
    [order] = [event for event in plan.events if event.name == "Order Completed"]

    def audiences(path: tuple[str, ...] | None) -> set[str]:
        readers: tuple[Reader, ...] = lineage.readers_of(order, path)
        return {one.model for one in readers if one.kind == "audience" and one.rows}

    asked = audiences(("total",)) & set(DEFINED)
    assert asked == {"buying_teams"}
    assert audiences(("coupon",)) & set(DEFINED) == set()
    assert set(DEFINED) <= audiences(None)


def test_the_commands_tell_the_same_as_json(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.project.DBT_PROJECT", built.project_dir)
    listed = CliRunner().invoke(app, ["audience", "list", "--json"])
    audiences = {one["audience"]: one for one in json.loads(listed.stdout)["audiences"]}
    assert {name: audiences[name]["members"] for name in DEFINED} == sizes(built)
    assert audiences["buying_teams"]["owner"] == "marketing"
    file = str(file_of(built, "repeat_buyers"))
    shown = json.loads(
        CliRunner().invoke(app, ["audience", "preview", file, "--json"]).stdout
    )
    assert (shown["size"], shown["entries"], shown["exits"]) == (1, 0, 0)
    told = CliRunner().invoke(app, ["audience", "preview", file]).stdout
    assert "1 of 4 profiles\n1 members now; 0 would enter, 0 exit" in told
    done = CliRunner().invoke(app, ["audience", "compile", "nobody"])
    assert isinstance(done.exception, Problem)
    assert "no definition of nobody" in str(done.exception)
    done = CliRunner().invoke(app, ["audience", "compile"])
    assert done.stdout == "everything is as the definitions say\n"


def test_a_build_does_what_the_preview_of_a_changed_definition_says(
    built: Project, catalogue: Catalogue
) -> None:
    """Last, because it changes what was built."""
    # In another place, because a project is parsed once in a process.
    changed = built.project_dir.with_name("changed")
    shutil.copytree(built.project_dir, changed)
    built = replace(built, project_dir=changed)
    file = file_of(built, "repeat_buyers")
    file.write_text(file.read_text().replace("at_least: 2", "equals: 1"))
    made = previewed(built, catalogue, "repeat_buyers")
    assert (made.size, made.current, made.entries, made.exits) == (2, 1, 2, 1)
    definitions = read_definitions(built.project_dir, catalogue)
    assert not definitions.problems
    written = compile_audiences(definitions, built.project_dir).written
    assert f"{FOLDER}/repeat_buyers.sql" in written
    built.dbt(*BUILD, with_artifacts=True)
    assert sizes(built)["repeat_buyers"] == made.size
    changes = built.query(
        "select change, count(*) from audiences.audience_changes "
        "where audience = 'repeat_buyers' group by all order by all"
    )
    assert changes == [("entered", 3), ("exited", 1)]
