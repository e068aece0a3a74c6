"""Tables, views and incremental models on DuckDB: made in few calls, and whole."""

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
EXCHANGED = """
{{ config(
    materialized='incremental', incremental_strategy='%s', unique_key='id',
    on_schema_change='%s',
    post_hook="{{ 'select * from nowhere' if var('broken') and is_incremental() }}"
) }}
select ids.id, {{ var('build') }} as build%s
from (values ({{ var('build') }}), (9), (null)) as ids (id)
"""
# What a post-hook writes lasts, and one that fails takes the rows with it.
HOOKED = """
{{ config(
    materialized='%s',
    post_hook="{{ 'select * from nowhere' if var('broken')
        else 'create table made.hook_' ~ this.identifier ~ '_' ~ var('build')
            ~ ' as select ' ~ var('build') ~ ' as build' }}"
) }}
select 1 as left_id, {{ var('build') }} + 1 as right_id, {{ var('build') }} as batch_id
"""
HEADER = """{% call set_sql_header(config) %}
create or replace temp macro seven() as 7;
{% endcall %}"""
# Keys that dbt-duckdb takes and that are no names of columns; a header; no key at all.
KEYED = """
%s{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key=%s
) }}
select 1 as id, 2 as "Own", %s as build
"""
# What Kith's own way does not know is left to dbt-duckdb.
ASKING = """
{{ config(
    materialized='%s', indexes=[{'columns': ['id']}], incremental_strategy='append',
    post_hook=after_commit(
        'create or replace table made.after_' ~ this.identifier ~ ' as select '
        ~ var('build') ~ ' as build'
    )
) }}
select {{ "error('broken')" if var('broken') else "1" }} as id
"""
KEYS = {
    "without_key": ("", "none"),
    "by_pair": ("", "'id, \"Own\"'"),
    "by_sql": ("", "'coalesce(id, 0)'"),
    "by_quoted": ("", "['\"Own\"']"),
    "with_header": (HEADER, "'id'"),
}
WIDER = "{{ \", 'new' as note\" if var('build') == 2 }}"
DESCRIBED = """
models:
  - name: turning
    description: It's "described".
    columns:
      - {name: build, description: Which build.}
      - {name: Share, quote: true, description: Of one.}
  - name: replaced
    description: By key.
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
ASKED = """
select table_name, index_count, build
from duckdb_tables()
inner join (
    select 'asking_table' as table_name, build from made.after_asking_table
    union all
    select 'asking_rows' as table_name, build from made.after_asking_rows
) as hooks using (table_name)
order by all
"""


Found = list[tuple[object, ...]]


@dataclass
class Run:
    """What became of each model in a run, and what the warehouse held then."""

    nodes: dict[str, NodeResult]
    turning: Found
    replaced: Found
    widened: Found
    asked: Found
    hooked: Found
    hooks: Found
    keyed: dict[str, Found]
    comments: Found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Three runs, one after the other; the last one breaks."""
    directory = tmp_path_factory.mktemp("made")
    files = {
        "dbt_project.yml": CONFIG,
        "profiles.yml": (PROJECT_DIR / "profiles.yml").read_text(),
        "models/turning.sql": TURNING,
        "models/replaced.sql": EXCHANGED % ("delete+insert", "ignore", ""),
        "models/widened.sql": EXCHANGED % ("append", "append_new_columns", WIDER),
        "models/asking_table.sql": ASKING % "table",
        "models/asking_rows.sql": ASKING % "incremental",
        "models/hooked.sql": HOOKED % "table",
        "models/linked.sql": HOOKED % "clusters",
        "models/described.yml": DESCRIBED,
    }
    for name, (header, key) in KEYS.items():
        build = "{{ var('build') }}" + (" + seven()" if header else "")
        files[f"models/{name}.sql"] = KEYED % (header, key, build)
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
        project.query("select * from made.replaced order by all"),
        project.query("select * from made.widened order by all"),
        project.query(ASKED),
        project.query("select right_id from made.hooked"),
        project.query(HOOKS),
        {name: project.query(f"from made.{name} order by all") for name in KEYS},
        project.query(COMMENTS),
    )


def test_a_model_may_become_a_view_and_a_table_again(runs: dict[str, Run]) -> None:
    assert runs["first"].turning == [(1, 1.0)]
    assert runs["second"].turning == [(2, 1.0)]


def test_rows_are_exchanged_by_key(runs: dict[str, Run]) -> None:
    """A null key is equal to nothing, so its row stays and another comes."""
    assert runs["first"].replaced == [(1, 1), (9, 1), (None, 1)]
    assert runs["second"].replaced == [(1, 1), (2, 2), (9, 2), (None, 1), (None, 2)]


def test_columns_that_a_model_is_to_get_are_still_dbt_duckdbs(
    runs: dict[str, Run],
) -> None:
    assert runs["first"].widened == [(1, 1), (9, 1), (None, 1)]
    assert runs["second"].widened[1:3] == [(2, 2, "new"), (9, 1, None)]


def test_what_a_model_asks_of_dbt_duckdb_is_done(runs: dict[str, Run]) -> None:
    for build, name in enumerate(("first", "second"), 1):
        assert runs[name].asked == [
            ("asking_rows", 1, build),
            ("asking_table", 1, build),
        ]


def test_what_a_hook_writes_after_a_model_is_kept(runs: dict[str, Run]) -> None:
    names = [("hook_hooked_1",), ("hook_linked_1",)]
    assert runs["first"].hooks == names
    assert runs["second"].hooks == sorted(
        [*names, ("hook_hooked_2",), ("hook_linked_2",)]
    )


def test_keys_in_sql_and_a_header_are_dbt_duckdbs(runs: dict[str, Run]) -> None:
    """Also where the table is there already."""
    replaced = [(1, 2, 2)]
    assert runs["second"].keyed == {
        "without_key": [(1, 2, 1), (1, 2, 2)],
        "by_pair": replaced,
        "by_sql": replaced,
        "by_quoted": replaced,
        "with_header": [(1, 2, 9)],
    }


def test_what_fails_leaves_all_as_it_was(runs: dict[str, Run]) -> None:
    broken = runs["broken"]
    failed = broken.nodes.keys() - KEYS.keys()
    assert {broken.nodes[name].status for name in failed} == {"error"}
    assert broken.hooked == runs["second"].hooked == [(3,)]
    assert broken.turning == runs["second"].turning
    assert broken.replaced == runs["second"].replaced


def test_relations_and_columns_are_commented(runs: dict[str, Run]) -> None:
    for name in ("first", "second", "broken"):
        assert runs[name].comments == [
            ("made", "replaced", "", "By key."),
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
