"""The test `unique_key` finds each row whose key is not its own, or lacks a part."""

from __future__ import annotations

from collections import Counter
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dbt.conftest import PROJECT_DIR, invoke_dbt

CONFIG = """
name: kith
version: 0.1.0
config-version: 2
profile: kith
macro-paths: [macros]
test-paths: [tests]
target-path: "{{ env_var('KITH_DATA_DIR') }}/dbt/target"
flags: {warn_error_options: {silence: [ConfigTargetPathDeprecation]}}
"""
TESTED = """
models:
  - name: keyed
    data_tests:
      - unique_key: {name: whole, arguments: {columns: [shop, order]}}
      - unique_key:
          name: partial
          arguments: {columns: [shop, order], nullable: [order]}
      - unique_key:
          name: lenient
          arguments: {columns: [shop, order], nullable: [order, shop]}
"""
REQUIRED = {"whole": (0, 1), "partial": (0,), "lenient": ()}
VALUES = st.one_of(st.none(), st.sampled_from(["", "a", "b", "a,b"]))
Keys = list[tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The SQL of each test by its name."""
    directory = tmp_path_factory.mktemp("keyed")
    files = {
        "dbt_project.yml": CONFIG,
        "profiles.yml": (PROJECT_DIR / "profiles.yml").read_text(),
        "models/keyed.sql": "select 'a' as shop, 'b' as \"order\"",
        "models/keyed.yml": TESTED,
    }
    (directory / "models").mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    (directory / "macros").symlink_to(PROJECT_DIR / "macros")
    (directory / "tests").mkdir()
    (directory / "tests" / "generic").symlink_to(PROJECT_DIR / "tests" / "generic")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KITH_DATA_DIR", str(directory / "data"))
        (directory / "data").mkdir()
        outcome: Any = invoke_dbt("compile", project_dir=directory)
    assert outcome.success, outcome.exception
    return {
        result.node.name: result.node.compiled_code for result in outcome.result.results
    }


@given(keys=st.lists(st.tuples(VALUES, VALUES), max_size=8))
def test_rows_that_break_the_key_are_found(
    compiled: dict[str, str], keys: Keys
) -> None:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute(
            'create table warehouse.main.keyed (shop varchar, "order" varchar)'
        )
        if keys:
            connection.executemany(
                "insert into warehouse.main.keyed values (?, ?)", keys
            )
        for name, required in REQUIRED.items():
            found = connection.execute(compiled[name]).fetchall()
            assert Counter(found) == expected(keys, required)


def expected(keys: Keys, required: tuple[int, ...]) -> Counter[tuple[Any, ...]]:
    """What the test is to find: keys that stand there twice, rows without a part."""
    repeated = [
        (*key, count, "repeated") for key, count in Counter(keys).items() if count > 1
    ]
    lacking = [
        (*key, 1, "null")
        for key in keys
        if any(key[place] is None for place in required)
    ]
    return Counter([*repeated, *lacking])
