"""What an engine other than DuckDB wrote, for the published database to read.

The engine keeps its tables in `<data>/<type>/warehouse/<schema>.db/<table>/`. Where
that holds no plain Parquet, for views and for tables in another format, the macro
`export_relations` writes it to `<data>/<type>/exports/<schema>/<table>/` at the end of
each dbt run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestration.targets import Target
from profiles.published import EngineTable

_RELATIONS = ("model", "seed", "snapshot")
# Types of the project's columns that the files have no word for.
_TYPES = {"json": "json"}
_PARQUET = "parquet"


def engine_tables(data_dir: Path, target: Target) -> list[EngineTable]:
    """The tables and views of the project as it was built, by dbt's manifest."""
    manifest = json.loads((data_dir / "dbt" / "target" / "manifest.json").read_text())
    place = data_dir / target.type
    return [_table(node, place) for node in _nodes(manifest)]


def _nodes(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in manifest["nodes"].values():
        if (
            node["resource_type"] in _RELATIONS
            and node["config"]["materialized"] != "ephemeral"
        ):
            yield node


def _table(node: dict[str, Any], place: Path) -> EngineTable:
    schema, name = node["schema"], node["alias"]
    directory = place / "warehouse" / f"{schema}.db" / name
    # A view has none; other kinds of models than dbt's own may be views as well.
    if (node["config"].get("file_format") or _PARQUET) != _PARQUET or (
        not directory.exists()
    ):
        # Where the macro `export_relations` writes these.
        directory = place / "exports" / schema / name
    columns = node["columns"].values()
    types = {
        column["name"]: _TYPES[column["data_type"]]
        for column in columns
        if (column.get("data_type") or "").lower() in _TYPES
    }
    return EngineTable(
        schema=schema,
        name=name,
        directory=directory,
        types=types,
        comment=node["description"],
        column_comments={
            column["name"]: column["description"]
            for column in columns
            if column["description"]
        },
    )
