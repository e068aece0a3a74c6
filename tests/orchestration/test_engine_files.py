"""Where the files of what an engine built are, whatever kind of model made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestration.engine_files import engine_tables
from orchestration.targets import Target


def test_what_is_no_table_of_parquet_is_read_where_it_is_exported(
    tmp_path: Path,
) -> None:
    # Clusters are a table with limits, and without them a view.
    configs: dict[str, dict[str, Any]] = {
        "customers": {"materialized": "table"},
        "limited": {"materialized": "clusters", "file_format": "parquet"},
        "growing": {"materialized": "clusters", "file_format": "parquet"},
        "shown": {"materialized": "view"},
        "versioned": {"materialized": "table", "file_format": "delta"},
        "inlined": {"materialized": "ephemeral"},
    }
    nodes = {
        name: {
            "resource_type": "model",
            "schema": "identity",
            "alias": name,
            "config": config,
            "columns": {},
            "description": "",
        }
        for name, config in configs.items()
    }
    manifest = tmp_path / "dbt" / "target" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"nodes": nodes}))
    tables = Path("warehouse", "identity.db")
    for name in ("customers", "limited", "versioned"):
        (tmp_path / "spark" / tables / name).mkdir(parents=True)
    found = engine_tables(tmp_path, Target("spark", "spark"))
    exports = Path("exports", "identity")
    assert {
        table.name: table.directory.relative_to(tmp_path / "spark") for table in found
    } == {
        "customers": tables / "customers",
        "limited": tables / "limited",
        "growing": exports / "growing",
        "shown": exports / "shown",
        "versioned": exports / "versioned",
    }
