"""`kith new`: writes the files that an event, trait, audience and so on begin with."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer
import yaml

from orchestration.cli.output import out
from orchestration.cli.problems import Problem
from orchestration.conditions.docs_blocks import add_missing

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SYNC_NAME = re.compile(rf"({_NAME.pattern})__({_NAME.pattern})")


class Kind(StrEnum):
    """What can be made."""

    EVENT = "event"
    TRAIT = "trait"
    AUDIENCE = "audience"
    SYNC = "sync"
    ENTITY = "entity"
    LOOKUP = "lookup"
    DESTINATION = "destination"


@dataclass(frozen=True)
class Plan:
    """The models to write: the path without ending by the name of the template, and
    what the templates ask for."""

    models: dict[str, Path]
    values: dict[str, str]
    next_step: str
    is_compiled: bool = False
    """Whether the SQL is compiled from the yml, which alone is written then."""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(new)


def new(
    kind: Annotated[Kind, typer.Argument(help="What to make.", show_default=False)],
    name: Annotated[
        str,
        typer.Argument(
            help="snake_case; a sync is <destination>__<name>, a lookup has the name "
            "of the event's model.",
            show_default=False,
        ),
    ],
) -> None:
    """Start a new event, lookup, trait, audience, sync, entity or destination.

    For example: kith new event video_played, kith new sync crm__video_fans
    """
    from orchestration.project import ROOT

    for line in create(kind, name, root=ROOT):
        out.print(line)


def create(kind: Kind, name: str, *, root: Path) -> list[str]:
    """Write the files below `root`; returns what to tell the user.

    Raises `Problem` for a name that is malformed or taken; then nothing is written.
    """
    if kind is Kind.DESTINATION:
        return _create_account(name, root)
    if kind is Kind.AUDIENCE:
        return _create_audience(name, root)
    plan = _plan(kind, name, root)
    written = {
        model.with_suffix(ending): TEMPLATES / f"{template}{ending}"
        for template, model in plan.models.items()
        for ending in ((".yml",) if plan.is_compiled else (".sql", ".yml"))
    }
    for path in written:
        if path.exists():
            raise Problem(f"{path.relative_to(root)} exists already; edit it instead.")
    for path, template in written.items():
        text = Template(template.read_text("utf-8")).substitute(plan.values)
        path.write_text(text, encoding="utf-8")
    if plan.is_compiled:
        for path in written:
            add_missing(path.parent)
    return [*(f"wrote {path.relative_to(root)}" for path in written), plan.next_step]


def _plan(kind: Kind, name: str, root: Path) -> Plan:
    models = root / "dbt_project" / "models"
    if kind is Kind.SYNC:
        return _plan_sync(name, root)
    if not _NAME.fullmatch(name):
        raise Problem(f"'{name}' is not snake_case: lower-case words joined by `_`.")
    values = {"name": name}
    if kind is Kind.EVENT:
        title = name.replace("_", " ").title()
        step = f"It plans the event '{title}'; change meta.event if it is called else."
        model = {"event": models / "events" / name}
        return Plan(model, values | {"title": title}, step)
    if kind is Kind.LOOKUP:
        return _plan_lookup(name, models / "events")
    if kind is Kind.TRAIT:
        return _plan_trait(name, models)
    return _plan_entity(name, models / "entities")


def _plan_trait(name: str, models: Path) -> Plan:
    """The definition of a trait of some event there is; its SQL is compiled from it."""
    step = (
        f"Say what its traits are, then run: ./kith trait compile traits_{name}\n"
        "and join it in models/profiles/profiles.sql to publish them."
    )
    events = _planned_events(models / "events")
    values = {"name": name, "event": min(events, default="an_event")}
    model = {"trait": models / "traits" / f"traits_{name}"}
    return Plan(model, values, step, is_compiled=True)


def _plan_lookup(event: str, folder: Path) -> Plan:
    """What is known of a thing that the event names: by its first id, if any."""
    events = _planned_events(folder)
    if event not in events:
        raise Problem(
            f"no model in models/events plans an event and is called '{event}'. "
            f"Events: {', '.join(sorted(events))}."
        )
    named = [
        column["name"]
        for column in events[event].get("columns", ())
        if "property" in column.get("config", {}).get("meta", {})
    ]
    if not named:
        raise Problem(f"{event} has no property to look anything up by.")
    key = next((name for name in named if name.endswith("_id")), named[0])
    thing = key.removesuffix("_id")
    title = events[event]["config"]["meta"]["event"]
    step = (
        f"Say which table knows the {thing}, by which key, and what to add,\n"
        "then run: ./kith lookup compile"
    )
    values = {"event": event, "title": title, "property": key, "thing": thing}
    model = {"lookup": folder / f"{event}_enriched"}
    return Plan(model, values, step, is_compiled=True)


def _planned_events(folder: Path) -> dict[str, dict[str, Any]]:
    """The models that plan an event, as their ymls describe them, by name."""
    models = (
        model
        for path in folder.glob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    )
    return {
        model["name"]: model
        for model in models
        if "event" in model.get("config", {}).get("meta", {})
    }


def _plan_entity(name: str, folder: Path) -> Plan:
    """What connects people, what it connects them to, and who belongs to what."""
    step = (
        f"Say in int_{name}_edges.sql what its members have in common, "
        f"then run: ./kith build --select int_{name}_edges+"
    )
    models = {
        "entity_edges": folder / f"int_{name}_edges",
        "entity_clusters": folder / f"int_{name}_clusters",
        "entity_profiles": folder / f"{name}_profiles",
    }
    return Plan(models, {"name": name}, step)


def _plan_sync(name: str, root: Path) -> Plan:
    match = _SYNC_NAME.fullmatch(name)
    if match is None:
        raise Problem(
            f"'{name}' is not a sync's name: <destination>__<name>, in snake_case."
        )
    destination = match.group(1)
    accounts = _accounts(root)
    if destination not in accounts:
        raise Problem(
            f"activations/destinations.yml has no account '{destination}'. "
            f"Accounts: {', '.join(sorted(accounts))}."
        )
    actions = _actions(str(accounts[destination].get("manifest")))
    values = {"name": name, "destination": destination, "action": actions[0]}
    step = f"Shape its payload, then run: ./kith build --select {name}+"
    model = root / "dbt_project" / "models" / "syncs" / name
    return Plan({"sync": model}, values, f"{step}\nand look at: ./kith plan {name}")


def _create_audience(name: str, root: Path) -> list[str]:
    """Write a definition to begin with, and the model that it gives."""
    from orchestration.audiences.compiling import compile_first
    from orchestration.audiences.definitions import FOLDER

    if not _NAME.fullmatch(name):
        raise Problem(f"'{name}' is not snake_case: lower-case words joined by `_`.")
    project = root / "dbt_project"
    for ending in (".yml", ".sql"):
        path = project / FOLDER / f"{name}{ending}"
        if path.exists():
            raise Problem(f"{path.relative_to(root)} exists already; edit it instead.")
    file = project / FOLDER / f"{name}.yml"
    template = Template((TEMPLATES / "audience.yml").read_text("utf-8"))
    values = {"name": name, "owner": getpass.getuser()}
    file.write_text(template.substitute(values), encoding="utf-8")
    model = compile_first(name, project)
    return [
        *(f"wrote {path.relative_to(root)}" for path in (file, model)),
        f"Write its definition in {file.relative_to(root)}, look at it with "
        f"./kith audience preview {file.relative_to(root)},",
        f"then run: ./kith audience compile {name} && ./kith build --select {name}",
    ]


def _create_account(name: str, root: Path) -> list[str]:
    """Append an account to `destinations.yml`, of the manifest of that name if any."""
    from activations.manifest import load_catalog

    if not _NAME.fullmatch(name):
        raise Problem(f"'{name}' is not snake_case: lower-case words joined by `_`.")
    if name in _accounts(root):
        raise Problem(f"activations/destinations.yml has an account '{name}' already.")
    catalog = load_catalog()
    kind = name if name in catalog else "webhook"
    lines = [f"\n{name}:", f"  manifest: {kind}", "  settings:"]
    variables = []
    for setting, definition in catalog[kind].settings.items():
        if definition.is_required:
            variable = f"{name}_{setting}".upper()
            variables.append(variable)
            lines.append(f"    {setting}: \"{{{{ env_var('{variable}') }}}}\"")
    file = root / "activations" / "destinations.yml"
    text = file.read_text("utf-8").rstrip("\n") + "\n" + "\n".join(lines) + "\n"
    file.write_text(text, encoding="utf-8")
    return [
        f"added {name} ({catalog[kind].name}) to activations/destinations.yml",
        f"Set {', '.join(variables)} in the environment or in .env, "
        "then run: ./kith check",
    ]


def _accounts(root: Path) -> dict[str, dict[str, object]]:
    file = root / "activations" / "destinations.yml"
    document = yaml.safe_load(file.read_text("utf-8"))
    return document if isinstance(document, dict) else {}


def _actions(manifest: str) -> list[str]:
    """The names of a manifest's actions, the usual one first."""
    from activations.manifest import load_catalog

    catalog = load_catalog()
    if manifest not in catalog:
        raise Problem(
            f"there is no manifest '{manifest}'. Manifests: {', '.join(catalog)}."
        )
    return list(catalog[manifest].actions)
