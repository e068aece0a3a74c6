"""Typed tracking functions for TypeScript, around a browser's client of Segment."""

from __future__ import annotations

import json

from collector.plan import Plan, Rule
from orchestration.plans.exchange import description_of
from orchestration.plans.functions import (
    Function,
    Shape,
    functions,
    one_line,
    pascal_case,
)

_TYPES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
    "array": "unknown[]",
}
_RESERVED = frozenset(
    [
        *(
            "break",
            "case",
            "catch",
            "class",
            "const",
            "continue",
            "debugger",
            "default",
        ),
        *("delete", "do", "else", "enum", "export", "extends", "false", "finally"),
        *("for", "function", "if", "import", "in", "instanceof", "new", "null"),
        *("return", "super", "switch", "this", "throw", "true", "try", "typeof", "var"),
        *("void", "while", "with", "yield", "let", "static", "await", "package"),
        *("implements", "interface", "private", "protected", "public", "arguments"),
        *("eval", "versioned"),
    ]
)
_HEAD = """\
// Tracking functions for the events of the tracking plan.
// Written by `kith plan types`; do not edit. Give them a client such as the one of
// @segment/analytics-next:
//
//   orderCompleted(analytics, { order_id: "o-1" });

export interface TrackingOptions {
  context?: Record<string, unknown>;
  [option: string]: unknown;
}

/** What sends: Segment's client of browsers, or one that is called like it. */
export interface TrackingClient {
  track(event: string, properties?: object, options?: object): unknown;
  identify(userId?: any, traits?: any, options?: object): unknown;
  group(groupId?: any, traits?: any, options?: object): unknown;
  page(category?: any, name?: any, properties?: any, options?: object): unknown;
  screen?(category?: any, name?: any, properties?: any, options?: object): unknown;
}

/** The options of an event that says which version of the plan it keeps. */
function versioned(
  options: TrackingOptions | undefined,
  event_version: number,
): TrackingOptions {
  const context = options?.context ?? {};
  const given = context.protocols as object | undefined;
  const protocols = { ...given, event_version };
  return { ...options, context: { ...context, protocols } };
}
"""


def typescript_types(plan: Plan) -> str:
    """The text of the module."""
    parts = [_HEAD]
    for shapes, function in functions(plan, _write):
        parts += [_interface(shape) for shape in shapes]
        parts.append(_function(function))
    return "\n".join(parts)


def _write(rule: Rule, inner: str | None) -> str:
    if rule.enum is not None and all(
        not isinstance(v, (dict, list)) for v in rule.enum
    ):
        return " | ".join(json.dumps(value) for value in rule.enum)
    types = []
    for type in rule.types:
        if type == "array" and rule.items is not None:
            types.append(f"Array<{inner}>")
        elif type == "object" and rule.properties and rule.items is None:
            types.append(str(inner))
        elif type == "string" and rule.format == "date-time":
            types.append("string | Date")
        else:
            types.append(_TYPES[type])
    return " | ".join(dict.fromkeys(types)) or "unknown"


def _interface(shape: Shape) -> str:
    # A type, not an interface: an interface is no Record, which clients ask for.
    lines = [f"export type {shape.name} = {{"]
    for field in shape.fields:
        if field.description:
            lines.append(f"  /** {_comment(field.description)} */")
        mark = "" if field.required else "?"
        lines.append(f"  {json.dumps(field.name)}{mark}: {field.type};")
    return "\n".join([*lines, "};\n"])


def _function(function: Function) -> str:
    event, payload = function.event, function.event.payload
    options = "options"
    if function.version is not None:
        options = f"versioned(options, {function.version})"
    mark = "" if function.needs_payload else "?"
    given = f"{payload}{mark}: {function.shape.name}"
    after = ["options?: TrackingOptions"]
    if event.type == "track":
        arguments = [given, *after]
        sent = f"track({json.dumps(event.name)}, {payload}, {options})"
    elif event.type in ("identify", "group"):
        key = "userId" if event.type == "identify" else "groupId"
        arguments = [f"{key}: string", given, *after]
        sent = f"{event.type}({key}, {payload}, {options})"
    else:
        names = "names: { category?: string; name?: string }"
        arguments = [names, given, *after]
        call = f"{event.type}{'?.' if event.type == 'screen' else ''}"
        sent = f"{call}(names.category, names.name, {payload}, {options})"
    lines = [
        f"/** {_comment(one_line(description_of(event)) or event.name)} */",
        f"export function {_name(function.name)}(",
        *(f"  {argument}," for argument in ("analytics: TrackingClient", *arguments)),
        "): unknown {",
        f"  return analytics.{sent};",
        "}\n",
    ]
    return "\n".join(lines)


def _comment(text: str) -> str:
    return text.replace("*/", "* /")


def _name(name: str) -> str:
    pascal = pascal_case(name)
    camel = pascal[:1].lower() + pascal[1:]
    return f"{camel}_" if camel in _RESERVED else camel
