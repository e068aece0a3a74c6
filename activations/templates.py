"""The `{{ … }}` of manifests and accounts: expressions that keep their type.

A text that is one expression alone gives the expression's value, whatever it is: an
object, a list, a number. Text around an expression makes a string. There are no
statements, undefined names are errors, and a value is only ever a value: a record that
contains `{{ … }}` stays that text. Jinja's sandbox does not bound work, so templates
come from files of the repository only.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox

from activations.filters import FILTERS
from activations.quick import compile_quick

Context = Mapping[str, Any]
Renderer = Callable[[Context], Any]


class TemplateError(ValueError):
    """A template is malformed, or a value that it needs is missing."""


class Sandbox(jinja2.sandbox.SandboxedEnvironment):
    """A sandbox in which `record.items` is the field `items`, never dict's method."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping):
            return (
                obj[attribute]
                if attribute in obj
                else self.undefined(f"there is no '{attribute}' here")
            )
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping):
            return (
                obj[argument]
                if argument in obj
                else self.undefined(f"there is no '{argument}' here")
            )
        return super().getitem(obj, argument)


def _text(value: Any) -> Any:
    if value is None:
        raise TemplateError("an empty value stands inside a text")
    return value


def _path_text(value: Any) -> str:
    return quote(str(_text(value)), safe="")


def _environment(finalize: Callable[[Any], Any]) -> Sandbox:
    environment = Sandbox(
        undefined=jinja2.StrictUndefined, finalize=finalize, autoescape=False
    )
    environment.globals.clear()
    environment.filters |= FILTERS
    return environment


_TEXT = _environment(_text)
_PATH = _environment(_path_text)


def compile_value(value: Any, *, names: Collection[str]) -> Renderer:
    """Make a renderer of `value`: templates anywhere inside objects and lists work.

    `names` are the variables that exist when it renders; another one is an error now.
    """
    if isinstance(value, str):
        return _compile_text(value, frozenset(names))
    if isinstance(value, Mapping):
        fields = {key: compile_value(item, names=names) for key, item in value.items()}
        return lambda context: {key: field(context) for key, field in fields.items()}
    if isinstance(value, list):
        items = [compile_value(item, names=names) for item in value]
        return lambda context: [item(context) for item in items]
    return lambda context: value


def compile_path(text: str, *, names: Collection[str]) -> Renderer:
    """Make a renderer of a URL path: every value in it is percent-encoded."""
    return _compile_path(text, frozenset(names))


def variables(text: str) -> set[str]:
    """The names that a template uses."""
    return set(jinja2.meta.find_undeclared_variables(_TEXT.parse(text)))


def leaves_alone(value: Any, names: Collection[str]) -> bool:
    """Whether no template anywhere inside uses one of these names."""
    return all(not variables(text) & set(names) for text in _texts(value))


def takes_whole(value: Any, names: Collection[str]) -> bool:
    """Whether templates anywhere inside give these names' values as they are."""
    return all(_name(text) or leaves_alone(text, names) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """The texts anywhere inside objects and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _name(text: str) -> str | None:
    """The name that is all of the template, as in `{{ record }}`."""
    body = _TEXT.parse(text).body
    found = [node for part in body for node in part.iter_child_nodes()]
    if len(found) == 1 and isinstance(found[0], jinja2.nodes.Name):
        return found[0].name
    return None


# Manifests repeat themselves, and a template keeps nothing between two renderings.
@lru_cache(maxsize=8192)
def _compile_path(text: str, names: frozenset[str]) -> Renderer:
    _tokens(text, names)
    template = _PATH.from_string(text)
    return lambda context: _rendered(text, lambda: template.render(context))


@lru_cache(maxsize=8192)
def _compile_text(text: str, names: frozenset[str]) -> Renderer:
    if "{" not in text:
        return lambda context: text
    tokens = _tokens(text, names)
    kinds = [kind for kind, _ in tokens]
    if "variable_begin" not in kinds:
        return lambda context: text
    if kinds.count("variable_begin") == 1 and "data" not in kinds:
        source = "".join(value for _, value in tokens[1:-1])
        return _compile_expression(text, source)
    template = _TEXT.from_string(text)
    return lambda context: _rendered(text, lambda: template.render(context))


def _compile_expression(text: str, source: str) -> Renderer:
    if name := _name(text):
        # Whoever renders gives a value to each of the names.
        return itemgetter(name)
    expression = _TEXT.compile_expression(source, undefined_to_none=False)

    def render(context: Context) -> Any:
        return _rendered(text, lambda: expression(**context))

    quick = compile_quick(source, environment=_TEXT, filters=FILTERS)
    if quick is None:
        return render

    def render_quickly(context: Context) -> Any:
        try:
            return quick(context)
        except Exception:  # noqa: BLE001 - whatever it is, Jinja tells it
            return render(context)

    return render_quickly


def _tokens(text: str, names: frozenset[str]) -> list[tuple[str, str]]:
    """The tokens of `text` (blank text left out), once it is known to be a template."""
    try:
        tokens = [
            (kind, value)
            for _, kind, value in _TEXT.lex(text)
            if kind != "data" or value.strip()
        ]
        used = jinja2.meta.find_undeclared_variables(_TEXT.parse(text))
    except jinja2.TemplateError as error:
        raise TemplateError(f"'{text}' is not a template: {error}") from error
    if {"block_begin", "comment_begin"} & {kind for kind, _ in tokens}:
        raise TemplateError(f"'{text}': only {{{{ expressions }}}} are possible here.")
    unknown = sorted(used - names)
    if unknown:
        raise TemplateError(
            f"'{text}' uses {', '.join(unknown)}. "
            f"Names here: {', '.join(sorted(names)) or 'none'}."
        )
    return tokens


def _short(text: str) -> str:
    """The beginning of a template: what it wants matters more than all of it."""
    return textwrap.shorten(text, width=100, placeholder=" …")


def _rendered(text: str, render: Callable[[], Any]) -> Any:
    try:
        value = render()
    except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise TemplateError(f"'{_short(text)}': {str(error).rstrip('.')}.") from error
    if isinstance(value, jinja2.Undefined):
        raise TemplateError(f"'{_short(text)}': the value is not there.")
    return value
