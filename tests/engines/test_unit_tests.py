"""dbt's unit tests, which the suite runs on DuckDB, hold on Spark as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.raw import ensure_datasets
from tests.dbt.conftest import invoke_dbt


@pytest.mark.slow
@pytest.mark.usefixtures("spark")
def test_unit_tests_pass_on_spark(
    spark_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a unit test take their types from tables, so those are built on the way.

    Without rows, where no data test could fail.
    """
    monkeypatch.setenv("KITH_TARGET", "spark")
    monkeypatch.setenv("KITH_RAW_URL", f"file://{spark_data_dir / 'no-facts'}")
    ensure_datasets(spark_data_dir / "no-facts")

    run = invoke_dbt("build", "--full-refresh", "--exclude", "test_type:data")

    results = getattr(run.result, "results", [])
    failed = [
        f"{result.node.name}: {result.message}"
        for result in results
        if result.status not in ("success", "pass")
    ]
    assert run.success, "\n".join(failed) or run.exception
    assert "unit_test" in {result.node.resource_type for result in results}
