"""`kith collect`: the collector, in the foreground."""

from __future__ import annotations

import os

import typer

from orchestration.cli.output import err


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(collect)


def collect() -> None:
    """Receive events and land them as Parquet, until Ctrl-C.

    Point a Segment or RudderStack client at the printed address, with the write key of
    a source in collector/sources.yml.
    """
    from collector.server import EXIT_TAKEN, AlreadyRunning, CannotListen, serve
    from collector.settings import CollectorSettings
    from collector.sources import DEVELOPMENT_KEY, ensure_development_key

    settings = CollectorSettings()
    host, port = settings.collector_host, settings.collector_port
    key, is_new = ensure_development_key(settings.secrets_dir)
    os.environ[DEVELOPMENT_KEY] = key
    if is_new:
        err.print(f"write key of the source `development`: {key}")
        err.print("(made now and kept in secrets/write_key of the data directory)")
    err.print(f"collecting at http://{host}:{port}, data in {settings.data_dir}")
    try:
        serve()
    except (AlreadyRunning, CannotListen) as error:
        err.print(f"kith: {error}")
        raise typer.Exit(EXIT_TAKEN) from None
