"""`kith plan SYNC`: what a sync would send now, or all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem
from orchestration.cli.sync_arguments import AsJson

if TYPE_CHECKING:
    from activations.connectors import Row
    from activations.field_diffs import Changes
    from activations.plan import Plan
    from activations.syncs import Sync

_LONGEST_RECORD = 200


def plan(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="SYNC", help="Name of a model in models/syncs.", show_default=False
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All syncs.")] = False,
    as_json: AsJson = False,
    as_markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print tables for a pull request."),
    ] = False,
) -> None:
    """Show what a sync would send now; nothing is sent.

    Rows that a guard would hold are counted apart. A sync that cannot be planned says
    why, and makes the exit code 1.
    """
    from orchestration.cli.sync import all_syncs, find_sync

    if (name is None) != every:
        raise Problem("name a sync, or say --all for every one. See `kith plan -h`.")
    syncs = list(all_syncs().values()) if name is None else [find_sync(name)]
    previews = [_Preview(sync) for sync in syncs]
    if as_json:
        documents = [preview.as_dict() for preview in previews]
        print_json({"syncs": documents} if every else documents[0])
    elif as_markdown:
        out.print("\n".join(_markdown(previews)), markup=False)
    else:
        for preview in previews:
            preview.show()
    if any(preview.problem is not None for preview in previews):
        raise typer.Exit(1)


class _Preview:
    """The plan of a sync and samples of it, or why there is none."""

    def __init__(self, sync: Sync) -> None:
        from activations.errors import ActivationError
        from activations.field_diffs import field_changes
        from activations.payload import open_published
        from activations.plan import make_plan
        from orchestration.project import data_dir

        self.name = sync.name
        self.plan: Plan | None = None
        self.problem: str | None = None
        self.samples: dict[str, tuple[Row, ...]] = {}
        self.changes: Changes = {}
        published_dir = data_dir() / "published"
        with closing(open_published(published_dir)) as con:
            try:
                self.plan = make_plan(sync, data_dir=data_dir(), con=con)
                for operation in self.plan.counts:
                    self.samples[operation] = self.plan.samples(operation)
                keys = [row.key for row in self.samples["update"]]
                self.changes = field_changes(
                    self.plan, keys, published_dir=published_dir
                )
            except ActivationError as error:
                self.problem = str(error)

    def as_dict(self) -> dict[str, Any]:
        if self.plan is None:
            return {"sync": self.name, "problem": self.problem}
        samples = {
            operation: [self._sample(row) for row in rows]
            for operation, rows in self.samples.items()
            if rows
        }
        return self.plan.as_dict() | {"samples": samples}

    def _sample(self, row: Row) -> dict[str, Any]:
        sample: dict[str, Any] = {"key": row.key, "record": row.record}
        if row.operation == "update":
            # Null: what the destination holds is known by its fingerprint only.
            changes = self.changes.get(row.key)
            sample["changes"] = (
                None if changes is None else [asdict(change) for change in changes]
            )
        return sample

    def _shown(self, row: Row) -> str:
        """A sample in words: what changes where that is known, else the whole row."""
        if row.operation != "update":
            return _record(row)
        changes = self.changes.get(row.key)
        if changes is None:
            return f"(what it was is not known) {_record(row)}"
        return "; ".join(map(str, changes)) or "(the same once more)"

    def show(self) -> None:
        if self.plan is None:
            out.print(f"{self.name}: cannot be planned. {self.problem}", markup=False)
            return
        for line in _lines(self.plan):
            out.print(line, markup=False)
        for operation, rows in self.samples.items():
            if rows:
                table = Table(
                    title=f"{operation}, for example", title_justify="left", box=None
                )
                table.add_column(self.plan.sync.key)
                table.add_column("row")
                for row in rows:
                    table.add_row(escape(row.key), escape(self._shown(row)))
                out.print(table)

    def markdown(self) -> Iterator[str]:
        """The samples as a list below the table."""
        if not any(self.samples.values()):
            return
        yield f"\n**{self.name}**, for example:\n"
        for operation, rows in self.samples.items():
            for row in rows:
                yield f"- {operation} `{row.key}` {_cell(self._shown(row))}".rstrip()


def _lines(plan: Plan) -> Iterator[str]:
    counts = ", ".join(f"{number:,} to {kind}" for kind, number in plan.counts.items())
    yield (
        f"{plan.sync.name}: {counts}; the payload has {plan.payload_rows:,} rows, "
        f"{plan.sync.account.name} holds {plan.destination_rows:,}"
    )
    if plan.is_released:
        yield "  among them what a held run was released for"
    if plan.held_reason:
        held = ", ".join(f"{n:,} {kind}" for kind, n in plan.held.items() if n)
        yield f"  held ({plan.guard}): {held or 'all'}. {plan.held_reason}"
    if plan.held_reason and plan.is_releasable:
        yield (
            f"  To let them go: ./kith sync {plan.sync.name}, then "
            "./kith sync release with the run that it names."
        )
    if plan.refused:
        yield f"  {plan.refused:,} rows stay refused until they change"
    if plan.dead:
        yield (
            f"  {plan.dead:,} rows failed too often: ./kith sync errors "
            f"{plan.sync.name}"
        )
    if plan.left_out:
        yield f"  {plan.left_out:,} rows lack consent"
    if plan.capped:
        yield f"  {plan.capped:,} rows wait for a frequency cap"


def _record(row: Row) -> str:
    text = "" if row.record is None else json.dumps(row.record, ensure_ascii=False)
    cut = text[:_LONGEST_RECORD]
    return cut if cut == text else f"{cut}…"


def _markdown(previews: list[_Preview]) -> Iterator[str]:
    """A table of all syncs, to be posted where a change is reviewed."""
    yield "| sync | insert | update | delete | held | notes |"
    yield "|---|--:|--:|--:|--:|---|"
    for preview in previews:
        plan = preview.plan
        if plan is None:
            notes = str(preview.problem)
            yield f"| {preview.name} | ? | ? | ? | ? | {_cell(notes)} |"
            continue
        cells = [f"{number:,}" for number in plan.counts.values()]
        notes = " ".join(line.strip() for line in list(_lines(plan))[1:])
        yield (
            f"| {preview.name} | {' | '.join(cells)} | {plan.held_total:,} | "
            f"{_cell(notes)} |"
        )
    for preview in previews:
        yield from preview.markdown()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
