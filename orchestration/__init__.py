"""Dagster definitions and the `kith` command: composes the other packages."""
