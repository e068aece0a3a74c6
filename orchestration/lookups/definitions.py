"""What the yml of a model that enriches an event declares, as values."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.conditions.catalogue import Table


@dataclass(frozen=True)
class Lookup:
    """A property of the event that names a row of another table, by the table's key.

    Of a table that keeps history, with `valid_from` and `valid_to`, it is the row that
    was valid when the event happened.
    """

    name: str
    property: str
    table: Table
    key: str
    valid_from: str = ""
    valid_to: str = ""


@dataclass(frozen=True)
class Added:
    """A column of the model, and which one of what a lookup finds it is."""

    name: str
    lookup: str
    column: str


@dataclass(frozen=True)
class Enriched:
    """A model with the events of another one, and what lookups add to them."""

    model: str
    event: Table
    lookups: tuple[Lookup, ...]
    added: tuple[Added, ...]
