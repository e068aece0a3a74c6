"""Tracking calls in Python, as Segment's and RudderStack's clients take them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from orchestration.plans.calls import (
    METHODS,
    Call,
    Computed,
    Unreadable,
    Value,
    is_client,
)

_POSITIONS = {
    "track": ("user_id", "event", "properties", "context"),
    "identify": ("user_id", "traits", "context"),
    "group": ("user_id", "group_id", "traits", "context"),
    "page": ("user_id", "category", "name", "properties", "context"),
    "screen": ("user_id", "category", "name", "properties", "context"),
}


def calls_in(
    source: bytes, file: Path, *, clients: frozenset[str]
) -> Iterator[Call | Unreadable]:
    """The tracking calls of a Python file."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        yield Unreadable(file, getattr(error, "lineno", None) or 1, str(error))
        return
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and is_client(_name(node.func.value), clients)
        ):
            yield _call(node, node.func.attr, file)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _call(node: ast.Call, method: str, file: Path) -> Call:
    unknown = Value(node.lineno)
    given: dict[str, Value] = {}
    positions = _POSITIONS[method]
    is_whole = all(keyword.arg for keyword in node.keywords)
    for name, argument in zip(positions, node.args, strict=False):
        if isinstance(argument, ast.Starred):
            is_whole = False
            break
        given[name] = _value(argument)
    given |= {word.arg: _value(word.value) for word in node.keywords if word.arg}
    missing = None if is_whole else unknown
    payload = "traits" if "traits" in positions else "properties"
    return Call(
        file=file,
        line=node.lineno,
        method=method,
        event=given.get("event", missing) if method == "track" else None,
        payload=given.get(payload, missing),
        context=given.get("context", missing),
    )


def _value(node: ast.expr) -> Value:
    line = node.lineno
    if isinstance(node, ast.Constant):
        plain = node.value is None or isinstance(node.value, (str, bool, int, float))
        return Value(line, node.value) if plain else Value(line)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _value(node.operand).known
        is_number = isinstance(inner, (int, float)) and not isinstance(inner, bool)
        return Value(line, -inner) if is_number else Value(line)
    if isinstance(node, ast.JoinedStr):
        return Value(line, Computed.TEXT)
    if isinstance(node, ast.Dict):
        return _object(node)
    if isinstance(node, (ast.List, ast.Tuple)):
        return Value(line, [], elements=tuple(map(_value, node.elts)))
    return Value(line)


def _object(node: ast.Dict) -> Value:
    entries: dict[str, Value] = {}
    is_whole = True
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            entries[key.value] = _value(value)
        else:
            is_whole = False
    return Value(node.lineno, {}, entries=entries, is_whole=is_whole)
