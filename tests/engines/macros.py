"""The project's macros outside a dbt run: what one gives on either engine.

A macro is an expression, and dbt takes seconds to parse a project; so here dbt's own
rendering of macros is fed from their files.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from dbt_common.clients.jinja import CallableMacroGenerator, get_environment
from dbt_common.exceptions import MacroReturn
from jinja2 import nodes

MACROS = Path(__file__).parents[2] / "dbt_project" / "macros"

Macro = Callable[..., Any]


@dataclass
class _Source:
    name: str
    macro_sql: str


def macros(engine: str) -> dict[str, Macro]:
    """All of `dbt_project/macros` by name, in their form for the engine."""
    context: dict[str, Any] = {
        "return": _return,
        "tojson": json.dumps,
        "dbt": SimpleNamespace(type_string=lambda: "string"),
        "adapter": SimpleNamespace(dispatch=lambda name: _form(context, name, engine)),
    }
    environment = get_environment(None, capture_macros=True)
    for file in sorted(MACROS.rglob("*.sql")):
        text = file.read_text()
        for node in environment.parse(text).find_all(nodes.Macro):
            source = _Source(node.name.removeprefix("dbt_macro__"), text)
            context[source.name] = partial(_render, source, context)
    return context


def _form(context: dict[str, Any], name: str, engine: str) -> Macro:
    form: Macro | None = context.get(f"{engine}__{name}")
    return form or context[f"default__{name}"]


def _render(source: _Source, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    return CallableMacroGenerator(source, context)(*args, **kwargs)


def _return(value: Any) -> NoReturn:
    raise MacroReturn(value)
