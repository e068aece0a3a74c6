"""The files that definitions give: shared, readable, and no more than is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.audiences.compiling import (
    audience_files,
    compile_audiences,
    conditions_files,
    file_problems,
    orphans,
)
from orchestration.audiences.definitions import Definition, read_definitions
from orchestration.audiences.queries import (
    audience_query,
    conditions_queries,
    measures_of,
)
from orchestration.audiences.reading import read_definition
from orchestration.conditions.docs_blocks import read_blocks
from orchestration.conditions.layout import model_text
from orchestration.conditions.model_files import WrittenByHand
from orchestration.conditions.reading import Mistakes
from orchestration.project import ROOT
from tests.audiences.trees import DEFINITIONS, LEAVES
from tests.audiences.world import TABLES, World, catalogue, rendered

FOLDER = "models/audiences"
CATALOGUE = catalogue()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A place for definitions."""
    (tmp_path / FOLDER).mkdir(parents=True)
    return tmp_path


def define(project: Path, name: str, tree: Any, *, owner: str = "us") -> None:
    """Write the yml of an audience."""
    meta = {"owner": owner, "definition": tree}
    document = {"models": [{"name": name, "config": {"meta": meta}}]}
    (project / FOLDER / f"{name}.yml").write_text(yaml.safe_dump(document))


def compiled(project: Path, **options: Any) -> tuple[str, ...]:
    definitions = read_definitions(project, CATALOGUE)
    assert not definitions.problems
    return compile_audiences(definitions, project, **options).written


def problems(project: Path) -> list[str]:
    definitions = read_definitions(project, CATALOGUE)
    return orphans(definitions, project) + file_problems(definitions, project)


def test_what_audiences_ask_of_one_event_is_one_model_of_one_scan(
    project: Path,
) -> None:
    define(project, "buyers", {"did": "buy", "within": "30 days"})
    define(
        project,
        "regulars",
        {"did": "buy", "within": "30 days", "count": {"at_least": 3}},
    )
    define(
        project, "spenders", {"did": "buy", "sum": {"property": "total", "at_least": 9}}
    )
    define(
        project, "viewers", {"account": {"users": "any", "matching": {"did": "view"}}}
    )
    assert set(compiled(project)) == {
        *(f"{FOLDER}/{name}.sql"
          for name in ("buyers", "regulars", "spenders", "viewers")),
        *(f"{FOLDER}/conditions/conditions_{event}.{suffix}"
          for event in ("buy", "view") for suffix in ("sql", "yml")),
        f"{FOLDER}/_definitions.md",
    }  # fmt: skip
    text = (project / FOLDER / "conditions" / "conditions_buy.sql").read_text()
    assert text.count("ref('buy')") == 1
    assert "as count_in_last_30_days,\n    sum(total) as sum_of_total\nfrom" in text
    assert read_blocks(project / FOLDER)["definition__spenders"] == (
        "Whoever meets this: did Order Completed with sum of total is at least 9."
    )
    assert compiled(project) == ()
    assert problems(project) == []


def test_columns_that_nobody_asks_for_go_and_their_model_at_last(project: Path) -> None:
    define(project, "buyers", {"did": "buy", "within": "30 days"})
    define(project, "viewers", {"did": "view"})
    compiled(project)
    define(project, "viewers", {"did": "buy"})
    assert problems(project) == [
        f"{project.name}/{FOLDER}/viewers.sql: viewers.sql is not what its definition "
        "gives; run ./kith audience compile",
        *(f"{project.name}/{FOLDER}/conditions/conditions_buy.{suffix}: "
          f"conditions_buy.{suffix} is not what its definition gives; "
          "run ./kith audience compile" for suffix in ("sql", "yml")),
        *(f"{project.name}/{FOLDER}/conditions/conditions_view.{suffix}: "
          "no definition asks for it any more; run ./kith audience compile"
          for suffix in ("sql", "yml")),
    ]  # fmt: skip
    compiled(project)
    conditions = project / FOLDER / "conditions"
    assert sorted(path.name for path in conditions.iterdir()) == [
        "conditions_buy.sql",
        "conditions_buy.yml",
    ]
    assert " as count," in (conditions / "conditions_buy.sql").read_text()
    assert problems(project) == []


