"""`kith plan types`: the plan as functions that a compiler holds programs to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli.output import out, require_folder, shown


class Language(StrEnum):
    """What functions can be written in."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    group.command()(types)


def types(
    language: Annotated[
        Language, typer.Option(help="What to write.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write it; else it is shown."),
    ] = None,
) -> None:
    """Write typed tracking functions, one for each planned event.

    A program that uses them cannot misspell an event or a property, or forget one. For
    Python around Segment's client, for TypeScript around the one of browsers.
    """
    from orchestration.plans.loading import load_checkout
    from orchestration.plans.python_types import python_types
    from orchestration.plans.typescript_types import typescript_types

    if output is not None:
        require_folder(output)
    write = python_types if language is Language.PYTHON else typescript_types
    plan = load_checkout().plan
    text = write(plan)
    if output is None:
        out.print(text, markup=False, end="")
        return
    output.write_text(text, encoding="utf-8")
    out.print(f"wrote {len(plan.events)} functions to {shown(output)}", markup=False)
