"""Groups of commands that take what is no command for the argument of one."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def with_default(command: str, *, when_empty: bool = False) -> type[TyperGroup]:
    """A group in which `kith group THING` means `kith group command THING`.

    So it does for no arguments at all, where `when_empty`.
    """

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            """Put the command before the arguments when they name none."""
            names = (*self.commands, *self.get_help_option_names(ctx))
            if (args and args[0] not in names) or (when_empty and not args):
                args = [command, *args]
            return super().parse_args(ctx, args)

    return Group
