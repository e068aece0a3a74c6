"""Counts of rows by operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from activations.connectors import Planned

OPERATIONS: tuple[Planned, ...] = ("insert", "update", "delete")


@dataclass(frozen=True)
class Counts:
    """Rows by operation; true where there is any."""

    insert: int = 0
    update: int = 0
    delete: int = 0

    @classmethod
    def of(cls, numbers: Mapping[Planned, int]) -> Counts:
        """The counts in a mapping; what it does not name is none."""
        return cls(*(numbers.get(operation, 0) for operation in OPERATIONS))

    @property
    def total(self) -> int:
        return self.insert + self.update + self.delete

    def __bool__(self) -> bool:
        return self.total > 0

    def __str__(self) -> str:
        parts = {name: number for name, number in asdict(self).items() if number}
        return ", ".join(f"{number:,} {name}" for name, number in parts.items())
