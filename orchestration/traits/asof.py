"""Traits as they were at a moment of the past: what a build at that time gave.

The compiled models are run again over the events of the published database, as of then:
`build_started_at()` is the moment, and events that came in later do not count, however
old they say they are, unless that is asked for. So nothing that was not known then gets
into the answer, but for one thing: who is who is told as of today.

Only compiled models can do that. One that is written by hand, or reads one that is, may
look at all that is known now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from orchestration.conditions.model_files import state
from orchestration.conditions.reading import nearest
from orchestration.dbt_runs import run_dbt
from orchestration.parsed_project import ParsedProject, parse_project
from orchestration.raw_files import local_raw
from orchestration.targets import DUCKDB
from orchestration.traits.compiling import FOLDER, topic_files
from orchestration.traits.definitions import Per
from profiles.published import current_build

_WAREHOUSE = "warehouse"
_PUBLISHED = "published"
_CAME_IN = ("received_at", "first_seen_at")
"""Columns that say when a row came to be known, by the models that have one."""


_REF = re.compile(r"ref\('(\w+)'\)")


class AsOfProblem(Exception):
    """Why the past of a trait cannot be told."""


@dataclass(frozen=True)
class Model:
    """A model that dbt compiled for the moment."""

    name: str
    schema: str
    alias: str
    sql: str
    file: str
    above: tuple[str, ...]

    @property
    def table(self) -> exp.Table:
        """It in the warehouse, as the SQL of other models calls it."""
        return exp.table_(self.alias, db=self.schema, catalog=_WAREHOUSE, quoted=True)


def traits_as_of(
    at: datetime,
    *,
    per: Per,
    data_dir: Path,
    project_dir: Path,
    published_dir: Path,
    names: Sequence[str] = (),
    with_late: bool = False,
) -> pa.Table:
    """The traits of all people (or accounts) at a moment: those of the models of these
    names, or of all that are compiled. One row per key that any of them has.

    `with_late` counts events too that happened before the moment and came in after it.

    Raises `AsOfProblem` where one of them cannot be told.
    """
    chosen = _chosen(project_dir, names, per)
    build = current_build(published_dir)
    models = _compiled_for(at, parse_project(data_dir, project_dir))
    topics = [models[name] for name in chosen]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        file = str(build).replace("'", "''")
        connection.execute(f"attach '{file}' as {_PUBLISHED} (read_only)")
        connection.execute(f"attach ':memory:' as {_WAREHOUSE}")
        past = _Past(
            connection, models, project_dir, known_by=None if with_late else at
        )
        for topic in topics:
            past.add(topic, asked_by=topic.name)
        columns = {topic.name: past.columns(topic.table) for topic in topics}
        query = _side_by_side(topics, f"{per}_id", columns)
        return connection.sql(query.sql("duckdb")).to_arrow_table()


class _Past:
    """Makes views of what models held at the moment, each above those it reads."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        models: Mapping[str, Model],
        project_dir: Path,
        *,
        known_by: datetime | None,
    ) -> None:
        self._connection = connection
        self._models = models
        self._project_dir = project_dir
        self._known_by = known_by
        self._made: set[str] = set()

    def add(self, model: Model, *, asked_by: str) -> None:
        """Make the view of a model, and of all that it needs."""
        if model.name in self._made:
            return
        if _is_compiled(model, self._project_dir):
            for name in model.above:
                self.add(self._models[name], asked_by=model.name)
            self._create(model, model.sql)
        else:
            self._create(model, self._known_then(model, asked_by).sql("duckdb"))
        self._made.add(model.name)

    def columns(self, table: exp.Table) -> list[str]:
        """The columns of a table."""
        rows = self._connection.execute(f"describe {table.sql('duckdb')}").fetchall()
        return [str(row[0]) for row in rows]

    def _known_then(self, model: Model, asked_by: str) -> exp.Select:
        """Those of a model's rows that had come in by then."""
        table = exp.table_(
            model.alias, db=model.schema, catalog=_PUBLISHED, quoted=True
        )
        columns = self.columns(table)
        came_in = next((name for name in _CAME_IN if name in columns), None)
        if came_in is None:
            raise AsOfProblem(
                f"{asked_by} reads {model.name}, whose past is not known: it is not "
                "compiled, and does not say when its rows came in"
            )
        query = exp.select("*").from_(table)
        if self._known_by is None:
            return query
        moment = exp.Literal.string(self._known_by.isoformat())
        return query.where(exp.column(came_in) <= exp.cast(moment, "timestamptz"))

    def _create(self, model: Model, sql: str) -> None:
        schema = exp.to_identifier(model.schema, quoted=True).sql("duckdb")
        self._connection.execute(f"create schema if not exists {_WAREHOUSE}.{schema}")
        name = model.table.sql("duckdb")
        self._connection.execute(f"create view {name} as {sql}")


