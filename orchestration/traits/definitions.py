"""What a topic of traits declares, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestration.conditions.catalogue import Table
from orchestration.conditions.comparisons import Column
from orchestration.conditions.trees import Condition
from orchestration.conditions.windows import Window

Per = Literal["profile", "account"]
Events = Literal["on_behalf", "of_members"]
"""Which events belong to an account: those made on its behalf, which say so, or all of
the people who belong to it."""

TYPES = (
    "event_counter",
    "aggregation",
    "most_frequent",
    "first",
    "last",
    "unique_list",
    "unique_list_count",
    "golden",
)
FUNCTIONS = {"sum": "sum", "average": "avg", "minimum": "min", "maximum": "max"}
"""The functions of an aggregation, with what SQL calls them."""

RULES = ("most_recent", "first", "most_frequent", "source_priority", "longest")
"""Which value of an identity trait is kept."""

BY_VALUE = ("most_frequent", "unique_list", "unique_list_count")
"""Types that first count each value of a property."""


@dataclass(frozen=True)
class Source:
    """The rows that traits are computed from: the events of a model, or, for accounts,
    what a model of traits knows of the members."""

    table: Table
    is_members: bool = False


@dataclass(frozen=True)
class Computed:
    """A trait that is computed from events, or from the members of an account."""

    name: str
    type: str
    data_type: str
    source: Source
    window: Window
    column: Column | None = None
    where: Condition | None = None
    function: str = ""
    minimum_frequency: int = 1


@dataclass(frozen=True)
class Golden:
    """An identity trait: of all values that identify calls told, the one to keep."""

    name: str
    data_type: str
    trait: str
    rule: str
    sources: tuple[str, ...] = ()
    is_lowered: bool = False

    @property
    def kind(self) -> str:
        """What sort of values it holds."""
        return Column(self.name, self.data_type).kind


@dataclass(frozen=True)
class Topic:
    """A model of traits: one row per profile or account."""

    model: str
    per: Per
    events: Events
    traits: tuple[Computed | Golden, ...]

    @property
    def key(self) -> str:
        """The column that each row is found by."""
        return f"{self.per}_id"

    @property
    def computed(self) -> list[Computed]:
        """The traits that are not golden."""
        return [trait for trait in self.traits if isinstance(trait, Computed)]

    @property
    def golden(self) -> list[Golden]:
        """The golden traits."""
        return [trait for trait in self.traits if isinstance(trait, Golden)]
