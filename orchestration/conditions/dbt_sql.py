"""Queries as trees of sqlglot, written as dbt models or as queries of DuckDB.

Some expressions of a tree are Kith's own: `ref` (another model), `moment` (the start of
the build), `ago` (a time before it), `time` and `text` (literals). A model has Jinja in
their place; a query on a published database has a table and values there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlglot import exp

UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}
"""Units of a length of time, with the keyword of `timedelta` for each."""

_KIND = "kith"


def ref(model: str) -> exp.Table:
    """Another model, to select from."""
    table = exp.Table(this=exp.Var(this=f"{{{{ ref('{model}') }}}}"))
    table.meta[_KIND] = ("ref", model)
    return table


def moment() -> exp.Expr:
    """The start of the build: what models take for now."""
    return _jinja("build_started_at()", ("moment",))


def ago(number: int, unit: str) -> exp.Expr:
    """The moment that lies so many units before the build, after it when negative."""
    text = f"days_ago({number})" if unit == "day" else f"time_ago({number}, '{unit}')"
    return _jinja(text, ("ago", number, unit))


def time(at: datetime) -> exp.Expr:
    """A moment as a literal."""
    written = at.astimezone(UTC).isoformat(sep=" ")
    return _jinja(f"time_literal('{written}')", ("time", at))


def macro(name: str, *arguments: str | exp.Expr) -> exp.Expr:
    """A call of a macro that makes an expression, of texts and of other macros; only
    models can have one."""
    written = ", ".join(
        _jinja_text(argument)
        if isinstance(argument, str)
        else argument.name.removeprefix("{{ ").removesuffix(" }}")
        for argument in arguments
    )
    return _jinja(f"{name}({written})", ("macro", name))


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function under this very name, which every engine must know."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def column(name: str, table: str | None = None) -> exp.Column:
    """A column of a table."""
    return exp.column(name, table=table)


def text(value: str) -> exp.Expr:
    """A text literal."""
    if any(letter in value for letter in "\\{\n"):
        # A backslash begins an escape on some engines only, a brace may begin Jinja.
        return _jinja(f"string_literal({_jinja_text(value)})", ("text", value))
    return exp.Literal.string(value)


def import_of(model: str) -> exp.Select:
    """What stands in a model's first CTEs: everything of another model."""
    return exp.select("*").from_(ref(model))


def for_database(
    tree: exp.Expr, *, now: datetime, table_of: Callable[[str], exp.Table]
) -> exp.Expr:
    """The tree as a query of DuckDB, with the tables and times that it means."""

    def replace(node: exp.Expr) -> exp.Expr:
        match node.meta.get(_KIND):
            case ("ref", str(model)):
                return table_of(model)
            case ("moment",):
                return _timestamp(now)
            case ("ago", int(number), str(unit)):
                return _timestamp(now - timedelta(**{UNITS[unit]: number}))
            case ("time", datetime() as at):
                return _timestamp(at)
            case ("text", str(value)):
                return exp.Literal.string(value)
            case ("macro", name):
                raise ValueError(f"{name} is a macro, which only models can call")
        return node

    return tree.copy().transform(replace)


def _timestamp(at: datetime) -> exp.Expr:
    return exp.cast(exp.Literal.string(at.isoformat()), "timestamptz")


def _jinja(code: str, meaning: tuple[object, ...]) -> exp.Expr:
    node = exp.Var(this=f"{{{{ {code} }}}}")
    node.meta[_KIND] = meaning
    return node


def _jinja_text(value: str) -> str:
    """A text of Jinja. Quotes in it are escaped by their number, so that they end no
    text in SQL either, as which the layout reads it."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\x27").replace("\n", "\\n")
    return f"'{escaped}'"
