"""`kith plan`: the tracking plan's tools, and what a sync would send.

`kith plan SYNC` looks at the plan of a sync; its name always holds `__`, so it is never
the name of a command.
"""

from __future__ import annotations

import typer

from orchestration.cli import (
    plan_diff,
    plan_exchange,
    plan_infer,
    plan_lint,
    plan_types,
    sync_plan,
)
from orchestration.cli.groups import with_default


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        cls=with_default("sync"),
        help="Work on the tracking plan; with a sync, show what it would send.",
        no_args_is_help=True,
    )
    for module in (plan_infer, plan_diff, plan_lint, plan_types, plan_exchange):
        module.register(group)
    group.command("sync")(sync_plan.plan)
    app.add_typer(group, name="plan")
