"""`kith identity`: rules about who is who, why two are one, and what rules would do."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli import identity_explain, identity_preview
from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from orchestration.identity.identifiers import Identifier
    from orchestration.identity.rules import Action, Rule

Left = Annotated[
    str,
    typer.Argument(
        metavar="A", help="An identifier as type:value.", show_default=False
    ),
]
Right = Annotated[
    str, typer.Argument(metavar="B", help="The other one.", show_default=False)
]
Reason = Annotated[str, typer.Option(help="Why.", show_default=False)]
By = Annotated[str | None, typer.Option(help="Who decides it; your login otherwise.")]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway", help="Also of identifiers that were never seen; it holds from then."
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        help="Who is who: rules by people, reasons, and a preview of both.",
        no_args_is_help=True,
    )
    for command in (split, join, withdraw, rules):
        group.command()(command)
    identity_explain.register(group)
    identity_preview.register(group)
    app.add_typer(group, name="identity")


def split(
    left: Left,
    right: Right,
    reason: Reason,
    by: By = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Keep two identifiers apart for good, whatever events say.

    It is written down as a fact that every build follows, rebuilds from raw too, until
    it is withdrawn. For example: kith identity split email:ann@example.com user_id:u7
    --reason "the address of her office"
    """
    _decide("exclude", left, right, reason, by, anyway=anyway, as_json=as_json)


def join(
    left: Left,
    right: Right,
    reason: Reason,
    by: By = None,
    anyway: Anyway = False,
    as_json: AsJson = False,
) -> None:
    """Make two identifiers one person, whatever the limits say.

    Joined identifiers count as one toward every limit. It is written down as a fact
    that every build follows, until it is withdrawn.
    """
    _decide("include", left, right, reason, by, anyway=anyway, as_json=as_json)


def withdraw(
    left: Left, right: Right, reason: Reason, by: By = None, as_json: AsJson = False
) -> None:
    """End the rule about two identifiers: events alone decide again."""
    _decide("withdraw", left, right, reason, by, anyway=True, as_json=as_json)


def rules(
    everything: Annotated[
        bool, typer.Option("--all", help="Show what was replaced and withdrawn too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the rules in force, the oldest first."""
    from collector.settings import CollectorSettings
    from orchestration.identity.rules import as_row, in_force, read_rules

    decided = read_rules(CollectorSettings().raw_place())
    valid = in_force(decided)
    shown = decided if everything else valid
    ids = {rule.rule_id for rule in valid}
    if as_json:
        rows = [as_row(rule) | {"in_force": rule.rule_id in ids} for rule in shown]
        print_json({"count": len(rows), "rules": rows})
        return
    table = Table(box=None, pad_edge=False)
    for title in ("decided", "rule", "identifier", "other", "by", "reason", ""):
        table.add_column(title, overflow="fold")
    for rule in shown:
        table.add_row(
            f"{rule.created_at:%F %T}",
            _COMMAND[rule.action],
            *(escape(str(one)) for one in (rule.left, rule.right)),
            *(escape(one) for one in (rule.created_by, rule.reason)),
            "" if rule.rule_id in ids or rule.action == "withdraw" else "ended",
        )
    if shown:
        out.print(table)
    out.print(f"{len(valid)} in force")


_COMMAND: dict[Action, str] = {
    "exclude": "split",
    "include": "join",
    "withdraw": "withdraw",
}


def _decide(
    action: Action,
    left: str,
    right: str,
    reason: str,
    by: str | None,
    *,
    anyway: bool,
    as_json: bool,
) -> None:
    from collector.settings import CollectorSettings
    from orchestration.identity import rules
    from orchestration.identity.identifiers import parse_pair

    pair = parse_pair(left, right)
    if not reason.strip():
        raise Problem("--reason is empty: say why, for whoever reads it later")
    profiles = _profiles(pair, anyway=anyway)
    raw_dir = CollectorSettings().raw_place()
    decided = rules.read_rules(raw_dir)
    rule = rules.new_rule(action, *pair, reason=reason, by=by or getpass.getuser())
    rules.check_decision(decided, rule)
    former = {one.pair: one for one in rules.in_force(decided)}.get(rule.pair)
    is_new = former is None or former.action != action
    if is_new:
        rule = rules.following(decided, rule)
        rules.write_rule(raw_dir, rule)
    if as_json:
        document = rules.as_row(rule if is_new or former is None else former)
        replaced = former.rule_id if is_new and former is not None else None
        print_json(document | {"written": is_new, "replaces": replaced})
        return
    if former is not None:
        out.print(f"{'until now' if is_new else 'already'}: {former}", markup=False)
    if is_new:
        out.print(_consequence(rule, profiles), markup=False)


def _profiles(pair: tuple[Identifier, Identifier], *, anyway: bool) -> list[str | None]:
    """Whose the two are by the last build; who was never seen is a problem."""
    from orchestration.identity.identifiers import profile_of
    from profiles.published import PublishedDatabaseMissing, connect
    from profiles.settings import ProfilesSettings

    try:
        with connect(ProfilesSettings().published_dir) as connection:
            found = [profile_of(connection, identifier) for identifier in pair]
    except PublishedDatabaseMissing:
        if not anyway:
            raise
        return [None, None]
    unseen = [str(one) for one, owner in zip(pair, found, strict=True) if owner is None]
    if unseen and not anyway:
        raise Problem(
            f"no event that the last build knows shows {' or '.join(unseen)}. Mend the "
            "spelling, run `./kith build`, or add --anyway to decide it beforehand."
        )
    return found


def _consequence(rule: Rule, profiles: list[str | None]) -> str:
    one, other = profiles
    both = f"{rule.left} and {rule.right}"
    if rule.action == "withdraw":
        return f"The next `./kith build` decides about {both} by events alone."
    is_split = rule.action == "exclude"
    if one is None or other is None:
        verb = "keeps them apart" if is_split else "joins them"
        return f"{both}: written down; `./kith build` {verb} once both were seen."
    if is_split and one == other:
        return (
            f"{both} are one profile, {one}; the next `./kith build` takes it apart. "
            "`./kith identity preview` shows how."
        )
    if is_split:
        return f"{both} are the profiles {one} and {other}, and stay apart from now on."
    if one == other:
        return f"{both} are one profile, {one}, and stay one whatever the limits say."
    return (
        f"{both} are the profiles {one} and {other}; the next `./kith build` makes "
        "them one. `./kith identity preview` shows what follows."
    )
