"""Identity is tested on dbt projects too, and on one of them with more rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dbt.conftest import PROJECT_DIR, make_project, project
from tests.identity.people import write_identity_project

__all__ = ["make_project", "project"]


@pytest.fixture(scope="session")
def identity_project_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all that test identity's rules, so that it is parsed once."""
    return write_identity_project(PROJECT_DIR, tmp_path_factory.mktemp("identity"))
