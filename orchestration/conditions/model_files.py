"""Files that are compiled from a definition, told from those that people wrote.

The first line of a compiled file says from which yml it was made, and has a digest of
the rest. Without that line, or once the rest does not fit it, the file is a person's:
it is not replaced unless asked for, and nobody compares it with the definition.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Literal

State = Literal["absent", "compiled", "edited", "written"]

_COMMENTS = {".sql": "--", ".yml": "#"}
_SEAL = re.compile(r"(?:--|#) Compiled from (\S+); ([0-9a-f]{12})\n")


class WrittenByHand(Exception):
    """A file that a person wrote or edited stands where a compiled one would."""


def sealed(text: str, *, source: str, suffix: str = ".sql") -> str:
    """The text of a compiled file below the line that says so; `source` is its yml."""
    return f"{_COMMENTS[suffix]} Compiled from {source}; {_digest(text)}\n{text}"


def state(path: Path) -> State:
    """Whose file it is: compiled, compiled and then edited, or written by somebody."""
    if not path.exists():
        return "absent"
    text = path.read_text(encoding="utf-8")
    seal = _SEAL.match(text)
    if seal is None:
        return "written"
    return "compiled" if _digest(text[seal.end() :]) == seal[2] else "edited"


def write(path: Path, text: str, *, overwrite: bool = False) -> bool:
    """Put a sealed text there; whether that changed anything.

    Raises `WrittenByHand`, having changed nothing, where a person's work would be lost.
    """
    found = state(path)
    if found in ("written", "edited") and not overwrite:
        raise WrittenByHand(
            f"{path.name} was {found} by hand; --overwrite replaces it by what "
            f"{path.stem}.yml defines, or take the definition out of the yml"
        )
    if found != "absent" and path.read_text(encoding="utf-8") == text:
        return False
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
    return True


def stale(path: Path, text: str, *, command: str) -> str | None:
    """What is wrong if the file is not what its definition gives: `text`, sealed.

    A file that is somebody's own is never stale.
    """
    found = state(path)
    if found == "absent":
        return f"{path.name} is not there; run {command}"
    if found == "compiled" and path.read_text(encoding="utf-8") != text:
        return f"{path.name} is not what its definition gives; run {command}"
    return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
