"""`kith destination`: the accounts, the tools there are, and whether they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from activations.destinations import Account

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Accounts; all without.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        help="Accounts, and the tools they are in.", no_args_is_help=True
    )
    group.command("list")(list_accounts)
    group.command("check")(check)
    group.command("tools")(tools)
    group.command("schema")(schema)
    app.add_typer(group, name="destination")


def list_accounts(as_json: AsJson = False) -> None:
    """List the accounts of destinations.yml, and what keeps each from being used."""
    accounts = list(_accounts().values())
    if as_json:
        print_json(
            {
                "accounts": [
                    {"name": a.name, "tool": a.tool, "unresolved": list(a.unresolved)}
                    for a in accounts
                ]
            }
        )
        return
    table = Table(box=None)
    for title in ("account", "tool", "state"):
        table.add_column(title)
    for account in accounts:
        state = " ".join(account.unresolved) or "ready"
        table.add_row(account.name, account.manifest.name, state)
    out.print(table)


def check(names: Names = None, as_json: AsJson = False) -> None:
    """Ask each tool whether the account's credential is accepted; nothing is changed.

    Exit code 1 when an account cannot be used.
    """
    from activations.checks import check_account
    from activations.errors import ActivationError

    accounts = _accounts()
    if unknown := set(names or ()) - accounts.keys():
        raise Problem(
            f"there is no account '{sorted(unknown)[0]}'. "
            f"Accounts: {', '.join(sorted(accounts)) or 'none'}."
        )
    results: dict[str, dict[str, str | None]] = {}
    for name in names or accounts:
        try:
            is_checked = check_account(accounts[name])
        except ActivationError as error:
            told = accounts[name].redact(str(error))
            results[name] = {"state": "failed", "reason": told}
            continue
        untold = "the tool has no request that only checks"
        results[name] = (
            {"state": "accepted", "reason": None}
            if is_checked
            else {"state": "not_checked", "reason": untold}
        )
    if as_json:
        print_json({"accounts": results})
    else:
        for account, result in results.items():
            to = err if result["state"] == "failed" else out
            reason = f" ({result['reason']})" if result["reason"] else ""
            state = str(result["state"]).replace("_", " ")
            to.print(f"{account}: {state}{reason}", markup=False)
    if any(result["state"] == "failed" for result in results.values()):
        raise typer.Exit(1)


def tools(
    name: Annotated[
        str | None, typer.Argument(metavar="TOOL", show_default=False)
    ] = None,
) -> None:
    """List the tools of the catalog, or what one wants to be told and can hold."""
    from activations.manifest import load_catalog

    catalog = load_catalog()
    if name is None:
        for tool, manifest in catalog.items():
            out.print(f"{tool}: {manifest.name} ({', '.join(manifest.actions)})")
        return
    if name not in catalog:
        raise Problem(f"there is no tool '{name}'. Tools: {', '.join(catalog)}.")
    manifest = catalog[name]
    out.print(f"{manifest.name}, {manifest.documentation}", markup=False)
    for setting, of in manifest.settings.items():
        need = "" if of.is_required else f" (default {of.default})"
        out.print(f"  setting {setting}: {of.description}{need}", markup=False)
    for action, does in manifest.actions.items():
        out.print(
            f"\n{action} ({', '.join(does.modes)}): {does.description}", markup=False
        )
        for option, of in does.options.items():
            need = "" if of.is_required else f" (default {of.default})"
            out.print(f"  option {option}: {of.description}{need}", markup=False)
        for column, field in does.fields.items():
            need = " (required)" if field.required else ""
            out.print(f"  column {column}: {field.description}{need}", markup=False)
        if does.other_fields:
            out.print(f"  other columns: {does.other_fields}", markup=False)


def schema() -> None:
    """Print the JSON Schema of manifests, as editors read it."""
    from activations.manifest import json_schema

    out.print(json.dumps(json_schema(), indent=2), markup=False)


def _accounts() -> dict[str, Account]:
    from activations.destinations import load_destinations
    from activations.manifest import Catalog
    from orchestration.project import destinations_file

    return load_destinations(destinations_file(), catalog=Catalog())