def _compiled_for(at: datetime, project: ParsedProject) -> dict[str, Model]:
    """All models as dbt compiles them for a build at the moment. It sees no data: the
    SQL of a model does not depend on it."""
    with TemporaryDirectory(prefix="kith-asof-") as place, local_raw():
        manifest = project.load()
        run = run_dbt(
            ["compile", "--select", f"path:{FOLDER}"],
            data_dir=Path(place),
            project_dir=project.project_dir,
            target=DUCKDB,
            moment=at,
            manifest=manifest,
        )
        if not run.succeeded:
            failed = [node.message for node in run.nodes if node.status == "error"]
            reason = "\n".join(failed) or run.problem
            raise AsOfProblem(f"dbt cannot compile the traits:\n{reason}")
    nodes = manifest.nodes
    return {
        node.name: _model(node, nodes)
        for node in nodes.values()
        if node.resource_type == "model"
    }


def _model(node: Any, nodes: Mapping[str, Any]) -> Model:
    """A node of dbt's own manifest, into which it has written what it compiled."""
    above = [nodes[one].name for one in node.depends_on.nodes if one in nodes]
    # Its materialization reads others too, which it does not name.
    named = set(_REF.findall(node.raw_code))
    return Model(
        name=node.name,
        schema=node.schema,
        alias=node.alias,
        sql=node.compiled_code or "",
        file=node.original_file_path,
        above=tuple(name for name in above if name in named),
    )


def _is_compiled(model: Model, project_dir: Path) -> bool:
    path = project_dir / model.file
    return path.parent == project_dir / FOLDER and state(path) == "compiled"


def _chosen(project_dir: Path, names: Sequence[str], per: Per) -> list[str]:
    """The models of these names, or all that are compiled and of such keys."""
    compiled = [
        file.name
        for file in topic_files(project_dir)
        if file.per == per and state(file.model) == "compiled"
    ]
    for name in names:
        if name not in compiled:
            hint = nearest(name, compiled)
            raise AsOfProblem(f"no traits '{name}' per {per} are compiled; {hint}")
    if not compiled:
        raise AsOfProblem(f"no traits per {per} are compiled")
    return list(dict.fromkeys(names)) or compiled


def _side_by_side(
    topics: Sequence[Model], key: str, columns: Mapping[str, Sequence[str]]
) -> exp.Select:
    """All columns of the topics, by their key; one that two of them have is called with
    its model's name."""
    every = [one for topic in topics for one in columns[topic.name] if one != key]
    keys = [exp.select(key).from_(topic.table) for topic in topics]
    base = keys[0] if len(keys) == 1 else exp.union(*keys, distinct=True)
    query = exp.select(exp.column(key, "everybody")).from_(base.subquery("everybody"))
    for topic in topics:
        for name in columns[topic.name]:
            if name != key:
                column = exp.column(name, topic.name, quoted=True)
                said = name if every.count(name) == 1 else f"{topic.name}__{name}"
                query = query.select(exp.alias_(column, said, quoted=True))
        same = exp.column(key, "everybody").eq(exp.column(key, topic.name))
        query = query.join(
            exp.alias_(topic.table, topic.name, table=True), on=same, join_type="left"
        )
    return query.order_by(exp.column(key, "everybody"))
