"""`kith profile`: everything that is known of one customer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(profile)


def profile(
    identifier_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="user_id, email, anonymous_id or profile_id.",
            show_default=False,
        ),
    ],
    value: Annotated[str, typer.Argument(help="The identifier.", show_default=False)],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Show everything known of one customer.

    That is identifiers, traits and audiences, as last published. For example: kith
    profile email ada@example.com
    """
    from profiles.lookup import find_profile
    from profiles.published import connect
    from profiles.settings import ProfilesSettings

    with connect(ProfilesSettings().published_dir) as connection:
        found = find_profile(connection, identifier_type, value)
        if found is None:
            types = connection.execute(
                "select distinct identifier_type from identity.profile_identifiers"
                " order by identifier_type"
            ).fetchall()
            known = ", ".join(kind for (kind,) in types) or "none yet"
            raise Problem(
                f"no profile has the {identifier_type} '{value}'. "
                f"Identifier types in use: {known}, and profile_id."
            )
    if as_json:
        print_json(asdict(found))
        return
    out.print(f"[bold]profile {found.profile_id}[/bold]")
    for title, rows in (
        ("identifiers", [(item.type, item.value) for item in found.identifiers]),
        ("traits", sorted(found.traits.items())),
        (
            "audiences",
            [(item.name, f"{item.entered_at:%F}") for item in found.audiences],
        ),
    ):
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        for name, content in rows or [("none", "")]:
            table.add_row(f"  {name}", str(content))
        out.print(table)
