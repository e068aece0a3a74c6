"""A dbt project over a data directory of its own."""

from tests.dbt.conftest import make_project

__all__ = ["make_project"]
