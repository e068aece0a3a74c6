"""What is wrong in what is set for all audiences, traits and inputs, for `kith check`.

These are the vars `control_group`, `priority_lists`, `frequency_caps` and
`trait_history`, the `splits` of audiences, and the `freshness` of models. A build stops
at such a mistake too; here all of them are told, each with its line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from collector.strict_yaml import load
from orchestration.conditions.reading import (
    Mistakes,
    Place,
    check_keys,
    located,
    nearest,
    read_length,
)
from orchestration.yml_lines import YmlLines

_PROJECT = "dbt_project.yml"
_TYPES_OF_STRATA = frozenset(
    {
        *("varchar", "text", "string", "boolean"),
        *("tinyint", "smallint", "integer", "int", "bigint", "hugeint"),
    }
)
_CAP_KEYS = ("cap", "limit", "within_days", "syncs", "events")

Node = Mapping[str, Any]


def membership_problems(manifest: Path, project_dir: Path) -> list[str]:
    """Every mistake, of the project that the manifest was made from."""
    models: dict[str, Node] = {
        node["name"]: node
        for node in json.loads(manifest.read_bytes())["nodes"].values()
        if node["resource_type"] == "model"
    }
    problems = _problems_of_vars(models, project_dir)
    for name, node in models.items():
        mistakes = Mistakes()
        meta = node["config"].get("meta") or {}
        if "splits" in meta:
            _check_splits(node, meta["splits"], models, mistakes)
        if "freshness" in meta:
            _check_freshness(node, meta["freshness"], mistakes)
        file = str(node.get("patch_path") or node["original_file_path"])
        file = file.partition("://")[2] or file
        problems += located(mistakes, file=file, model=name, project_dir=project_dir)
    return problems


def _problems_of_vars(models: Mapping[str, Node], project_dir: Path) -> list[str]:
    try:
        variables = load((project_dir / _PROJECT).read_text("utf-8")).get("vars") or {}
    except (yaml.YAMLError, AttributeError) as error:
        return [f"{project_dir.name}/{_PROJECT}: {error}"]
    mistakes = Mistakes()
    _check_control_group(variables.get("control_group"), mistakes)
    _check_priority_lists(variables.get("priority_lists"), models, mistakes)
    _check_frequency_caps(variables.get("frequency_caps"), models, mistakes)
    _check_trait_history(variables.get("trait_history"), models, mistakes)
    lines = YmlLines(project_dir)
    return [
        f"{project_dir.name}/{_PROJECT}"
        f":{lines.find(_PROJECT, None, ('vars', *mistake.place))}: "
        f"{'.'.join(mistake.place)}: {mistake.message}"
        for mistake in mistakes.found
    ]


def _check_control_group(found: object, mistakes: Mistakes) -> None:
    place = ("control_group",)
    if found is None:
        return
    if not isinstance(found, dict):
        mistakes.add(place, f"'{found}' is no control group; write {{percent: 5}}")
        return
    check_keys(found, ("percent",), place, mistakes)
    percent = found.get("percent", 0)
    if not _is_number(percent) or not 0 <= percent <= 100:
        mistakes.add(
            (*place, "percent"), f"'{percent}' is no percentage; it is 0 to 100"
        )


def _check_priority_lists(
    found: object, models: Mapping[str, Node], mistakes: Mistakes
) -> None:
    audiences = [name for name, node in models.items() if _is_audience(node)]
    seen: dict[str, str] = {}
    if found is not None and not isinstance(found, dict):
        mistakes.add(
            ("priority_lists",), "write {list: [audience, …]}, the highest first"
        )
        return
    for name, members in (found or {}).items():
        place = ("priority_lists", str(name))
        if not isinstance(members, list):
            mistakes.add(place, "this is a list of audiences, the highest first")
            continue
        for number, audience in enumerate(members, start=1):
            at = (*place, str(number))
            if audience not in audiences:
                told = f"there is no audience '{audience}'"
                mistakes.add(at, f"{told}; {nearest(audience, audiences)}")
            elif audience in seen:
                told = f"'{audience}' stands in '{seen[audience]}' already"
                mistakes.add(at, f"{told}; an audience is in one list, once")
            else:
                seen[audience] = str(name)


def _check_frequency_caps(
    found: object, models: Mapping[str, Node], mistakes: Mistakes
) -> None:
    place: Place = ("frequency_caps",)
    if found is not None and not isinstance(found, list):
        mistakes.add(place, "this is a list of caps; [] for none")
        return
    names = []
    for number, cap in enumerate(found or [], start=1):
        at = (*place, str(number))
        if not isinstance(cap, dict):
            keys = ", ".join(_CAP_KEYS)
            mistakes.add(at, f"'{cap}' is no cap; its keys are {keys}")
            continue
        check_keys(cap, _CAP_KEYS, at, mistakes)
        name = cap.get("cap")
        if not isinstance(name, str) or not name or name in names:
            mistakes.add((*at, "cap"), "a cap has a name of its own")
        names.append(name)
        for key in ("limit", "within_days"):
            value = cap.get(key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                mistakes.add((*at, key), f"'{value}' is no whole number from 1 on")
        _check_contacts(cap, models, at, mistakes)


def _check_trait_history(
    found: object, models: Mapping[str, Node], mistakes: Mistakes
) -> None:
    place: Place = ("trait_history",)
    if found is not None and not isinstance(found, list):
        mistakes.add(place, "this is a list of columns of profiles; [] for none")
        return
    columns = _columns_of_profiles(models)
    for number, name in enumerate(found or [], start=1):
        at = (*place, str(number))
        if not isinstance(name, str):
            mistakes.add(at, f"'{name}' is no name of a column of profiles")
        elif columns and name not in columns:
            told = f"profiles has no column '{name}'"
            mistakes.add(at, f"{told}; {nearest(name, columns)}")


def _check_contacts(
    cap: Mapping[str, Any], models: Mapping[str, Node], at: Place, mistakes: Mistakes
) -> None:
    """The syncs and events whose contacts a cap counts."""
    syncs = {name: sync for name, node in models.items() if (sync := _sync(node))}
    events = [name for name, node in models.items() if _meta(node).get("event")]
    for place, name in _entries(cap, "syncs", at, mistakes):
        if name not in syncs:
            mistakes.add(place, f"there is no sync '{name}'; {nearest(name, syncs)}")
        elif syncs[name].get("mode") != "upsert":
            mistakes.add(
                place,
                f"'{name}' is a mirror: what a cap takes out of it would be deleted at "
                "its destination; caps are for syncs of mode upsert",
            )
        elif syncs[name].get("on_leave", "nothing") != "nothing":
            mistakes.add(
                place,
                f"'{name}' tells its destination what leaves (on_leave): it would tell "
                "it of everybody whom a cap takes out",
            )
    for place, name in _entries(cap, "events", at, mistakes):
        if name not in events:
            told = f"there is no event model '{name}'"
            mistakes.add(place, f"{told}; {nearest(name, events)}")


def _entries(
    cap: Mapping[str, Any], key: str, at: Place, mistakes: Mistakes
) -> Iterable[tuple[Place, Any]]:
    found = cap.get(key) or []
    if not isinstance(found, list):
        mistakes.add((*at, key), "this is a list of names")
        return
    for number, name in enumerate(found, start=1):
        yield (*at, key, str(number)), name


def _check_splits(
    node: Node, found: object, models: Mapping[str, Node], mistakes: Mistakes
) -> None:
    place = ("config", "meta", "splits")
    if not _is_audience(node):
        mistakes.add(place, "only an audience has splits")
        return
    groups = found.get("groups") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(groups, dict) or not groups:
        mistakes.add(place, "write {groups: {a: 45, b: 45, holdout: 10}, salt: …}")
        return
    check_keys(found, ("groups", "salt", "strata"), place, mistakes)
    if "strata" in found:
        _check_strata(found["strata"], models, (*place, "strata"), mistakes)
    wrong = [name for name, percent in groups.items() if not _is_number(percent)]
    for name in wrong:
        mistakes.add(
            (*place, "groups", str(name)), f"'{groups[name]}' is no percentage"
        )
    if not wrong and abs(sum(groups.values()) - 100) > 1e-6:
        mistakes.add(
            (*place, "groups"),
            f"the groups add up to {sum(groups.values()):g} percent; they are 100",
        )


def _check_strata(
    found: object, models: Mapping[str, Node], place: Place, mistakes: Mistakes
) -> None:
    if not isinstance(found, list) or not found:
        mistakes.add(place, "this is a list of columns of profiles, as [country]")
        return
    columns = _columns_of_profiles(models)
    for number, name in enumerate(found, start=1):
        at = (*place, str(number))
        if not isinstance(name, str):
            mistakes.add(at, f"'{name}' is no name of a column of profiles")
        elif columns and name not in columns:
            told = f"profiles has no column '{name}'"
            mistakes.add(at, f"{told}; {nearest(name, columns)}")
        elif name in found[: number - 1]:
            mistakes.add(at, f"'{name}' stands here already")
        elif _is_personal(columns.get(name, {})):
            mistakes.add(
                at,
                f"'{name}' is personal (pii), and a stratum is kept in "
                "audience_placements for good; compute a trait that tells less",
            )
        else:
            data_type = columns.get(name, {}).get("data_type")
            if data_type and data_type.lower() not in _TYPES_OF_STRATA:
                mistakes.add(
                    at,
                    f"'{name}' is {data_type}; strata are made of texts, booleans and "
                    "whole numbers, so compute a trait that tells the range it is in",
                )


def _is_personal(column: Mapping[str, Any]) -> bool:
    return "pii" in (column.get("config", {}).get("meta") or {})


def _check_freshness(node: Node, found: object, mistakes: Mistakes) -> None:
    place = ("config", "meta", "freshness")
    keys = ("as_of", "warn_after", "hold_after")
    if not isinstance(found, dict) or not isinstance(found.get("as_of"), str):
        mistakes.add(
            place, "write {as_of: a column, warn_after: 26 hours, hold_after: 2 days}"
        )
        return
    check_keys(found, keys, place, mistakes)
    for key in keys[1:]:
        if key in found:
            read_length(found[key], (*place, key), mistakes)
    columns = node.get("columns") or {}
    if columns and found["as_of"] not in columns:
        told = f"the model has no column '{found['as_of']}'"
        mistakes.add((*place, "as_of"), f"{told}; {nearest(found['as_of'], columns)}")


def _columns_of_profiles(models: Mapping[str, Node]) -> Mapping[str, Any]:
    columns: Mapping[str, Any] = models.get("profiles", {}).get("columns") or {}
    return columns


def _is_audience(node: Node) -> bool:
    return bool(node["config"].get("materialized") == "audience")


def _meta(node: Node) -> Mapping[str, Any]:
    return node["config"].get("meta") or {}


def _sync(node: Node) -> Mapping[str, Any] | None:
    sync = _meta(node).get("sync")
    return sync if isinstance(sync, dict) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
