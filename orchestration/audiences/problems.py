"""What is wrong with audiences, for `kith check`: every mistake at once."""

from __future__ import annotations

from pathlib import Path

from orchestration.audiences.compiling import file_problems, orphans
from orchestration.audiences.definitions import read_definitions
from orchestration.conditions.catalogue import read_catalogue


def audience_problems(manifest: Path, project_dir: Path) -> list[str]:
    """Mistakes in definitions, or else compiled files that do not follow them."""
    definitions = read_definitions(project_dir, read_catalogue(manifest))
    if definitions.problems:
        return definitions.problems
    return orphans(definitions, project_dir) + file_problems(definitions, project_dir)
