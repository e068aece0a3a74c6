"""Names and texts of a project as they stand in SQL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name of a schema, table or column."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"
