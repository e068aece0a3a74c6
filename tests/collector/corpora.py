"""Public corpora of difficult input, where they are at hand beside the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


def json_test_suite() -> dict[str, bytes]:
    """JSONTestSuite's parsing cases by name: y_ is JSON, n_ is not, i_ is unsaid."""
    return _files(CORPORA / "JSONTestSuite" / "test_parsing")


def json_transformations() -> dict[str, bytes]:
    """JSONTestSuite's cases that parsers read differently."""
    return _files(CORPORA / "JSONTestSuite" / "test_transform")


def naughty_strings() -> list[str]:
    """The big list of naughty strings."""
    strings: list[str] = json.loads(_needed(CORPORA / "blns.json").read_text())
    return strings


def _files(directory: Path) -> dict[str, bytes]:
    files = sorted(_needed(directory).glob("*.json"))
    return {file.stem: file.read_bytes() for file in files}


def _needed(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository, in shared/corpora")
    return path
