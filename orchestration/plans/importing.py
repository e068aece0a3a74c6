"""From a plan that was made elsewhere to the files of the dbt project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from collector.plan import Plan, PlannedEvent, Rule
from orchestration.plans.json_schema import Left
from orchestration.plans.names import model_name, with_columns
from orchestration.plans.pairs import flow, pairs, with_grain, without_version
from orchestration.plans.words import rule_words
from orchestration.plans.writing import Change, change, changes


def files_for(
    imported: Plan,
    plan: Plan,
    left: Left,
    *,
    models: Iterable[str],
    project_dir: Path,
) -> list[Change]:
    """The files that make the project plan what was imported.

    An event that is planned just so already needs none, however its files look. What
    remains to be done by hand is noted in `left`.
    """
    events = list(_new_or_changed(imported, plan, set(models)))
    wanted = changes(pairs(events, plan), project_dir=project_dir)
    left += without_version(events, plan, project_dir=project_dir)
    if imported.common and imported.common != plan.common:
        file = project_dir / "models" / "events" / "events.yml"
        text = with_common(file.read_text("utf-8"), imported.common)
        wanted.append(change(file, text))
    return wanted


def _new_or_changed(
    imported: Plan, plan: Plan, taken: set[str]
) -> Iterator[PlannedEvent]:
    for event in imported.events:
        same = [
            one
            for one in plan.versions(event.type, event.name)
            if one.version == event.version
        ]
        if same:
            known = same[0]
            wanted = _with_known_columns(replace(event, model=known.model), known)
            if _meaning(wanted) != _meaning(known):
                yield wanted
            continue
        is_free = event.model and event.model not in taken
        model = event.model if is_free else model_name(event, taken)
        taken.add(model)
        yield with_columns(replace(event, model=model), {})


def _with_known_columns(event: PlannedEvent, known: PlannedEvent) -> PlannedEvent:
    """The event with the columns of the model that plans it, where it names none."""
    if event.columns:
        return event
    properties = {
        name: replace(rule, data_type=known.properties[name].data_type)
        if name in known.properties and _fits(rule, known.properties[name])
        else rule
        for name, rule in event.properties.items()
    }
    columns = {
        path: column for path, column in known.columns.items() if path in properties
    }
    event = replace(event, properties=properties)
    return with_columns(event, columns)


def _fits(rule: Rule, known: Rule) -> bool:
    return rule.types == known.types and rule.format == known.format


def _meaning(event: PlannedEvent) -> PlannedEvent:
    """The event without what a plan elsewhere does not hold."""
    return replace(event, file="", table="", description=with_grain(event.description))


def with_common(text: str, common: Mapping[str, Rule]) -> str:
    """The text of `events.yml` with these common rules; all else stays as it is."""
    model = _entry_of_events(yaml.compose(text))
    words = {path: rule_words(rule) for path, rule in sorted(common.items())}
    lines = text.splitlines(keepends=True)
    for key, value in model.value:
        if key.value == "config":
            config: dict[str, Any] = yaml.safe_load(yaml.serialize(value))
            config.setdefault("meta", {})["common"] = words
            first, last = key.start_mark.line, value.end_mark.line
            # The end of a block is the beginning of what follows it.
            end = last if value.end_mark.column <= key.start_mark.column else last + 1
            while not lines[end - 1].strip() or lines[end - 1].lstrip()[0] == "#":
                end -= 1
            return "".join([*lines[:first], *_config(config), *lines[end:]])
    after = model.value[0][1].end_mark.line + 1
    return "".join(
        [*lines[:after], *_config({"meta": {"common": words}}), *lines[after:]]
    )


def _config(config: Mapping[str, Any]) -> list[str]:
    lines = ["    config:\n"]
    for word, value in config.items():
        if word != "meta":
            lines.append(f"      {word}: {flow(value)}\n")
            continue
        lines.append("      meta:\n")
        for name, inner in value.items():
            if name != "common":
                lines.append(f"        {name}: {flow(inner)}\n")
                continue
            lines.append("        common:\n")
            lines += [f"          {path}: {flow(w)}\n" for path, w in inner.items()]
    return lines


def _entry_of_events(root: Any) -> Any:
    """The node of the model `events` in its yml."""
    models = next(value for key, value in root.value if key.value == "models")
    for model in models.value:
        names = [value.value for key, value in model.value if key.value == "name"]
        if names == ["events"]:
            return model
    raise LookupError("models/events/events.yml does not describe the model events")
