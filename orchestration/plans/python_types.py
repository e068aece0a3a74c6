"""Typed tracking functions for Python, around a client of Segment or RudderStack."""

from __future__ import annotations

import keyword

from collector.plan import Plan, PlannedEvent, Rule
from orchestration.plans.exchange import description_of
from orchestration.plans.functions import Function, Shape, functions, one_line

_TYPES = {
    "string": "str",
    "number": "float",
    "integer": "int",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
    "array": "list[Any]",
}
_HEAD = '''\
"""Tracking functions for the events of the tracking plan.

Written by `kith plan types`; do not edit. Give them a client such as
`segment.analytics.Client`:

    order_completed(client, {"order_id": "o-1"}, user_id="u-1")
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NotRequired, Protocol, TypedDict

__all__: list[str] = [%s]


class TrackingClient(Protocol):
    """What sends: Segment's client, or one that is called like it."""

    track: Any
    identify: Any
    group: Any
    page: Any
    screen: Any


def _context(context: Mapping[str, Any] | None, version: int) -> dict[str, Any]:
    """The context of an event that says which version of the plan it keeps."""
    given = dict(context or {})
    protocols = {**given.get("protocols", {}), "event_version": version}
    return {**given, "protocols": protocols}
'''
_WHO = """\
    user_id: str | None = None,
    anonymous_id: str | None = None,
    context: Mapping[str, Any] | None = None,
    timestamp: datetime | None = None,
"""


def python_types(plan: Plan) -> str:
    """The text of the module."""
    parts = []
    names = []
    for shapes, function in functions(plan, _write):
        parts += [_typed_dict(shape) for shape in shapes]
        parts.append(_function(function))
        names += [shapes[-1].name, _name(function.name)]
    exported = ", ".join(f'"{name}"' for name in sorted(names))
    return "\n\n".join([_HEAD % exported, *parts])


def _write(rule: Rule, inner: str | None) -> str:
    if rule.enum is not None and all(_is_literal(value) for value in rule.enum):
        return f"Literal[{', '.join(map(repr, rule.enum))}]"
    types = []
    for type in rule.types:
        if type == "array" and rule.items is not None:
            types.append(f"list[{inner}]")
        elif type == "object" and rule.properties and rule.items is None:
            types.append(str(inner))
        elif type == "string" and rule.format == "date-time":
            types.append("str | datetime")
        else:
            types.append(_TYPES[type])
    return " | ".join(dict.fromkeys(types)) or "Any"


def _is_literal(value: object) -> bool:
    return value is None or isinstance(value, (str, bool, int))


def _typed_dict(shape: Shape) -> str:
    lines = [f"{shape.name} = TypedDict(", f'    "{shape.name}",', "    {"]
    for field in shape.fields:
        if field.description:
            lines.append(f"        # {field.description}")
        type = field.type if field.required else f"NotRequired[{field.type}]"
        lines.append(f"        {field.name!r}: {type},")
    return "\n".join([*lines, "    },", ")\n"])


def _function(function: Function) -> str:
    event, payload = function.event, function.event.payload
    type = function.shape.name
    given = f"{payload}: {type}"
    if not function.needs_payload:
        given += " | None = None"
    first, more = _own_arguments(event)
    text = one_line(description_of(event)) or f"Send {event.name}."
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    context = "dict(context or {})"
    if function.version is not None:
        context = f"_context(context, {function.version})"
    lines = [
        f"def {_name(function.name)}(",
        "    client: TrackingClient,",
        *(f"    {name}: str," for name in first),
        f"    {given},",
        "    *,",
        *(f"    {name}: str | None = None," for name in more),
        f"{_WHO.rstrip()}",
        ") -> None:",
        f'    """{quoted}"""',
        f"    client.{event.type}(",
    ]
    if event.type == "track":
        lines.append(f"        event={event.name!r},")
    lines += [f"        {name}={name}," for name in (*first, *more)]
    sent = f"dict({payload})" if function.needs_payload else f"dict({payload} or {{}})"
    lines += [
        f"        {payload}={sent},",
        "        user_id=user_id,",
        "        anonymous_id=anonymous_id,",
        f"        context={context},",
        "        timestamp=timestamp,",
        "    )\n",
    ]
    return "\n".join(lines)


def _own_arguments(event: PlannedEvent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What this kind of call takes besides: what it must have, and what it may."""
    if event.type == "group":
        return ("group_id",), ()
    return (), ("name", "category") if event.type in ("page", "screen") else ()


def _name(name: str) -> str:
    return f"{name}_" if keyword.iskeyword(name) else name
