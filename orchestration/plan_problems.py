"""What is wrong with the tracking plan, for `kith check`: file, line, found, allowed.

The mistakes themselves are found where the plan is read; here they get the line of the
yml that has to change. With the data at hand there are two more: a type that the data
never had, and a required property that nobody sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from collector.plan import Mistake, Plan, PlanError, PlannedEvent, Rule, read_plan
from orchestration.yml_lines import YmlLines
from profiles.published import connect

_SEEN = """
select type, event, property, cast(sum(event_count) as bigint), flatten(list(types))
from monitoring.schema_explorer
group by type, event, property
"""
_Key = tuple[str, str, str | None]


@dataclass(frozen=True)
class Seen:
    """How many events had a property, and of which JSON types it was."""

    events: int
    types: frozenset[str]


_NEVER = Seen(0, frozenset())


def plan_problems(manifest: Path, project_dir: Path) -> list[str]:
    """Every mistake in the plan that the manifest was made from."""
    try:
        _, mistakes = read_plan(manifest, project=project_dir / "dbt_project.yml")
    except PlanError as error:
        return [str(error)]
    return _located(mistakes, project_dir)


def data_problems(manifest: Path, project_dir: Path, published_dir: Path) -> list[str]:
    """What the plan asks for and no event of the last published build has."""
    plan, _ = read_plan(manifest)
    with connect(published_dir) as connection:
        try:
            rows = connection.execute(_SEEN).fetchall()
        except duckdb.CatalogException:
            return [
                "the last build has no monitoring.schema_explorer: run ./kith build"
            ]
    seen = {
        (type, event, path): Seen(events, frozenset(types))
        for type, event, path, events, types in rows
    }
    return _located(_unfulfilled(plan, seen), project_dir)


def _located(mistakes: Iterable[Mistake], project_dir: Path) -> list[str]:
    lines = YmlLines(project_dir)
    return [
        f"{project_dir.name}/{mistake.file}"
        f":{lines.find(mistake.file, mistake.model, mistake.place)}: "
        f"{_subject(mistake)}: {mistake.message}"
        for mistake in mistakes
    ]


def _subject(mistake: Mistake) -> str:
    """What the message is about, in the words of the yml."""
    keys = [key for key in mistake.place if key not in ("config", "meta", "columns")]
    return ".".join(keys) or f"model {mistake.model}"


def _unfulfilled(plan: Plan, seen: Mapping[_Key, Seen]) -> Iterator[Mistake]:
    for event in plan.events:
        all_events = seen.get((event.type, event.name, None), _NEVER).events
        for path, rule in event.properties.items():
            yield from _unfulfilled_rule(event, path, rule, seen, all_events)


def _unfulfilled_rule(
    event: PlannedEvent,
    path: str,
    rule: Rule,
    seen: Mapping[_Key, Seen],
    occasions: int,
) -> Iterator[Mistake]:
    """What is wrong at a path; `occasions` is how many events could have had it."""
    found = seen.get((event.type, event.name, path), _NEVER)
    place = event.place_of(path)
    if rule.required and occasions and not found.events:
        yield Mistake(
            file=event.file,
            place=place,
            model=event.model,
            message=f"'{path}' is required, but none of the {occasions:,} "
            f"'{event.name}' events that could have it does; "
            "let them send it, or take `required` away",
        )
    types = found.types - {"null"}
    if types and rule.types and not types & _json_types(rule):
        yield Mistake(
            file=event.file,
            place=place,
            model=event.model,
            message=f"'{path}' is to be {' or '.join(rule.types)}, but in all "
            f"{found.events:,} '{event.name}' events that have it, it is "
            f"{' or '.join(sorted(types))}",
        )
    for name, inner in rule.properties.items():
        yield from _unfulfilled_rule(event, f"{path}.{name}", inner, seen, found.events)
    if rule.items is not None:
        yield from _unfulfilled_rule(event, f"{path}[]", rule.items, seen, found.events)


def _json_types(rule: Rule) -> set[str]:
    """The types as the data shows them: there an integer is a number."""
    return {"number" if name == "integer" else name for name in rule.types}
