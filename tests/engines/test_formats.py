"""Tables of Delta and Iceberg: rows exchanged, tables replaced, all for readers.

Their jars are no package of Python, and each fits some releases of Spark alone. So this
runs where `KITH_SPARK_JARS` names them, separated by commas, in a process whose Spark
begins with them; `PYTHONPATH` may name the pyspark that they fit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.project import DBT_PROJECT

_CONF = Path(__file__).parent / "conf"
_SETTINGS = {
    "delta": """
spark.sql.extensions io.delta.sql.DeltaSparkSessionExtension
spark.sql.catalog.spark_catalog org.apache.spark.sql.delta.catalog.DeltaCatalog
""",
    # The catalog that is a file knows none of Hive's locks.
    "iceberg": """
spark.sql.extensions org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions
spark.sql.catalog.spark_catalog org.apache.iceberg.spark.SparkSessionCatalog
spark.sql.catalog.spark_catalog.type hive
spark.hadoop.iceberg.engine.hive.lock-enabled false
""",
}
_FILES = {
    "dbt_project.yml": """
name: kith
version: 0.1.0
config-version: 2
profile: kith
macro-paths: [macros, more_macros]
target-path: "{{ env_var('KITH_DATA_DIR') }}/dbt/target"
flags: {warn_error_options: {silence: [ConfigTargetPathDeprecation]}}
on-run-end: "{{ export_relations() }}"
models:
  kith:
    +schema: formats
    +persist_docs: {relation: true, columns: true}
    +file_format: "{{ env_var('KITH_SPARK_FORMAT') }}"
vars: {build: 1}
""",
    # Both ends of a row may be gone; null keys are equal to nothing.
    "models/exchanged.sql": """
{{ config(
    materialized='incremental', incremental_strategy='delete+insert',
    unique_key='left_id', post_hook="{{ exchange_ends() }}"
) }}
select left_id, right_id, note
from values
{% if var('build') == 1 %}
    (1L, 10L, 'stays'), (2L, 20L, 'goes'), (null, 30L, null), (4L, 8L, 'gone'),
    (7L, 40L, 'gone') as edges (left_id, right_id, note)
{% else %}
    (2L, 21L, 'came'), (2L, 22L, null), (null, 31L, 'came'), (9L, 90L, 'deleted')
    as edges (left_id, right_id, note)
{% endif %}
""",
    "models/exchanged.yml": """
models:
  - name: exchanged
    description: It's "documented".
    columns: [{name: note, description: What became of it.}]
""",
    "models/groups.sql": """
{{ config(materialized='clusters') }}
select left_id, right_id from {{ ref('exchanged') }} where left_id is not null
""",
    "more_macros/exchange_ends.sql": """
{% macro exchange_ends() %}
    {%- if is_incremental() -%}
        {%- set ends = create_work_table('ends', 'select * from values (7L), (8L), '
            ~ '(8L) as ends (node_id)') -%}
        {%- set came = create_work_table('came', 'select * from values '
            ~ "(7L, 70L, 'came') as came (left_id, right_id, note)") -%}
        {%- set going = [
            {'columns': ['left_id'], 'keys': ['node_id'], 'of': ends},
            {'columns': ['right_id'], 'keys': ['node_id'], 'of': ends},
        ] -%}
        {%- do replace_rows(this, going, came, ['left_id', 'right_id', 'note']) -%}
        {%- do drop_work_tables() -%}
        {{- return(deletion_of_rows(
            this, "left_id = (select max(left_id) from " ~ this ~ ")"
        )) -}}
    {%- endif -%}
{% endmacro %}
""",
}
_BUILDS = """
from dbt.cli.main import dbtRunner

for build in (1, 2):
    outcome = dbtRunner().invoke(["run", "--vars", f"build: {build}"])
    if not outcome.success:
        raise SystemExit(1)
"""


def _jars(file_format: str) -> str:
    named = os.environ.get("KITH_SPARK_JARS", "")
    if f"{file_format}-spark" not in named:
        pytest.skip(f"KITH_SPARK_JARS names no jar of {file_format} for Spark")
    return named


@pytest.mark.slow
@pytest.mark.parametrize("file_format", list(_SETTINGS))
def test_rows_are_exchanged_in_tables_of_another_format(
    file_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = shutil.copytree(_CONF, tmp_path / "conf")
    with (conf / "spark-defaults.conf").open("a") as settings:
        settings.write(f"spark.jars {_jars(file_format)}{_SETTINGS[file_format]}")
    project = tmp_path / "project"
    for name, text in _FILES.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    (project / "macros").symlink_to(DBT_PROJECT / "macros")
    shutil.copyfile(DBT_PROJECT / "profiles.yml", project / "profiles.yml")
    data_dir = tmp_path / "data"
    (data_dir / "spark").mkdir(parents=True)
    monkeypatch.setenv("KITH_DATA_DIR", str(data_dir))
    monkeypatch.setenv("KITH_TARGET", "spark")
    monkeypatch.setenv("KITH_SPARK_FORMAT", file_format)
    monkeypatch.setenv("SPARK_CONF_DIR", str(conf))

    built = subprocess.run(
        [sys.executable, "-c", _BUILDS],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stdout
    warehouse = data_dir / "spark" / "warehouse" / "formats.db" / "exchanged"
    assert list(warehouse.glob("_delta_log" if file_format == "delta" else "metadata"))
    exports = data_dir / "spark" / "exports" / "formats"
    exchanged = _rows(exports / "exchanged", "left_id, right_id, note")
    assert exchanged == [
        (1, 10, "stays"),
        (2, 21, "came"),
        (2, 22, None),
        (7, 70, "came"),
        (None, 30, None),
        (None, 31, "came"),
    ]
    assert _rows(exports / "groups", "node_id, cluster_id") == [
        (1, 1),
        (2, 2),
        (7, 7),
        (10, 1),
        (21, 2),
        (22, 2),
        (70, 7),
    ]


def _rows(directory: Path, columns: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        files = connection.read_parquet(f"{directory}/*.parquet")
        return files.project(columns).order("all").fetchall()
