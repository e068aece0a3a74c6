"""`kith identity preview`: what other rules about identities would do."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import err, out, print_json

if TYPE_CHECKING:
    from orchestration.dbt_runs import NodeResult
    from orchestration.identity.comparison import Regrouped
    from orchestration.identity.preview import Preview, SyncRows
    from orchestration.identity.rules import Action

SHOWN = 5
"""Profiles named as examples, and identifiers of each."""

Pair = tuple[str, str]


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(preview)


def preview(
    split: Annotated[
        Pair | None,
        typer.Option(
            metavar="A B", help="As if these two were split.", show_default=False
        ),
    ] = None,
    join: Annotated[
        Pair | None,
        typer.Option(
            metavar="A B", help="As if these two were joined.", show_default=False
        ),
    ] = None,
    withdraw: Annotated[
        Pair | None,
        typer.Option(
            metavar="A B",
            help="As if the rule about these two were withdrawn.",
            show_default=False,
        ),
    ] = None,
    block: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TYPE:VALUE",
            help="As if this value were blocked.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Show what changed rules would do to profiles, audiences and syncs.

    Builds a copy of the published database by the project as it stands here: an edited
    dbt_project.yml, and the rules that were decided since the last build. Nothing else
    is written. For example: kith identity preview --split email:a@b.example user_id:u7
    """
    from collector.settings import CollectorSettings
    from orchestration.identity.identifiers import parse_identifier, parse_pair
    from orchestration.identity.preview import preview as make
    from orchestration.identity.rules import new_rule
    from orchestration.project import data_dir

    asked: dict[Action, Pair | None] = {
        "exclude": split,
        "include": join,
        "withdraw": withdraw,
    }
    rules = [
        new_rule(action, *parse_pair(*pair), reason="preview", by=getpass.getuser())
        for action, pair in asked.items()
        if pair is not None
    ]
    blocked = [parse_identifier(text) for text in block or ()]
    with err.status("copying the published database") as status:

        def on_node(node: NodeResult) -> None:
            status.update(f"building by the previewed rules: {node.name}")

        made = make(
            data_dir(),
            CollectorSettings().raw_place(),
            rules=rules,
            blocked=blocked,
            on_node=on_node,
        )
    if as_json:
        document = asdict(made)
        print_json(document.pop("comparison") | document)
    else:
        show(made)


def show(made: Preview) -> None:
    """Print what differs, a line for each thing that a person would look at."""
    found = made.comparison
    lines = [
        f"profiles     {found.profiles_before} -> {found.profiles_after}",
        f"identifiers  {found.identifiers_before} -> {found.identifiers_after}",
        f"events that change their profile: {found.moved_events}",
        *_regrouped("split", found.split),
        *_regrouped("made of several", found.merged),
        f"profile ids that are new: {_some(found.created)}",
        f"profile ids that are gone: {_some(found.gone)}",
    ]
    for name, members in found.audiences.items():
        lines.append(
            f"audience {name}: {members.before} -> {members.after} members; "
            f"{len(members.entered)} enter, {len(members.exited)} exit"
        )
    lines += [_sync(name, rows) for name, rows in made.syncs.items()]
    if made.syncs_problem is not None:
        lines.append(f"syncs were not counted: {made.syncs_problem}")
    for line in lines:
        out.print(line, markup=False)


def _regrouped(what: str, found: list[Regrouped]) -> Iterator[str]:
    yield f"profiles that are {what}: {len(found)}"
    for one in found[:SHOWN]:
        parts = "; ".join(
            f"{profile_id} ({_some(identifiers)})"
            for profile_id, identifiers in one.parts.items()
        )
        yield f"  {one.profile_id}: {parts}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more


def _sync(name: str, rows: SyncRows) -> str:
    if rows.now is None or rows.then is None:
        return f"sync {name}: not counted: {rows.problem}"
    return f"sync {name}: would send {_counts(rows.then)}; now {_counts(rows.now)}"


def _counts(rows: dict[str, int]) -> str:
    told = [f"{number} {operation}" for operation, number in rows.items() if number]
    return ", ".join(told) or "nothing"
