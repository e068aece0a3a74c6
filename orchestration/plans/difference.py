"""What a change of the tracking plan means: who reads what it takes away."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.lineage.models import Lineage, Reader, in_order
from orchestration.lineage.paths import parse_path
from orchestration.plans.changes import BREAKING, Change, compare
from orchestration.plans.revisions import Compiled


@dataclass(frozen=True)
class Consequence:
    """A change of the plan, and the models that read what changed."""

    change: Change
    readers: tuple[Reader, ...]

    @property
    def is_breaking(self) -> bool:
        """Whether something reads what is gone, or is of another type now."""
        return self.change.kind in BREAKING and bool(self.readers)


@dataclass(frozen=True)
class Difference:
    """All changes between two states of a project.

    `unclear` are models whose SQL could not be followed in full, and why: they count as
    reading all that they could.
    """

    consequences: tuple[Consequence, ...]
    unclear: dict[str, str]


def difference(old: Compiled, new: Compiled) -> Difference:
    """What changed, and which models of today read it.

    They are asked as if the event models still had their former columns: who reads a
    column that is gone shows by that.
    """
    former = {
        event.model: (old.models[event.model], event) for event in old.plan.events
    }
    lineage = Lineage(new.manifest, new.plan.events, former=former)
    consequences = tuple(
        Consequence(change, _readers(lineage, change))
        for change in compare(old.plan, new.plan)
    )
    return Difference(consequences, lineage.unclear)


def _readers(lineage: Lineage, change: Change) -> tuple[Reader, ...]:
    path = parse_path(change.path) if change.path else None
    if change.event is None:
        return lineage.readers_of_common(path) if path else ()
    found: dict[tuple[str, str], Reader] = {}
    for event in (change.former, change.current):
        for reader in lineage.readers_of(event, path) if event else ():
            known = found.get((reader.kind, reader.model))
            found[reader.kind, reader.model] = (
                known.and_also(reader) if known else reader
            )
    return in_order(found.values())
