"""Which files a command would write, and writing them without losing anybody's work."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestration.plans.pairs import Pair


@dataclass(frozen=True)
class Change:
    """One file as it is to be; `before` is its text now, None when there is none."""

    path: Path
    text: str
    before: str | None

    @property
    def is_new(self) -> bool:
        """Whether there is no such file yet."""
        return self.before is None

    @property
    def differs(self) -> bool:
        """Whether a file is there that says something else."""
        return self.before is not None and self.before != self.text

    def diff(self) -> str:
        """What would change, as a unified diff."""
        name = str(self.path)
        lines = difflib.unified_diff(
            (self.before or "").splitlines(keepends=True),
            self.text.splitlines(keepends=True),
            fromfile="/dev/null" if self.is_new else name,
            tofile=name,
        )
        return "".join(lines)


def change(path: Path, text: str) -> Change:
    """The file at `path` as it is and as it is to be."""
    before = path.read_text("utf-8") if path.exists() else None
    return Change(path, text, before)


def changes(pairs: Iterable[Pair], *, project_dir: Path) -> list[Change]:
    """The files of the pairs, in the folder of event models."""
    folder = project_dir / "models" / "events"
    return [
        change(folder / f"{pair.model}{ending}", text)
        for pair in pairs
        for ending, text in ((".sql", pair.sql), (".yml", pair.yml))
    ]


def write(wanted: Iterable[Change], *, force: bool) -> None:
    """Write what is new, and with `force` also over files that differ."""
    for one in wanted:
        if one.is_new or (one.differs and force):
            one.path.parent.mkdir(parents=True, exist_ok=True)
            one.path.write_text(one.text, encoding="utf-8")
