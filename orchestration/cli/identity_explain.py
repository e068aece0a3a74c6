"""`kith identity explain`: why two identifiers are one profile, or are not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.identity.explain import Explanation
    from orchestration.identity.links import Link


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(explain)


def explain(
    left: Annotated[
        str,
        typer.Argument(
            metavar="A", help="An identifier as type:value.", show_default=False
        ),
    ],
    right: Annotated[
        str, typer.Argument(metavar="B", help="The other one.", show_default=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object.")
    ] = False,
) -> None:
    """Show the shortest way between two identifiers, as last published.

    Each step is the event that first showed two identifiers together, or a rule. If
    the two belong to different profiles, the steps that were refused say why.
    """
    import duckdb

    from orchestration.identity.explain import explain as find
    from orchestration.identity.identifiers import parse_pair
    from profiles.published import connect
    from profiles.settings import ProfilesSettings

    pair = parse_pair(left, right)
    with connect(ProfilesSettings().published_dir) as connection:
        try:
            found = find(connection, *pair)
        except (duckdb.CatalogException, duckdb.BinderException):
            raise Problem(
                "the published database is of another version of Kith. "
                "Run `./kith build`."
            ) from None
    if as_json:
        print_json(asdict(found) | {"is_one_profile": found.is_one_profile})
    else:
        _show(found)


def _show(found: Explanation) -> None:
    from orchestration.identity.explain import MOST_REFUSED

    if found.is_one_profile:
        out.print(
            f"{found.left} and {found.right} are one profile, {found.profile_id}",
            markup=False,
        )
    else:
        out.print(
            f"{found.left} is the profile {found.profile_id}, "
            f"{found.right} the profile {found.other_profile_id}",
            markup=False,
        )
    if found.split is not None:
        out.print(f"a rule keeps them apart ({found.split})", markup=False)
    if not found.links:
        out.print(
            f"no way of events and rules leads from one to the other, not even over "
            f"{MOST_REFUSED} links that were refused"
        )
        return
    out.print(f"  {found.left}", markup=False)
    for link in found.links:
        out.print(f"    {_described(link)}", markup=False)
        out.print(f"  {link.right}", markup=False)


def _described(link: Link) -> str:
    if link.rule_id is not None:
        return f"joined by {link.created_by}: {link.reason} (rule {link.rule_id})"
    seen = (
        f"{link.event or 'row'} from {link.source_id}, message {link.message_id}, "
        f"received {link.received_at:%F %T}"
    )
    return seen if link.refused is None else f"{seen}: does not count, {link.refused}"
