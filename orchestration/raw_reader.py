"""A plugin of dbt-duckdb: lets dbt read raw datasets that are on object storage.

`profiles.yml` names it. With `KITH_RAW_URL` unset, or naming a directory, it does
nothing.
"""

from __future__ import annotations

from dbt.adapters.duckdb.plugins import BasePlugin
from duckdb import DuckDBPyConnection

from collector.object_storage import register
from collector.settings import CollectorSettings


class Plugin(BasePlugin):
    """Found by dbt-duckdb under this name."""

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """Called once, when dbt has opened the warehouse."""
        register(conn, CollectorSettings().raw_place())