def test_one_audience_may_be_compiled_alone(project: Path) -> None:
    define(project, "buyers", {"did": "buy"})
    define(project, "viewers", {"did": "view"})
    compiled(project)
    define(project, "buyers", {"did": "buy", "within": "2 days"})
    define(project, "viewers", {"did": "view", "within": "2 days"})
    definitions = read_definitions(project, CATALOGUE)
    made = compile_audiences(definitions, project, names=frozenset({"buyers"}))
    assert f"{FOLDER}/buyers.sql" in made.written
    assert f"{FOLDER}/viewers.sql" not in made.written
    assert made.stale == ("viewers",)


def test_a_file_that_was_edited_is_kept(project: Path) -> None:
    define(project, "buyers", {"did": "buy"})
    compiled(project)
    file = project / FOLDER / "buyers.sql"
    file.write_text(file.read_text() + "    and profiles.score > 3\n")
    define(project, "buyers", {"did": "buy", "within": "2 days"})
    with pytest.raises(WrittenByHand, match=r"buyers\.sql was edited by hand"):
        compiled(project)
    assert "profiles.score > 3" in file.read_text()
    compiled(project, overwrite=True)
    assert "profiles.score > 3" not in file.read_text()


def test_words_that_a_yml_still_asks_for_stay(project: Path) -> None:
    """dbt reads no project in which a docs block is missing."""
    define(project, "buyers", {"trait": "score", "at_least": 2})
    compiled(project)
    yml = project / FOLDER / "buyers.yml"
    yml.write_text(
        "models: [{name: buyers, description: '{{ doc(\"definition__buyers\") }}'}]"
    )
    compiled(project)
    assert list(read_blocks(project / FOLDER)) == ["definition__buyers"]
    assert problems(project) == []


def test_sql_that_reads_a_column_without_a_definition_is_told(project: Path) -> None:
    define(project, "buyers", {"did": "buy"})
    compiled(project)
    own = "select profile_id from c where conditions_buy.count_in_last_2_days > 1\n"
    (project / FOLDER / "own.sql").write_text(own)
    assert problems(project) == [
        f"{project.name}/{FOLDER}/own.sql: reads conditions_buy.count_in_last_2_days, "
        "which no definition asks for any more; compute it here, or give back a "
        "definition that does"
    ]


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(trees=st.lists(DEFINITIONS, min_size=1, max_size=8))
def test_different_measures_have_different_names(trees: list[Any]) -> None:
    """Measures of one name are one column, so they must be one expression."""
    found: dict[tuple[str, str], str] = {}
    for measure in (one for tree in trees for one in measures_of(read(tree))):
        key = (measure.event.model, measure.name)
        sql = measure.value(qualified=True).sql(dialect="duckdb")
        assert found.setdefault(key, sql) == sql
        assert len(measure.name) <= 48
        assert measure.name.isidentifier()


def read(tree: Any, name: str = "audience") -> Any:
    mistakes = Mistakes()
    condition = read_definition(
        tree,
        (),
        mistakes,
        catalogue=CATALOGUE,
        audience=name,
        audiences=frozenset({"fans"}),
    )
    assert not mistakes.found
    return condition


