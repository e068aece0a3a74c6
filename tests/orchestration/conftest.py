"""What dbt makes of this project, parsed once for all tests that only read it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.dbt_runs import PARSED
from orchestration.project import prepare_manifest


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of this project, made in a data directory that had none."""
    return prepare_manifest(tmp_path_factory.mktemp("parsed"))


@pytest.fixture(scope="session")
def give_manifest(manifest: Path) -> Callable[[Path], None]:
    """Put what was parsed, as old as it is, into another data directory."""

    def give(data_dir: Path) -> None:
        target = data_dir / "dbt" / "target"
        target.mkdir(parents=True)
        for file in (manifest, manifest.with_name(PARSED)):
            shutil.copy2(file, target)

    return give
