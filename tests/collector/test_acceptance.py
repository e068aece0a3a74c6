"""The list of what the collector must withstand has no row without a test."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.collector.acceptance import ELSEWHERE, ROWS

HERE = Path(__file__).parent
OPTIONAL = {"slow", "clients", "skip", "skipif", "xfail"}


def claimed_rows() -> Iterator[str]:
    """The rows that tests of the ordinary run claim."""
    for file in sorted(HERE.glob("test_*.py")):
        if "acceptance import" not in file.read_text():
            continue
        module = importlib.import_module(f"{__package__}.{file.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                yield from _rows(getattr(test, "pytestmark", []))


def _rows(marks: list[Any]) -> Iterator[str]:
    if OPTIONAL.intersection(mark.name for mark in marks):
        return
    for mark in marks:
        if mark.name == "row":
            yield mark.kwargs["id"]
        elif mark.name == "parametrize":
            for parameters in mark.args[1]:
                yield from _rows(getattr(parameters, "marks", []))


def test_every_row_is_shown_by_a_test_of_the_ordinary_run() -> None:
    claimed = set(claimed_rows())
    assert sorted(claimed - set(ROWS)) == [], "no such rows"
    assert sorted(set(ROWS) - claimed) == [], "rows without a test"


def test_the_list_has_every_row_once() -> None:
    assert set(ROWS).isdisjoint(ELSEWHERE)
    bodies = {f"B{number}" for number in range(1, 111)}
    faults = {f"F{number}" for number in [*range(1, 24), 34]}
    assert set(ROWS) | set(ELSEWHERE) == bodies | faults
