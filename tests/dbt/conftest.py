"""A dbt project over a data directory of its own, and rows to land in it.

Everything here is real: Parquet written by the collector's landing, dbt run in this
process, a DuckDB file. dbt keeps global state, so one project runs at a time. Parsing
takes it seconds and does not depend on the data, so all projects share one parse, and
copies of the project parse only the files in which they differ.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult

from collector.datasets import EVENTS, Dataset
from collector.landing import write_file
from orchestration.dbt_runs import PARSED

PROJECT_DIR = Path(__file__).parents[2] / "dbt_project"
SHARED_PARSE = PROJECT_DIR.parent / ".pytest_cache" / PARSED
DAY = "2026-11-01"
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
# A test reads what dbt returns and what it built. Telling it in a log as well takes a
# sixth of a run, and dbt never closes the log of one project when the next one starts.
QUIETLY = ("--log-level-file", "none", "--log-level", "none")
# Writing manifest.json takes half a second of each run.
NO_ARTIFACTS = ("--no-write-json",)
JSON_COLUMNS = ("properties", "traits", "context", "integrations", "extra")

Row = dict[str, Any]


def event_row(**overrides: Any) -> Row:
    """One row of `raw/events`: a page view of an anonymous visitor, then `overrides`.

    `minute` moves all of the row's times; JSON columns may be given as objects.
    """
    at = START + timedelta(minutes=overrides.pop("minute", 0))
    row: Row = dict.fromkeys(EVENTS.schema.names)
    row |= {
        "message_id": f"message-{at.isoformat()}",
        "type": "track" if "event" in overrides else "page",
        "anonymous_id": "visitor",
        "timestamp": at,
        "received_at": at,
        "source_id": "shop",
        "flags": [],
        "position": 0,
    }
    row |= overrides
    for column in JSON_COLUMNS:
        if row[column] is not None and not isinstance(row[column], str):
            row[column] = json.dumps(row[column], separators=(",", ":"))
    return row


@dataclass
class Project:
    """A dbt project, this repository's unless told, building into `data_dir`."""

    data_dir: Path
    project_dir: Path = PROJECT_DIR

    def land(
        self,
        rows: list[Row],
        *,
        segment: str,
        dataset: Dataset = EVENTS,
        partition: Mapping[str, str] | None = None,
    ) -> None:
        """Land `rows` as the file of one log segment; positions follow their order."""
        if "segment" in dataset.schema.names:
            places = [
                {"segment": segment, "position": index} for index in range(len(rows))
            ]
            rows = [row | place for row, place in zip(rows, places, strict=True)]
        table = pa.Table.from_pylist(rows, schema=dataset.schema)
        write_file(
            self.data_dir / "raw",
            dataset,
            table,
            partition=partition or {"dt": DAY},
            name=segment,
        )

    def dbt(
        self,
        *arguments: str,
        vars_matter_to_parsing: bool = True,
        with_artifacts: bool = False,
    ) -> None:
        """Run dbt; a failure fails the test with the messages of the failed nodes.

        Other `--vars` mean another parse, unless they only matter to the SQL. Only on
        demand it leaves manifest.json and the like.
        """
        variables = vars_of(arguments) if vars_matter_to_parsing else ()
        # A run notes in the manifest what it compiled, so each has a copy.
        manifest = parsed(variables, self.project_dir).deepcopy()
        traces = () if with_artifacts else NO_ARTIFACTS
        result = invoke_dbt(
            *arguments, *traces, manifest=manifest, project_dir=self.project_dir
        )
        failed = [
            f"{node.node.name}: {node.message}"
            for node in getattr(result.result, "results", [])
            if node.status in ("error", "fail", "runtime error")
        ]
        assert result.success, "\n".join(failed) or result.exception

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the warehouse."""
        with duckdb.connect(self.data_dir / "warehouse.duckdb") as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()


def invoke_dbt(
    command: str, *arguments: str, manifest: Any = None, project_dir: Path = PROJECT_DIR
) -> dbtRunnerResult:
    """Run a dbt command on the project's files, or on a manifest parsed from them."""
    place = ["--project-dir", str(project_dir), "--profiles-dir", str(project_dir)]
    return dbtRunner(manifest).invoke([command, *QUIETLY, *place, *arguments])


def parsed(variables: tuple[str, ...], project_dir: Path = PROJECT_DIR) -> Any:
    """The manifest of the project under these `--vars`, without comments on tables.

    It is parsed once, and again when a file changes. Writing the comments takes a
    quarter of a run; `test_build.py` builds with them.
    """
    changed_at = max(path.stat().st_mtime_ns for path in project_dir.rglob("*"))
    return _parsed(variables, project_dir, changed_at)


def write_parsed(project_dir: Path, file: Path) -> Path:
    """Write `manifest.json` of a copy of the project, as a parse of its own would."""
    parsed((), project_dir).writable_manifest().write(str(file))
    return file


@cache
def _parsed(variables: tuple[str, ...], project_dir: Path, changed_at: int) -> Any:
    place = parsing_dir() / str(abs(hash((variables, project_dir))))
    if not place.exists():
        place.mkdir()
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(SHARED_PARSE, place)
    with pytest.MonkeyPatch.context() as environment:
        # The same for all projects: under another one dbt parses every file anew.
        environment.setenv("KITH_DATA_DIR", "nowhere")
        options = (*variables, *NO_ARTIFACTS, "--target-path", str(place))
        result = invoke_dbt("parse", *options, project_dir=project_dir)
    assert result.success, result.exception
    if project_dir == PROJECT_DIR and not variables:
        share(place / PARSED)
    manifest: Any = result.result
    manifest.disabled.clear()  # dbt's copy of a manifest breaks on what is disabled
    for node in manifest.nodes.values():
        node.config.persist_docs = {}
    return manifest


@cache
def parsing_dir() -> Path:
    """Where dbt keeps what it has parsed."""
    place = TemporaryDirectory(prefix="kith-parsed-")
    atexit.register(place.cleanup)
    return Path(place.name)


def share(made: Path) -> None:
    """Keep what was parsed for other runs of tests: of that dbt parses what changed."""
    SHARED_PARSE.parent.mkdir(exist_ok=True)
    copy = SHARED_PARSE.with_suffix(f".{os.getpid()}")
    shutil.copy(made, copy)
    copy.replace(SHARED_PARSE)  # others may be reading the one before


def vars_of(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The `--vars` among dbt's arguments, with their value."""
    if "--vars" not in arguments:
        return ()
    place = arguments.index("--vars")
    return arguments[place : place + 2]


@pytest.fixture(scope="module")
def make_project(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Project]]:
    """Make projects with fresh data directories; the newest is the one dbt builds."""
    with pytest.MonkeyPatch.context() as environment:

        def make() -> Project:
            data_dir = tmp_path_factory.mktemp("data")
            environment.setenv("KITH_DATA_DIR", str(data_dir))
            return Project(data_dir)

        yield make


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Project]) -> Project:
    """One project for all tests of a module: a dbt start costs seconds."""
    return make_project()
