"""What each model of a dbt manifest reads of the events, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from collector.plan import PlannedEvent
from orchestration.lineage.paths import are_related, parse_path
from orchestration.lineage.queries import Query
from orchestration.lineage.reads import (
    KIND_OF_EVENT,
    Path,
    Read,
    Reads,
    Relation,
    union,
)

PAYLOADS = ("properties", "traits", "context")

# Tables of events, one row each: what stands in a field is of that field, whatever
# their SQL takes apart and puts together again on the way.
EVENT_TABLES = frozenset({"stg_events", "renamed_events", "flowing_events", "events"})
AUDIENCE_LOG = "audience_changes"

# What these say of all audiences and traits, those say themselves.
HISTORY = frozenset(
    {
        *(AUDIENCE_LOG, "audience_memberships", "audience_sizes"),
        *("audience_coverage", "audience_overlaps", "audience_priorities"),
        *("audience_placements", "audience_splits", "audience_costs"),
        *("trait_changes", "trait_history"),
    }
)

# These look at every property because the plan tells them to: that is no use of it.
PLAN_MODELS = frozenset({"event_violations", "event_enforcement"})

# The same holds for a payload that these folders hand on or look through as a whole.
PASSING_FOLDERS = frozenset({"staging", "events", "monitoring"})

# In the order in which values move on.
READER_KINDS = ("model", "trait", "profile", "audience", "sync")

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Reader:
    """A model that reads something of an event.

    `kind` is trait, profile, audience or sync, and model for any other. `columns` are
    those made of it, `*` any whose names are not known. When `rows` is true it chooses
    the rows as well: it stands in a filter, a join or a grouping, here or further up.
    """

    kind: str
    model: str
    columns: tuple[str, ...]
    rows: bool

    def and_also(self, other: Reader) -> Reader:
        """The same model, read for two reasons."""
        columns = tuple(dict.fromkeys((*self.columns, *other.columns)))
        return replace(self, columns=columns, rows=self.rows or other.rows)


class Lineage:
    """The models of a manifest that dbt compiled.

    `planned` are the events that its models plan. `former` are models of an earlier
    manifest with the events they planned: their columns count beside those of today, so
    that it shows who reads a column that is no longer there.
    """

    def __init__(
        self,
        manifest: Mapping[str, Any],
        planned: tuple[PlannedEvent, ...],
        *,
        former: Mapping[str, tuple[Node, PlannedEvent]] | None = None,
    ) -> None:
        self._dialect = str(manifest["metadata"].get("adapter_type") or "duckdb")
        self._nodes: dict[str, Node] = {
            node["name"]: node
            for node in manifest["nodes"].values()
            if node["resource_type"] in ("model", "snapshot", "seed")
        }
        self._planned = {event.model: event for event in planned}
        self._former = former or {}
        self._relations: dict[str, Relation] = {}
        self.unclear: dict[str, str] = {}
        """Models whose SQL could not be followed in full, and why; they count as
        reading more than they may."""

    def readers_of(self, event: PlannedEvent, path: Path | None) -> tuple[Reader, ...]:
        """Who reads a property of an event; without a path, the event itself."""

        def concerns(read: Read) -> bool:
            if path is None:
                return read.field in KIND_OF_EVENT and _is_of(read, event, named=True)
            return (
                read.field == event.payload
                and _is_of(read, event)
                and are_related(read.path, path)
            )

        return self._readers(concerns)

    def readers_of_common(self, path: Path) -> tuple[Reader, ...]:
        """Who reads a value at a path from the root of every event."""
        return self._readers(
            lambda read: read.field == path[0] and are_related(read.path, path[1:])
        )

    def _readers(self, concerns: Callable[[Read], bool]) -> tuple[Reader, ...]:
        found = []
        for name, node in self._nodes.items():
            if name in HISTORY | PLAN_MODELS | {*self._planned, *self._former}:
                continue
            if node["fqn"][1] == "staging":
                continue
            passes_on = node["fqn"][1] in PASSING_FOLDERS

            def counts(read: Read, passes_on: bool = passes_on) -> bool:
                is_whole = not read.path and read.field not in KIND_OF_EVENT
                return concerns(read) and not (is_whole and passes_on)

            relation = self.relation(name)
            rows = any(map(counts, relation.rows))
            named = {**relation.columns, "*": relation.rest or Reads()}
            columns = tuple(
                column
                for column, reads in named.items()
                if any(map(counts, reads.values if rows else reads.all))
            )
            if columns or rows:
                found.append(Reader(_kind(node), name, columns, rows))
        return in_order(found)

    def relation(self, name: str) -> Relation:
        """What the columns of a model are made of."""
        if name not in self._relations:
            # A model that reads itself, or the log of audiences in a circle, adds
            # nothing by that.
            self._relations[name] = Relation(rest=Reads())
            self._relations[name] = self._find(name)
        return self._relations[name]

    def _find(self, name: str) -> Relation:
        node = self._nodes[name]
        if name in PLAN_MODELS:
            return Relation(rest=Reads())
        relation = self._compiled(node, self._planned.get(name))
        if name in EVENT_TABLES:
            relation = _with_fields(relation)
        if name == AUDIENCE_LOG:
            relation = self._log_of_audiences(relation)
        if name in self._former:
            relation = relation.merged(self._compiled(*self._former[name]))
        return relation

    def _compiled(self, node: Node, planned: PlannedEvent | None) -> Relation:
        relation = self._followed(node)
        everything = relation.everything
        missing = {
            column.lower(): everything
            for column in node["columns"]
            if column.lower() not in relation.columns
        }
        relation = replace(relation, columns={**relation.columns, **missing})
        return relation if planned is None else _of_event(relation, planned)

    def _followed(self, node: Node) -> Relation:
        """What the model's SQL says, or all that stands above it when it is no SQL
        that can be followed."""
        sql = node.get("compiled_code")
        if node["resource_type"] == "seed":
            return Relation(rest=Reads())
        if node.get("language", "sql") != "sql" or not sql:
            return self._all_above(node, "it is not SQL")
        query = Query(self._table)
        try:
            relation = query.relation(sqlglot.parse_one(sql, dialect=self._dialect))
        except (SqlglotError, RecursionError) as error:
            return self._all_above(node, str(error).splitlines()[0])
        if query.unknown:
            names = ", ".join(sorted(query.unknown))
            self.unclear[node["name"]] = f"nothing above it has {names}"
        return relation

    def _all_above(self, node: Node, reason: str) -> Relation:
        self.unclear[node["name"]] = reason
        above = [
            self.relation(name).everything
            for unique_id in node["depends_on"]["nodes"]
            if (name := unique_id.split(".")[-1]) in self._nodes
        ]
        everything = union(above)
        rows = everything.all
        return Relation(rows=rows, rest=Reads(everything.values, rows))

    def _table(self, table: exp.Table) -> Relation:
        name = self._names.get((table.db.lower(), table.name.lower()))
        return self.relation(name) if name else Relation(rest=Reads())

    @cached_property
    def _names(self) -> dict[tuple[str, str], str]:
        return {
            (str(node["schema"]).lower(), str(node["alias"]).lower()): name
            for name, node in self._nodes.items()
        }

    def _log_of_audiences(self, relation: Relation) -> Relation:
        """The log: each audience writes its members into it when it is built."""
        audiences = union(
            self.relation(name).everything
            for name, node in self._nodes.items()
            if node["config"]["materialized"] == "audience"
        )
        rows = relation.rows | audiences.all
        return Relation({column: Reads(rows=rows) for column in relation.columns}, rows)


def _with_fields(relation: Relation) -> Relation:
    """The relation of a table of events: with its fields every way begins."""
    fields = {
        name: Reads(frozenset({Read(field=name)}), relation.rows)
        for name in (*KIND_OF_EVENT, *PAYLOADS)
    }
    return replace(relation, columns={**relation.columns, **fields})


def _of_event(relation: Relation, event: PlannedEvent) -> Relation:
    """The relation of an event model: it reads its event in the name of that model, and
    its yml may say of a column which property it is."""
    itself = frozenset({Read(field="event", model=event.model)})
    said = {
        column.lower(): Read(
            field=event.payload, path=parse_path(path), model=event.model
        )
        for path, column in event.columns.items()
    }
    columns = {}
    for name, reads in relation.columns.items():
        values = {_through(read, event) for read in reads.values}
        if name in said:
            values.add(said[name])
        columns[name] = Reads(frozenset(values), reads.rows | itself)
    return Relation(columns, relation.rows | itself, relation.rest)


def _through(read: Read, event: PlannedEvent) -> Read:
    if read.field in PAYLOADS and _is_of(read, event, named=True):
        return replace(read, model=event.model, types=None, events=None)
    return read


def _is_of(read: Read, event: PlannedEvent, *, named: bool = False) -> bool:
    """Whether a read may be of this event; `named`, whether it asks for this event."""
    if read.model is not None:
        return read.model == event.model
    if read.types is not None and event.type not in read.types:
        return False
    if event.type != "track":
        return read.events is None and (read.types is not None or not named)
    if read.events is None:
        return not named
    return event.name in read.events


def in_order(readers: Iterable[Reader]) -> tuple[Reader, ...]:
    """The readers in the order in which values move on, then by name."""
    return tuple(
        sorted(readers, key=lambda one: (READER_KINDS.index(one.kind), one.model))
    )


def _kind(node: Node) -> str:
    if node["config"].get("materialized") == "audience":
        return "audience"
    if (node["config"].get("meta") or {}).get("sync"):
        return "sync"
    return {"traits": "trait", "profiles": "profile"}.get(node["fqn"][1], "model")
