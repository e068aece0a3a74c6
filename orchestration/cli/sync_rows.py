"""`kith sync errors` and `kith sync explain`: rows that did not arrive, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import out, print_json
from orchestration.cli.sync_arguments import AsJson, SyncName

if TYPE_CHECKING:
    from activations.plan import Plan


def register(group: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (errors, explain):
        group.command()(command)


def errors(
    name: SyncName,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the rows that were rejected, failed or are held, and what comes next."""
    from activations.explain import find_troubles
    from orchestration.project import data_dir

    with _planned(name) as plan:
        troubles = find_troubles(plan, data_dir=data_dir())
    shown = troubles[:limit]
    if as_json:
        rows = [asdict(trouble) | {"next": trouble.next} for trouble in shown]
        print_json({"sync": name, "count": len(troubles), "rows": rows})
        return
    kinds = Counter((trouble.outcome, trouble.code or "") for trouble in troubles)
    out.print(f"{name}: {len(troubles):,} rows have not arrived", markup=False)
    for (outcome, code), number in kinds.most_common():
        out.print(f"  {number:,} {outcome} {code}".rstrip(), markup=False)
    for trouble in shown:
        out.print(
            f"{trouble.key}: {trouble.operation} {trouble.outcome} since "
            f"{trouble.since:%F %T}, in {trouble.runs} runs; {trouble.next}",
            markup=False,
        )
        if trouble.message:
            out.print(f"  {trouble.message}", markup=False)
    if len(shown) < len(troubles):
        out.print(f"and {len(troubles) - len(shown):,} more: --limit")


def explain(
    name: SyncName,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The row's key.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Tell a row's story: payload, destination, outcomes, and what comes next."""
    from activations.explain import explain as story_of
    from orchestration.project import data_dir

    with _planned(name) as plan:
        story = story_of(plan, key, data_dir=data_dir())
    if as_json:
        print_json(story.as_dict())
        return
    for line in story.describe():
        out.print(line, markup=False)


@contextmanager
def _planned(name: str) -> Iterator[Plan]:
    from activations.payload import open_published
    from activations.plan import make_plan
    from orchestration.cli.sync import find_sync
    from orchestration.project import data_dir

    sync = find_sync(name)
    with closing(open_published(data_dir() / "published")) as con:
        yield make_plan(sync, data_dir=data_dir(), con=con)
