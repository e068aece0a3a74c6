"""Arguments and options that the commands about syncs share."""

from __future__ import annotations

from typing import Annotated

import typer

SyncName = Annotated[
    str,
    typer.Argument(
        metavar="SYNC", help="Name of a model in models/syncs.", show_default=False
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]
Reason = Annotated[
    str | None, typer.Option(help="Why, for whoever looks later.", show_default=False)
]
By = Annotated[str | None, typer.Option(help="Who asks; your login otherwise.")]
