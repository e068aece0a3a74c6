"""Quick renderers: plain expressions as Python closures, many times faster than Jinja.

`{{ key }}`, `{{ record.email }}` and `{{ record | without_nulls }}` are what manifests
are mostly made of. Where a closure meets anything out of the ordinary it raises, and
who called it lets Jinja decide: what is there, what is missing, and how it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import jinja2
from jinja2 import nodes

Closure = Callable[[Mapping[str, Any]], Any]
Filters = Mapping[str, Callable[..., Any]]


class NotPlainError(Exception):
    """The value is not where plain objects have it."""


def compile_quick(
    source: str, *, environment: jinja2.Environment, filters: Filters
) -> Closure | None:
    """The expression as a closure, or None where it is more than a plain one.

    `filters` are those that take a value and constants, and nothing from Jinja.
    """
    (output,) = environment.parse("{{ " + source + " }}").body
    assert isinstance(output, nodes.Output), "one expression"  # noqa: S101 - tells mypy
    (expression,) = output.nodes
    return _compile(expression, filters)


def _compile(node: nodes.Node | None, filters: Filters) -> Closure | None:
    if isinstance(node, nodes.Name):
        return itemgetter(node.name)
    if isinstance(node, nodes.Const):
        value = node.value
        return lambda context: value
    if isinstance(node, nodes.Getattr):
        return _member(_compile(node.node, filters), node.attr)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        return _member(_compile(node.node, filters), node.arg.value)
    if isinstance(node, nodes.Filter):
        return _filtered(node, filters)
    return None


def _member(inner: Closure | None, key: Any) -> Closure | None:
    if inner is None or not isinstance(key, str):
        return None

    def member(context: Mapping[str, Any]) -> Any:
        value = inner(context)
        if type(value) is not dict:
            raise NotPlainError
        return value[key]

    return member


def _filtered(node: nodes.Filter, filters: Filters) -> Closure | None:
    function, inner = filters.get(node.name), _compile(node.node, filters)
    constants = [arg.value for arg in node.args if isinstance(arg, nodes.Const)]
    is_plain = len(constants) == len(node.args) and not (
        node.kwargs or node.dyn_args or node.dyn_kwargs
    )
    if function is None or inner is None or not is_plain:
        return None
    return lambda context: function(inner(context), *constants)
