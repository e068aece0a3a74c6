"""Which conditions of audiences the personas have seen true, and which false.

A condition counts where a persona says of the audience whether it is in it: what nobody
has an opinion on was not tried. So does being in the audience as a whole; of one whose
SQL was written by hand there is nothing else to be seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestration.audiences.leaves import Leaves
from orchestration.personas.findings import Findings
from orchestration.personas.judging import profiles_of
from orchestration.personas.worlds import World

MEMBERSHIP = "being in it"


@dataclass
class Condition:
    """A condition of an audience, in words, and what it was seen to be."""

    audience: str
    words: str
    seen_true: bool = False
    seen_false: bool = False

    @property
    def sides(self) -> int:
        """How many of its two sides were seen."""
        return self.seen_true + self.seen_false

    def see(self, *, holds: bool) -> None:
        """Note what it was for somebody."""
        if holds:
            self.seen_true = True
        else:
            self.seen_false = True


@dataclass(frozen=True)
class Coverage:
    """What was seen of each audience's conditions: being in it first."""

    conditions: Mapping[str, tuple[Condition, ...]]

    def see(self, worlds: Iterable[World], findings: Findings) -> None:
        """Note what a build has shown."""
        for world in worlds:
            for checkpoint in world.checkpoints:
                profiles = profiles_of(world, checkpoint, findings)
                for one in checkpoint.expected:
                    if one.kind in ("member", "non-member") and len(profiles) == 1:
                        self._see(one.name, profiles[0], findings)

    @property
    def all(self) -> tuple[Condition, ...]:
        """Every condition, by audience."""
        return tuple(one for listed in self.conditions.values() for one in listed)

    @property
    def share(self) -> float:
        """Which part of all sides of all conditions was seen."""
        sides = [condition.sides for condition in self.all]
        return sum(sides) / (2 * len(sides)) if sides else 1.0

    def _see(self, audience: str, profile: str, findings: Findings) -> None:
        truths = (
            profile in findings.members[audience],
            *findings.truths.get(audience, {}).get(profile, ()),
        )
        for condition, holds in zip(
            self.conditions.get(audience, ()), truths, strict=False
        ):
            condition.see(holds=holds)


def coverage_of(audiences: Iterable[str], leaves: Mapping[str, Leaves]) -> Coverage:
    """Nothing seen yet of these audiences; `leaves` are of those with a definition."""
    words = {
        name: (MEMBERSHIP, *(leaves[name].words if name in leaves else ()))
        for name in sorted(audiences)
    }
    return Coverage(
        {
            name: tuple(Condition(name, said) for said in listed)
            for name, listed in words.items()
        }
    )
