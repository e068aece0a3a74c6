"""How a query is laid out as the text of a model: that of the project's own files.

CTEs stand apart, one column a line, lower-case words, lines no longer than 88 letters.
sqlglot writes the expressions; where they stand is decided here, because a model is
read and edited by people and linted like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.tokenizer_core import TokenType

WIDTH = 88
INDENT = " " * 4
_VERBATIM = {TokenType.STRING, TokenType.IDENTIFIER}


def model_text(query: exp.Query, *, comments: Sequence[str] = ()) -> str:
    """The query as the text of a model, below comments of one line each."""
    lines = [f"-- {comment}" for comment in comments]
    ctes = query.ctes
    if ctes:
        lines += ["with", ""]
        for number, cte in enumerate(ctes, start=1):
            lines += [f"{cte.alias} as (", ""]
            lines += [INDENT + line if line else line for line in _query(cte.this)]
            lines += ["", ")," if number < len(ctes) else ")", ""]
    lines += _query(query)
    return "\n".join(lines) + "\n"


def _query(query: exp.Expr) -> list[str]:
    """The lines of a query, without its CTEs."""
    if isinstance(query, exp.SetOperation):
        word = query.key + ("" if query.args.get("distinct") else " all")
        return [*_query(query.left), "", word, "", *_query(query.right)]
    if not isinstance(query, exp.Select):
        raise TypeError(f"a model selects; {query.key} does not")
    return list(_select(query))


def _select(query: exp.Select) -> Iterator[str]:
    source = query.args.get("from_")
    if source is not None and _is_import(query):
        yield " ".join(["select *", *_source("from", source.this)])
        return
    yield from _columns(query)
    if source is not None:
        yield from _source("from", source.this)
    for join in query.args.get("joins") or ():
        yield from _join(join)
    if where := query.args.get("where"):
        yield from _clause("where", where.this)
    if group := query.args.get("group"):
        yield from _list("group by", [_one(key) for key in group.expressions])
    if having := query.args.get("having"):
        yield from _clause("having", having.this)
    if order := query.args.get("order"):
        yield from _list("order by", [_one(key) for key in order.expressions])
    if limit := query.args.get("limit"):
        yield f"limit {_one(limit.expression)}"


def _is_import(query: exp.Select) -> bool:
    """Whether it is everything of one table, as stands on one line."""
    used = {name for name, value in query.args.items() if value}
    is_everything = query.is_star and len(query.expressions) == 1
    return is_everything and used == {"expressions", "from_"}


def _columns(query: exp.Select) -> Iterator[str]:
    word = "select distinct" if query.args.get("distinct") else "select"
    columns = [_expression(column, 2 * len(INDENT)) for column in query.expressions]
    if len(columns) == 1 and len(columns[0]) == 1:
        yield f"{word} {columns[0][0]}"
        return
    yield word
    for number, lines in enumerate(columns, start=1):
        yield from _indented(lines, "," if number < len(columns) else "")


def _source(word: str, source: exp.Expr) -> Iterator[str]:
    if isinstance(source, exp.Subquery):
        yield f"{word} ("
        yield from _indented(_query(source.this))
        yield f") as {source.alias}"
    else:
        yield f"{word} {_one(source)}"


def _join(join: exp.Join) -> Iterator[str]:
    kind = (join.side or join.kind or "inner").lower()
    yield from _source(f"{kind} join", join.this)
    condition = join.args.get("on")
    if condition is None:
        return
    lines = _conditions(condition, 3 * len(INDENT))
    if len(lines) == 1 and isinstance(join.this, exp.Table):
        *_, last = _source(f"{kind} join", join.this)
        if len(last) + len(lines[0]) + 4 < WIDTH:
            yield f"{INDENT}on {lines[0]}"
            return
    if len(lines) == 1:
        yield f"{INDENT}on {lines[0]}"
    else:
        yield f"{INDENT}on"
        yield from _indented(_indented(lines))


def _clause(word: str, condition: exp.Expr) -> Iterator[str]:
    lines = _conditions(condition)
    if len(lines) == 1 and len(INDENT) + len(word) + 1 + len(lines[0]) <= WIDTH:
        yield f"{word} {lines[0]}"
    else:
        yield word
        yield from _indented(lines)


def _list(word: str, items: list[str]) -> Iterator[str]:
    if len(items) == 1:
        yield f"{word} {items[0]}"
        return
    yield word
    for number, item in enumerate(items, start=1):
        yield INDENT + item + ("," if number < len(items) else "")


def _conditions(condition: exp.Expr, indent: int = 2 * len(INDENT)) -> list[str]:
    """A condition, each of what `and` or `or` joins on lines of its own."""
    if not isinstance(condition, exp.Connector):
        return _expression(condition, indent)
    word = condition.key
    lines: list[str] = []
    for number, part in enumerate(_joined(condition)):
        inside = _expression(part, indent + len(word) + 1)
        lines += [f"{word} {inside[0]}" if number else inside[0], *inside[1:]]
    return lines


def _joined(condition: exp.Connector) -> Iterator[exp.Expr]:
    """The parts of a chain of the same connective, each as it stands."""
    for part in (condition.left, condition.right):
        if isinstance(part, exp.Connector) and part.key == condition.key:
            yield from _joined(part)
        else:
            yield part


def _expression(node: exp.Expr, indent: int) -> list[str]:
    """An expression on one line, if it fits there, or else taken apart."""
    line = _one(node)
    if indent + len(line) + 1 <= WIDTH:
        return [line]
    if isinstance(node, exp.Alias):
        ending = f" as {node.alias}"
        *lines, last = _expression(node.this, indent)
        if indent + len(last + ending) + 1 > WIDTH:
            *lines, last = _expression(node.this, indent + len(ending))
        return [*lines, last + ending]
    if isinstance(node, exp.Paren):
        inside = _conditions(node.this, indent + len(INDENT))
        return ["(", *_indented(inside), ")"]
    if isinstance(node, exp.Not):
        first, *lines = _expression(node.this, indent + len("not "))
        return [f"not {first}", *lines]
    if isinstance(node, exp.Connector):
        return _conditions(node, indent)
    if isinstance(node, exp.Case):
        return _case(node, indent)
    if isinstance(node, exp.Window):
        return _window(node, indent)
    if isinstance(node, exp.Binary):
        return _binary(node, indent)
    return _call(node, indent) or [line]


def _case(node: exp.Case, indent: int) -> list[str]:
    lines = ["case" if node.this is None else f"case {_one(node.this)}"]
    for branch in node.args["ifs"]:
        when = _conditions(branch.this, indent + 2 * len(INDENT))
        value = _expression(branch.args["true"], indent + 3 * len(INDENT))
        if len(when) == 1:
            lines.append(f"{INDENT}when {when[0]}")
        else:
            lines.append(f"{INDENT}when")
            lines += _indented(_indented(when))
        if isinstance(branch.args["true"], exp.Connector) and len(value) > 1:
            lines.append(f"{INDENT * 2}then")
            lines += _indented(_indented(_indented(value)))
        else:
            lines.append(f"{INDENT * 2}then {value[0]}")
            lines += _indented(_indented(value[1:]))
    if default := node.args.get("default"):
        lines.append(f"{INDENT}else {_one(default)}")
    return [*lines, "end"]


def _binary(node: exp.Binary, indent: int) -> list[str]:
    """A comparison whose left side is taken apart; the right one ends its last line, or
    stands on one of its own."""
    left = _one(node.left)
    rest = _one(node)[len(left) :]
    lines = _call(node.left, indent) if isinstance(node.left, exp.Func) else None
    if lines is not None:
        return [*lines[:-1], lines[-1] + rest]
    if isinstance(node.right, exp.Paren) and indent + len(rest) > WIDTH:
        opening = rest.removesuffix(_one(node.right)).lstrip() + "("
        inside = _expression(node.right.this, indent + len(rest))
        return [left, opening, *_indented(inside), ")"]
    return [left, rest.lstrip()]


def _window(node: exp.Window, indent: int) -> list[str]:
    """A window function, with what it looks at on lines of its own."""
    *opening, name = _expression(node.this, indent)
    keys = ", ".join(_one(key) for key in node.args.get("partition_by") or ())
    parts = [f"partition by {keys}"] if keys else []
    parts += [_one(node.args[key]) for key in ("order", "spec") if node.args.get(key)]
    together = " ".join(parts)
    fits = indent + len(INDENT) + len(together) <= WIDTH
    return [*opening, f"{name} over (", *_indented([together] if fits else parts), ")"]


def _call(node: exp.Expr, indent: int) -> list[str] | None:
    """A call of a function, with each argument on lines of its own."""
    if isinstance(node, exp.In):
        items = [_one(item) for item in node.expressions]
        opening = f"{_one(node.this)} in ("
    elif isinstance(node, exp.Cast):
        ending = f" as {_one(node.to)}"
        *inside, last = _expression(node.this, indent + len(INDENT) + len(ending))
        return ["cast(", *_indented([*inside, last + ending]), ")"]
    elif isinstance(node, exp.Func | exp.Tuple):
        arguments = [
            child
            for value in node.args.values()
            for child in (value if isinstance(value, list) else [value])
            if isinstance(child, exp.Expr)
        ]
        name = _one(node).split("(", 1)[0]
        lines = [f"{name}("]
        for number, argument in enumerate(arguments, start=1):
            inside = _expression(argument, indent + len(INDENT))
            lines += _indented(inside, "," if number < len(arguments) else "")
        return [*lines, ")"]
    else:
        return None
    lines = [opening]
    for number, item in enumerate(items, start=1):
        lines.append(INDENT + item + ("," if number < len(items) else ""))
    return [*lines, ")"]


def _indented(lines: Sequence[str], ending: str = "") -> list[str]:
    return [
        (INDENT + line if line else line) + (ending if number == len(lines) else "")
        for number, line in enumerate(lines, start=1)
    ]


def _one(node: exp.Expr) -> str:
    """An expression on one line, all but names and values in lower case."""
    written = node.sql(dialect="duckdb")
    parts, end = [], 0
    for token in DuckDB().tokenize(written):
        if token.token_type in _VERBATIM:
            parts += [written[end : token.start].lower()]
            parts += [written[token.start : token.end + 1]]
            end = token.end + 1
    return "".join([*parts, written[end:].lower()])
