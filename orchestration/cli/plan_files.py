"""How the commands that write event models say what they wrote, or would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli.output import err, out, print_json, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestration.plans.writing import Change

Force = Annotated[
    bool, typer.Option("--force", help="Write over files that say something else.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change; write nothing.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]


def finish(
    wanted: Sequence[Change],
    *,
    force: bool,
    dry_run: bool,
    as_json: bool,
    left: Sequence[str] = (),
) -> None:
    """Write the files and say so; exit code 1 when something was left undone.

    A file that is there and says something else is somebody's work, so it stays as it
    is unless forced. `left` is what remains for a person to do.
    """
    from orchestration.plans.writing import write

    if not dry_run:
        write(wanted, force=force)
    kept = [one for one in wanted if one.differs and not force]
    if as_json:
        print_json(_as_json(wanted, force=force, left=left))
    else:
        for one in wanted:
            _tell(one, force=force, dry_run=dry_run)
        for line in left:
            err.print(f"left to you: {line}", markup=False)
        if not wanted:
            out.print("nothing to write: everything is planned already")
    if kept or left:
        raise typer.Exit(1)


def _tell(one: Change, *, force: bool, dry_run: bool) -> None:
    path = shown(one.path)
    if dry_run:
        if one.is_new or one.differs:
            out.print(one.diff(), markup=False, end="")
    elif one.is_new or (one.differs and force):
        out.print(f"wrote {path}", markup=False)
    if one.differs and not force:
        err.print(f"{path} says something else; --force writes over it", markup=False)


def _as_json(
    wanted: Sequence[Change], *, force: bool, left: Sequence[str]
) -> dict[str, Any]:
    return {
        "new": [shown(one.path) for one in wanted if one.is_new],
        "replaced": [shown(one.path) for one in wanted if one.differs and force],
        "kept": [shown(one.path) for one in wanted if one.differs and not force],
        "left_to_you": list(left),
    }