def test_two_hundred_audiences_over_one_event_scan_it_once() -> None:
    """By DuckDB's own account of what it did, for the whole set of models."""
    trees = [
        {"did": "buy", "within": f"{number % 40 + 1} days",
         "count": {"at_least": number % 5},
         "where": [{"property": "total", "at_least": number / 2}]}
        if number % 3
        else [{"did": "buy", "sum": {"property": "total", "at_least": number}},
              {"did_not": "buy", "within": f"{number + 1} hours"}]
        for number in range(200)
    ]  # fmt: skip
    conditions = [read(tree) for tree in trees]
    with duckdb.connect() as connection:
        World({place.partition(".")[2]: [] for place in TABLES}).load(connection)
        connection.execute(
            "insert into events.buy by name select 'p' || i % 50 as profile_id, "
            "timestamptz '2026-11-22 11:00:00Z' - to_hours(i) as timestamp, "
            "i % 90 as total from range(2000) as t(i)"
        )
        connection.execute(
            "insert into profiles.profiles by name "
            "select 'p' || i as profile_id from range(60) as t(i)"
        )
        schemas = {place.partition(".")[2]: place.partition(".")[0] for place in TABLES}
        scans = 0
        for model, query in conditions_queries(conditions).items():
            text = rendered(model_text(query), schema_of=schemas)
            scans += scans_of_event(connection, text)
            connection.execute(f"create temp table {model} as {text}")
            schemas[model] = "temp"
        sizes = set()
        for condition in conditions:
            text = rendered(model_text(audience_query(condition)), schema_of=schemas)
            scans += scans_of_event(connection, text)
            sizes.add(len(connection.execute(text).fetchall()))
    assert scans == 1
    assert len(sizes) > 5


def scans_of_event(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """How often `EXPLAIN ANALYZE` says that the table of the event was read."""
    [(_, told)] = connection.execute(
        f"explain (analyze, format json) {query}"
    ).fetchall()

    def scans(node: Any) -> int:
        info = node["extra_info"]
        here = "SCAN" in node["type"] and "events.buy" in str(info.get("Table", ""))
        return here + sum(map(scans, node.get("children", [])))

    return sum(map(scans, json.loads(told)["operator"]))


def test_compiled_models_are_in_the_style_of_the_house(tmp_path: Path) -> None:
    """One of each kind, and some large ones, read by sqlfluff as by CI."""
    definitions: dict[str, Definition] = {}

    @settings(
        max_examples=2,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def draw(data: st.DataObject) -> None:
        for kind in sorted(LEAVES.keys() - {"account"}):
            name = f"{kind}_{len(definitions)}"
            condition = read(data.draw(LEAVES[kind]))
            definitions[name] = Definition(name, f"{name}.yml", "us", condition)

    draw()
    for number, tree in enumerate(LARGE):
        name = f"large_{number}"
        definitions[name] = Definition(name, f"{name}.yml", "us", read(tree))
    for file, text in (
        audience_files(definitions) | conditions_files(definitions)
    ).items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    lint = subprocess.run(
        [Path(sys.executable).parent / "sqlfluff", "lint", "--config",
         ROOT / ".sqlfluff", "--disable-progress-bar", tmp_path / "models"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert lint.returncode == 0, lint.stdout


LARGE: list[Any] = list(
    yaml.safe_load_all(
        """
- did: buy
  count: {at_least: 2}
  within: 90 days
  where:
    property: product
    one_of: [a rather long text, and one more of them, and the very last of all these]
- did: buy
  sum: {property: total, more_than: 100}
  average: {property: total, one_of: [1, 2, 3]}
  count: {at_most: 3}
  between: [60 days, 30 days]
---
any:
  - funnel:
      steps:
        - {did: view, where: *long}
        - {did: buy, within: 2 hours, where: {property: total, equals: {trait: score}}}
        - {did: leave, within: 1 day}
        - {did: view}
      without: {did: leave, where: {not: *long}}
      same: [product, is_gift]
      during: last quarter
  - not:
      account:
        users: all
        matching: [{did_not: buy, where: *long}, {trait: score, at_least: 1}]
  - related: accounts
    where:
      any: [{column: plan, starts_with: "it's {{ a }}"}, {column: seats, at_least: 3}]
  - all:
      - {trait: country, contains_one_of: [a, b]}
      - {trait: seen_at, within_last: 2 weeks}
""".replace("*long", "{property: product, ends_with: another text as long as this}")
    )
)
"""Definitions whose conditions do not fit on lines."""
