"""What a query reads: a relation made of relations, step by step as the query says.

Columns are followed by name through common table expressions, subqueries, joins and
stars. Whatever is not understood counts as reading all that it could, so that nothing
that is read is ever overlooked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlglot import exp

from orchestration.lineage.paths import json_access
from orchestration.lineage.reads import Read, Reads, Relation, union
from orchestration.lineage.scopes import Scope, Source

Tables = Callable[[exp.Table], Relation]


class Query:
    """Finds what a query reads; `unknown` are the columns that it could not find."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.unknown: set[str] = set()

    def relation(self, query: exp.Expr) -> Relation:
        """What the result of a query is made of."""
        return self._query(query, Scope())

    def _query(self, query: exp.Expr, around: Scope) -> Relation:
        scope = Scope(ctes=self._ctes(query, around), outer=around)
        match query:
            case exp.Subquery():
                return self._source(query.this, scope)
            case exp.SetOperation():
                return self._set_operation(query, scope)
            case exp.Select():
                return self._select(query, scope)
        return self._unknown_query(query, scope)

    def _ctes(self, query: exp.Expr, around: Scope) -> dict[str, Relation]:
        ctes = dict(around.ctes)
        clause = query.args.get("with_")
        if clause is None:
            return ctes
        for cte in clause.expressions:
            name = cte.alias.lower()
            scope = Scope(ctes=ctes, outer=around)
            if clause.recursive and isinstance(cte.this, exp.SetOperation):
                # The first part stands for the table while its other part is read.
                ctes[name] = _renamed(self._query(cte.this.left, scope), cte)
            ctes[name] = _renamed(self._query(cte.this, scope), cte)
        return ctes

    def _unknown_query(self, query: exp.Expr, scope: Scope) -> Relation:
        """A query of another kind may read all of its tables."""
        tables = [self._table(table, scope) for table in query.find_all(exp.Table)]
        everything = union(table.everything for table in tables)
        return Relation(rows=everything.all, rest=Reads(everything.all, everything.all))

    def _set_operation(self, query: exp.SetOperation, scope: Scope) -> Relation:
        left, right = self._query(query.left, scope), self._query(query.right, scope)
        if not query.args.get("by_name") and left.rest is None and right.rest is None:
            names = list(left.columns)
            others = right.columns.values()
            right = Relation(dict(zip(names, others, strict=False)), right.rows)
        both = left.merged(right)
        if isinstance(query, exp.Union) and not query.args.get("distinct"):
            return both
        return _with_rows(both, both.everything.values)

    def _select(self, query: exp.Select, scope: Scope) -> Relation:
        rows = self._from(query, scope)
        where = query.args.get("where")
        if where is not None:
            self._filter(where.this, scope)
            rows |= self._reads(where.this, scope).all
        columns: dict[str, Reads] = {}
        open_ended: list[Reads] = []
        for number, projection in enumerate(query.expressions):
            for name, reads in self._projected(projection, number, scope):
                if name == "*":
                    open_ended.append(reads)
                else:
                    columns[name] = scope.aliases[name] = reads
        rows |= self._choice_of_rows(query, scope, columns)
        rest = union(open_ended) if open_ended else None
        return _with_rows(Relation(columns, frozenset(), rest), rows)

    def _from(self, query: exp.Select, scope: Scope) -> frozenset[Read]:
        """Add the sources to the scope; what the joins read to choose rows."""
        rows: frozenset[Read] = frozenset()
        first = query.args.get("from_")
        for node in (first.this if first else None, *query.args.get("laterals", ())):
            if node is not None:
                source = self._source(node, scope)
                scope.sources[_alias(node, scope)] = Source(source)
                rows |= source.rows
        for join in query.args.get("joins", ()):
            source = self._source(join.this, scope)
            name = _alias(join.this, scope)
            scope.sources[name] = Source(source)
            condition = self._join_condition(join, scope) | source.rows
            if join.side == "LEFT" and join.kind not in ("SEMI", "ANTI"):
                scope.sources[name] = Source(source, condition)
            else:
                rows |= condition
        return rows

    def _join_condition(self, join: exp.Join, scope: Scope) -> frozenset[Read]:
        on = join.args.get("on")
        read = self._reads(on, scope).all if on is not None else frozenset()
        for name in join.args.get("using", ()):
            read |= (scope.column(name.name.lower(), "") or Reads()).all
        if join.method == "NATURAL":
            read |= scope.everything.values
        return read

    def _source(self, node: exp.Expr, scope: Scope) -> Relation:
        match node:
            case exp.Table():
                found = self._table(node, scope)
            case exp.Lateral():
                found = self._source(node.this, scope)
            case exp.Subquery():
                found = self._query(node, scope)
            case exp.Query():
                return self._query(node, scope)
            case _:
                found = Relation(rest=self._children(node, scope))
        if node.args.get("pivots"):
            found = Relation(rest=found.everything)
        return _renamed(found, node)

    def _table(self, table: exp.Table, scope: Scope) -> Relation:
        if not isinstance(table.this, exp.Identifier):  # a function that makes rows
            return Relation(rest=self._reads(table.this, scope))
        if not table.db and table.name.lower() in scope.ctes:
            return scope.ctes[table.name.lower()]
        return self._tables(table)

    def _filter(self, condition: exp.Expr, scope: Scope) -> None:
        """Note for which types and names of events the condition asks."""
        condition = condition.unnest()
        is_and = isinstance(condition, exp.And)
        for part in condition.flatten() if is_and else (condition,):
            column, values = _asked(part.unnest())
            if column is None:
                continue
            for name, source in scope.sources.items():
                if column.table and column.table.lower() != name:
                    continue
                read = source.relation.columns.get(column.name.lower())
                fields = {one.field for one in read.values} if read else set()
                if fields == {column.name.lower()} <= {"type", "event"}:
                    asked = source.filters.and_also(column.name.lower(), values)
                    scope.sources[name] = Source(
                        source.relation, source.attached, asked
                    )

    def _projected(
        self, node: exp.Expr, number: int, scope: Scope
    ) -> Iterator[tuple[str, Reads]]:
        """The columns that one expression after `select` makes."""
        star = node.this if isinstance(node, exp.Column) else node
        if not isinstance(star, exp.Star):
            if node.find(exp.Columns):
                yield "*", scope.everything
            else:
                name = node.alias_or_name.lower() or f"column {number}"
                yield name, self._reads(node, scope)
            return
        table = node.table.lower() if isinstance(node, exp.Column) else ""
        left_out = {one.name.lower() for one in star.args.get("except_") or ()}
        replaced = {
            one.alias.lower(): one.this for one in star.args.get("replace") or ()
        }
        for alias, source in scope.sources.items():
            if table and alias != table:
                continue
            for name in source.relation.columns:
                if name in replaced:
                    yield name, self._reads(replaced[name], scope)
                elif name not in left_out:
                    yield name, source.column(name) or Reads()
            if source.relation.rest is not None:
                yield "*", source.column("") or Reads()

    def _choice_of_rows(
        self, query: exp.Select, scope: Scope, columns: Mapping[str, Reads]
    ) -> frozenset[Read]:
        """What the clauses after `where` read to choose and to group rows."""
        rows: frozenset[Read] = frozenset()
        clauses = ["having", "qualify", "group", "windows", "distinct"]
        if query.args.get("limit") or query.args.get("offset"):
            clauses.append("order")
        for clause in clauses:
            found = query.args.get(clause)
            for node in found if isinstance(found, list) else [found]:
                if node is not None:
                    rows |= self._reads(node, scope).all
        group = query.args.get("group")
        distinct = query.args.get("distinct")
        by_position = group is not None and (
            group.args.get("all") or group.find(exp.Literal)
        )
        if by_position or (distinct is not None and not distinct.args.get("on")):
            rows |= union(columns.values()).values
        return rows

    def _reads(self, node: exp.Expr, scope: Scope) -> Reads:
        """What an expression is made of."""
        match node:
            case exp.Column():
                return self._column(node, scope)
            case exp.Query():
                return self._query(node, scope).everything
            case exp.Window():
                function = self._reads(node.this, scope)
                return function.with_rows(self._children(node, scope).all)
            case exp.Lambda():
                names = frozenset(one.name.lower() for one in node.expressions)
                inner = Scope(
                    scope.sources, scope.ctes, scope.outer, scope.aliases,
                    scope.parameters | names,
                )  # fmt: skip
                return self._reads(node.this, inner)
        access = json_access(node)
        if access is not None:
            value, paths = access
            taken_of = self._reads(value, scope)
            return union(taken_of.inside(path) for path in paths)
        return self._children(node, scope)

    def _children(self, node: exp.Expr, scope: Scope) -> Reads:
        return union(self._reads(child, scope) for child in node.iter_expressions())

    def _column(self, column: exp.Column, scope: Scope) -> Reads:
        if isinstance(column.this, exp.Star):
            return Reads()
        found = scope.column(column.name.lower(), column.table.lower())
        if found is None:
            self.unknown.add(column.sql())
            return scope.everything
        return found


