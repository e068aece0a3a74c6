"""Definitions in plain language, where dbt docs find them: `_definitions.md`.

A yml describes itself by `{{ doc('definition__<name>') }}`. dbt reads no project in
which such a block is missing, so one that is asked for is there before its definition
has been compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

FILE = "_definitions.md"
_NOT_YET = "Not compiled yet."
_BLOCK = re.compile(r"{% docs (\w+) %}\n(.*?)\n{% enddocs %}", re.DOTALL)
_ASKED = re.compile(r"\bdoc\(\s*['\"](definition__\w+)['\"]\s*\)")


def add_missing(folder: Path) -> None:
    """Add the blocks that a yml of the folder asks for and that are not there."""
    found = read_blocks(folder)
    missing = asked_for(folder) - set(found)
    if missing:
        _write(folder, found | dict.fromkeys(missing, _NOT_YET))


def asked_for(folder: Path) -> set[str]:
    """The blocks that ymls of the folder ask for; dbt reads nothing without them."""
    return {
        name
        for file in sorted(folder.rglob("*.yml"))
        for name in _ASKED.findall(file.read_text(encoding="utf-8"))
    }


def write_blocks(folder: Path, blocks: Mapping[str, str], *, are_all: bool) -> bool:
    """Put blocks there, and take others away if these are all; whether it changed."""
    found = read_blocks(folder)
    wanted = dict(blocks) if are_all else found | dict(blocks)
    if wanted == found:
        return False
    _write(folder, wanted)
    return True


def read_blocks(folder: Path) -> dict[str, str]:
    """The blocks that are there, by name."""
    file = folder / FILE
    return dict(_BLOCK.findall(file.read_text("utf-8"))) if file.exists() else {}


def _write(folder: Path, blocks: Mapping[str, str]) -> None:
    text = "\n\n".join(
        f"{{% docs {name} %}}\n{_plain(words)}\n{{% enddocs %}}"
        for name, words in sorted(blocks.items())
    )
    (folder / FILE).write_text(text + "\n" if text else "", encoding="utf-8")


def _plain(words: str) -> str:
    """Without what dbt would take for Jinja."""
    return re.sub(r"{(?=[{%#])", "{ ", words)
