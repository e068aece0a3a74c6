"""Comments on DuckDB, and the hooks of Kith's own materializations."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestration.dbt_runs import NodeResult, run_dbt
from tests.dbt.conftest import PROJECT_DIR, Project

CONFIG = """
name: kith
version: 0.1.0
config-version: 2
profile: kith
macro-paths: [macros]
target-path: "{{ env_var('KITH_DATA_DIR') }}/dbt/target"
flags: {warn_error_options: {silence: [ConfigTargetPathDeprecation]}}
models:
  kith: {+schema: made, +persist_docs: {relation: true, columns: true}}
vars: {build: 1, broken: 0}
"""
# Another kind of relation in each build, under one name.
TURNING = """
{{ config(materialized='view' if var('build') == 2 else 'table') }}
select
    {{ var('build') }} as build,
    {{ "error('broken')" if var('broken') else "1" }} as "Share"
"""
REPLACED = "{{ config(materialized='incremental') }} select 1 as id"
# What a post-hook writes lasts, and one that fails takes the rows with it.
HOOKED = """
{{ config(
    materialized='clusters',
    post_hook="{{ 'select * from nowhere' if var('broken')
        else 'create table made.hook_' ~ this.identifier ~ '_' ~ var('build')
            ~ ' as select ' ~ var('build') ~ ' as build' }}"
) }}
select 1 as left_id, {{ var('build') }} + 1 as right_id, {{ var('build') }} as batch_id
"""
DESCRIBED = """
models:
  - name: turning
    description: It's "described".
    columns:
      - {name: build, description: Which build.}
      - {name: Share, quote: true, description: Of one.}
  - name: replaced
    description: By rows.
    columns:
      - {name: id, description: The key.}
      - {name: missing, description: Is not there.}
"""
RUNS = {"first": "{}", "second": "{build: 2}", "broken": "{build: 3, broken: 1}"}
COMMENTS = """
select *
from (
    select schema_name, table_name, column_name, comment from duckdb_columns()
    union all
    select schema_name, view_name, '', comment from duckdb_views()
    union all
    select schema_name, table_name, '', comment from duckdb_tables()
)
where schema_name = 'made' and comment is not null
order by all
"""
HOOKS = """
select table_name from duckdb_tables()
where starts_with(table_name, 'hook_')
order by all
"""


Found = list[tuple[object, ...]]


@dataclass
class Run:
    """What became of each model in a run, and what the warehouse held then."""

    nodes: dict[str, NodeResult]
    turning: Found
    linked: Found
    hooks: Found
    comments: Found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Three runs, one after the other; the last one breaks."""
    directory = tmp_path_factory.mktemp("made")
    files = {
        "dbt_project.yml": CONFIG,
        "profiles.yml": (PROJECT_DIR / "profiles.yml").read_text(),
        "models/turning.sql": TURNING,
        "models/replaced.sql": REPLACED,
        "models/linked.sql": HOOKED,
        "models/described.yml": DESCRIBED,
    }
    (directory / "models").mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    (directory / "macros").symlink_to(PROJECT_DIR / "macros")
    return {
        name: _run(Project(directory / "data", directory), variables)
        for name, variables in RUNS.items()
    }


def _run(project: Project, variables: str) -> Run:
    run = run_dbt(
        ["run", "--vars", variables],
        data_dir=project.data_dir,
        project_dir=project.project_dir,
    )
    return Run(
        {node.name: node for node in run.nodes},
        project.query("select * from made.turning"),
        project.query("select batch_id from made.linked"),
        project.query(HOOKS),
        project.query(COMMENTS),
    )


def test_a_model_may_become_a_view_and_a_table_again(runs: dict[str, Run]) -> None:
    assert runs["first"].turning == [(1, 1.0)]
    assert runs["second"].turning == [(2, 1.0)]


def test_what_a_hook_writes_after_a_model_is_kept(runs: dict[str, Run]) -> None:
    assert runs["first"].hooks == [("hook_linked_1",)]
    assert runs["second"].hooks == [("hook_linked_1",), ("hook_linked_2",)]


def test_what_fails_leaves_all_as_it_was(runs: dict[str, Run]) -> None:
    broken = runs["broken"]
    assert broken.nodes["linked"].status == broken.nodes["turning"].status == "error"
    assert broken.linked == runs["second"].linked != runs["first"].linked
    assert broken.turning == runs["second"].turning


def test_relations_and_columns_are_commented(runs: dict[str, Run]) -> None:
    for name in ("first", "second", "broken"):
        assert runs[name].comments == [
            ("made", "replaced", "", "By rows."),
            ("made", "replaced", "id", "The key."),
            ("made", "turning", "", 'It\'s "described".'),
            ("made", "turning", "Share", "Of one."),
            ("made", "turning", "build", "Which build."),
        ]


def test_a_column_that_is_described_and_not_there_is_told(runs: dict[str, Run]) -> None:
    for name in ("first", "second"):
        node = runs[name].nodes["replaced"]
        assert node.status == "warn"
        assert "missing" in node.message
        assert runs[name].nodes["turning"].status == "ok"