def _alias(node: exp.Expr, scope: Scope) -> str:
    return node.alias_or_name.lower() or f"source {len(scope.sources)}"


def _with_rows(relation: Relation, rows: frozenset[Read]) -> Relation:
    return Relation(
        {name: reads.with_rows(rows) for name, reads in relation.columns.items()},
        relation.rows | rows,
        relation.rest.with_rows(rows) if relation.rest is not None else None,
    )


def _renamed(relation: Relation, node: exp.Expr) -> Relation:
    """The relation under the column names that its alias gives, if it gives any."""
    alias = node.args.get("alias")
    names = [one.name.lower() for one in alias.columns] if alias else []
    if not names or relation.rest is not None:
        return relation
    old = list(relation.columns)
    new = [*names, *old[len(names) :]]
    return Relation(
        dict(zip(new, relation.columns.values(), strict=False)), relation.rows
    )


def _asked(condition: exp.Expr) -> tuple[exp.Column | None, frozenset[str]]:
    """The column and the texts of `column = 'a'` or `column in ('a', 'b')`."""
    match condition:
        case exp.EQ(this=exp.Column() as column, expression=exp.Literal() as value):
            return column, frozenset({value.this})
        case exp.EQ(this=exp.Literal() as value, expression=exp.Column() as column):
            return column, frozenset({value.this})
        case exp.In(this=exp.Column() as column) if condition.expressions:
            values = condition.expressions
            if all(isinstance(value, exp.Literal) for value in values):
                return column, frozenset(value.this for value in values)
    return None, frozenset()
