"""Dagster definitions, one file per part; each gives its own by `@dg.definitions`."""
