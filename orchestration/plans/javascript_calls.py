"""Tracking calls in JavaScript and TypeScript, of browsers and of Node.

A browser's client takes the event and its properties one after the other, a server's
takes one object with all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import tree_sitter_typescript
from tree_sitter import Language, Node, Parser

from orchestration.plans.calls import (
    METHODS,
    Call,
    Computed,
    Unreadable,
    Value,
    is_client,
)

_SERVER_KEYS = frozenset(
    {"event", "userId", "anonymousId", "groupId", "properties", "traits"}
)
# What says how a value is seen by the compiler, and nothing of the value.
_WRAPPERS = frozenset(
    {
        "as_expression",
        "satisfies_expression",
        "non_null_expression",
        "parenthesized_expression",
        "type_assertion",
    }
)
_WORDS = {"true": True, "false": False, "null": None}


def calls_in(
    source: bytes, file: Path, *, clients: frozenset[str]
) -> Iterator[Call | Unreadable]:
    """The tracking calls of a JavaScript or TypeScript file."""
    tree = _parser(file.suffix in (".ts", ".mts", ".cts")).parse(source)
    if tree.root_node.has_error:
        line = _first_error(tree.root_node)
        yield Unreadable(file, line, "this is no JavaScript or TypeScript")
    for node in _walk(tree.root_node):
        called = _called(node, clients)
        if called is not None:
            yield _call(node, called, file)


@cache
def _parser(is_plain_typescript: bool) -> Parser:
    """TypeScript's own casts and the tags of JSX look alike, so there are two."""
    if is_plain_typescript:
        return Parser(Language(tree_sitter_typescript.language_typescript()))
    return Parser(Language(tree_sitter_typescript.language_tsx()))


def _walk(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(node.children))


def _first_error(root: Node) -> int:
    errors = (node for node in _walk(root) if node.is_error or node.is_missing)
    return next((_line(node) for node in errors), 1)


def _called(node: Node, clients: frozenset[str]) -> str | None:
    """The method, when the node is a call of a tracking client."""
    function = node.child_by_field_name("function")
    if node.type != "call_expression" or function is None:
        return None
    method = function.child_by_field_name("property")
    receiver = function.child_by_field_name("object")
    if method is None or receiver is None or _text(method) not in METHODS:
        return None
    return _text(method) if is_client(_name(receiver), clients) else None


def _name(node: Node) -> str:
    """The last name of what has the method: `analytics` of `window.analytics`."""
    while node.type in _WRAPPERS and node.named_children:
        node = node.named_children[0]
    if node.type == "call_expression":
        function = node.child_by_field_name("function")
        return _name(function) if function is not None else ""
    last = node.child_by_field_name("property")
    return _text(node if last is None else last)


def _call(node: Node, method: str, file: Path) -> Call:
    arguments = node.child_by_field_name("arguments")
    nodes = [] if arguments is None else arguments.named_children
    given = [_value(one) for one in nodes if one.type != "comment"]
    line = _line(node)
    if any(one.type == "spread_element" for one in nodes):
        unknown = Value(line)
        return Call(file, line, method, unknown, unknown, unknown)
    first = given[0] if given else None
    if (
        first
        and len(given) == 1
        and first.is_object
        and _SERVER_KEYS & {*first.entries}
    ):
        return _of_server(first, method, file, line)
    return _of_browser(given, method, file, line)


def _of_server(message: Value, method: str, file: Path, line: int) -> Call:
    missing = None if message.is_whole else Value(line)
    payload = "traits" if method in ("identify", "group") else "properties"
    return Call(
        file=file,
        line=line,
        method=method,
        event=message.entries.get("event", missing) if method == "track" else None,
        payload=message.entries.get(payload, missing),
        context=message.entries.get("context", missing),
    )


def _of_browser(given: list[Value], method: str, file: Path, line: int) -> Call:
    event = None
    rest = given
    if method == "track":
        event, rest = (given[0] if given else None), given[1:]
    # Texts before the payload are ids, names and categories.
    while rest and (rest[0].text is not None or rest[0].known is Computed.TEXT):
        rest = rest[1:]
    if method != "track" and rest and not rest[0].is_object:
        # `identify(user.id, {...})`: an id that is computed may come first.
        rest = next(
            (rest[at:] for at, one in enumerate(rest[:3]) if one.is_object), rest
        )
    payload = rest[0] if rest else None
    options = rest[1] if len(rest) > 1 else None
    context = None
    if options is not None:
        missing = None if options.is_object and options.is_whole else Value(line)
        context = options.entries.get("context", missing)
    return Call(file, line, method, event, payload, context)


def _value(node: Node) -> Value:
    line, kind = _line(node), node.type
    if kind in _WRAPPERS and node.named_children:
        # A cast has its type first, all others have it last.
        return _value(node.named_children[-1 if kind == "type_assertion" else 0])
    if kind == "string":
        return _string(node)
    if kind == "template_string":
        inside = node.named_children
        if any(one.type == "template_substitution" for one in inside):
            return Value(line, Computed.TEXT)
        return Value(line, _text(node)[1:-1])
    if kind == "number":
        return Value(line, _number(_text(node)))
    if kind in _WORDS:
        return Value(line, _WORDS[kind])
    if kind == "undefined":
        return Value(line, None)  # is left out of what is sent
    if kind == "unary_expression" and _text(node).startswith("-"):
        inner = _value(node.named_children[-1]).known
        is_number = isinstance(inner, (int, float)) and not isinstance(inner, bool)
        return Value(line, -inner) if is_number else Value(line)
    if kind == "array":
        elements = [_value(one) for one in node.named_children if one.type != "comment"]
        return Value(line, [], elements=tuple(elements))
    return _object(node) if kind == "object" else Value(line)


def _object(node: Node) -> Value:
    entries: dict[str, Value] = {}
    is_whole = True
    for child in node.named_children:
        if child.type == "pair":
            key, value = (child.child_by_field_name(part) for part in ("key", "value"))
            name = None if key is None else _key(key)
            if name is not None and value is not None:
                entries[name] = _value(value)
                continue
        elif child.type == "shorthand_property_identifier":
            entries[_text(child)] = Value(_line(child))
            continue
        is_whole = is_whole and child.type == "comment"
    return Value(_line(node), {}, entries=entries, is_whole=is_whole)


def _key(node: Node) -> str | None:
    if node.type == "property_identifier":
        return _text(node)
    return _string(node).text if node.type == "string" else None


def _string(node: Node) -> Value:
    pieces = []
    for part in node.named_children:
        if part.type == "string_fragment":
            pieces.append(_text(part))
            continue
        # JSON's escapes are those that are used; others make a text that is not known.
        try:
            pieces.append(str(json.loads(f'"{_text(part)}"')))
        except ValueError:
            return Value(_line(node), Computed.TEXT)
    return Value(_line(node), "".join(pieces))


def _number(text: str) -> int | float | Computed:
    plain = text.replace("_", "")
    for read in (lambda: int(plain, 0), lambda: float(plain)):
        try:
            return read()
        except ValueError:
            continue
    return Computed.VALUE


def _line(node: Node) -> int:
    return node.start_point[0] + 1


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
