"""`kith plan`: the tracking plan's tools, and what a sync would send.

`kith plan SYNC` looks at the plan of a sync; its name always holds `__`, so it is never
the name of a command.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from orchestration.cli import (
    plan_diff,
    plan_exchange,
    plan_infer,
    plan_lint,
    plan_types,
    sync,
)


class _PlanGroup(TyperGroup):
    """Takes what is no command for the name of a sync."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `sync` before the arguments when they name no command of the group."""
        names = (*self.commands, *self.get_help_option_names(ctx))
        if args and args[0] not in names:
            args = ["sync", *args]
        return super().parse_args(ctx, args)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        cls=_PlanGroup,
        help="Work on the tracking plan; with a sync, show what it would send.",
        no_args_is_help=True,
    )
    for module in (plan_infer, plan_diff, plan_lint, plan_types, plan_exchange):
        module.register(group)
    group.command("sync")(sync.plan)
    app.add_typer(group, name="plan")
