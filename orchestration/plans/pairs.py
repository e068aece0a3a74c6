"""The sql and the yml of an event model, from what its event is planned to be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from collector.plan import Plan, PlannedEvent
from orchestration.plans.names import ENVELOPE
from orchestration.plans.words import planted

GRAIN = "One row per event."
"""How the description of an event model ends."""

_DOCUMENTED = "'{{ doc(\"%s\") }}'"


@dataclass(frozen=True)
class Pair:
    """The two files of a model."""

    model: str
    sql: str
    yml: str


def pair(event: PlannedEvent, *, has_versions: bool = False) -> Pair:
    """The pair that plans the event, which may be one version of several."""
    return Pair(event.model, _sql(event, has_versions), _yml(event))


def pairs(events: Iterable[PlannedEvent], plan: Plan) -> list[Pair]:
    """The pairs of events that are to join the plan."""
    events = list(events)
    known = {(one.type, one.name, one.version) for one in (*plan.events, *events)}
    versions = Counter((type, name) for type, name, _ in known)
    return [
        pair(event, has_versions=versions[event.type, event.name] > 1)
        for event in events
    ]


def without_version(
    events: Iterable[PlannedEvent], plan: Plan, *, project_dir: Path
) -> list[str]:
    """Models that would also take the events of a version that is to join the plan."""
    added = {(one.type, one.name): one.version for one in events}
    told = []
    for known in plan.events:
        version = added.get((known.type, known.name), known.version)
        sql = (project_dir / known.file).with_suffix(".sql")
        if version != known.version and "event_version" not in sql.read_text("utf-8"):
            told.append(
                f"{known.file.removesuffix('.yml')}.sql would take the events of "
                f"version {version} too; add `and event_version = {known.version}`"
            )
    return told


def with_grain(description: str) -> str:
    """The description as an event model has it."""
    if description.endswith(GRAIN):
        return description
    return f"{description} {GRAIN}".strip()


def without_grain(description: str) -> str:
    """What a description says of the event itself."""
    return description.removesuffix(GRAIN).strip()


def _sql(event: PlannedEvent, has_versions: bool) -> str:
    macro = "trait" if event.payload == "traits" else "property"
    columns = ["{{ event_columns() }}"]
    for path, rule, _ in planted(event)[0]:
        wanted = "" if rule.data_type == "varchar" else f", '{rule.data_type}'"
        columns.append(f"{{{{ {macro}('{path}'{wanted}) }}}} as {event.columns[path]}")
    where = f"type = {_literal(event.type)}"
    if event.type == "track":
        where = f"event = {_literal(event.name)}"
    if has_versions:
        where += f" and event_version = {event.version}"
    listed = ",\n    ".join(columns)
    return f"select\n    {listed}\nfrom {{{{ ref('events') }}}}\nwhere {where}\n"


def _literal(text: str) -> str:
    return _escaped("'" + text.replace("'", "''") + "'")


def _yml(event: PlannedEvent) -> str:
    columns, further = planted(event)
    lines = ["models:", f"  - name: {event.model}"]
    lines.append(f"    description: {flow(with_grain(event.description))}")
    lines.append("    config:")
    lines.append("      contract: {enforced: true}")
    lines += _meta(event, further)
    lines.append("    columns:")
    for name in ENVELOPE:
        kind = "timestamptz" if name in ("timestamp", "received_at") else "varchar"
        text = _DOCUMENTED % name
        lines.append(
            f"      - {{name: {name}, data_type: {kind}, description: {text}}}"
        )
    for path, rule, words in columns:
        lines.append(f"      - name: {event.columns[path]}")
        lines.append(f"        data_type: {rule.data_type}")
        if rule.description:
            lines.append(f"        description: {flow(rule.description)}")
        meta = {"property": path, **words}
        lines.append(f"        config: {{meta: {flow(meta)}}}")
    lines.append("    data_tests:")
    key = "[source_id, message_id]"
    lines.append(f"      - unique_key: {{arguments: {{columns: {key}}}}}")
    return "\n".join(lines) + "\n"


def _meta(event: PlannedEvent, further: dict[str, dict[str, Any]]) -> list[str]:
    meta: dict[str, Any] = {"event": event.name}
    if event.type != "track":
        meta["type"] = event.type
    if event.version != 1:
        meta["version"] = event.version
    if event.owner:
        meta["owner"] = event.owner
    if event.enforcement:
        meta["enforcement"] = dict(event.enforcement)
    if event.renames:
        meta["renames"] = dict(event.renames)
    if event.aliases:
        meta["event_aliases"] = list(event.aliases)
    if not further:
        return [f"      meta: {flow(meta)}"]
    lines = ["      meta:"]
    lines += [f"        {flow(word)}: {flow(value)}" for word, value in meta.items()]
    lines.append("        properties:")
    lines += [f"          {flow(path)}: {flow(w)}" for path, w in further.items()]
    return lines


def flow(value: Any) -> str:
    """The value as YAML on one line, safe from dbt's own templates."""
    text = yaml.safe_dump(
        _safe(value),
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=2**31,
    )
    text = text.removesuffix("\n").removesuffix("\n...")
    return json.dumps(_safe(value), ensure_ascii=False) if "\n" in text else text


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, dict):
        return {_safe(key): _safe(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_safe(inner) for inner in value]
    return value


def _escaped(text: str) -> str:
    """The text as dbt's templates give it back."""
    for start in ("{{", "{%", "{#"):
        if start in text:
            return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"
    return text
