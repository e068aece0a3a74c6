"""The `kith` command. One module a command group; each registers its own commands.

Heavy libraries (dbt, Dagster) are imported inside commands, so that help and errors
come at once.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import typer
from dotenv import load_dotenv

app = typer.Typer(
    name="kith",
    help="Kith: a customer data platform in your own warehouse.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# In the order in which `kith --help` shows them.
for _module in (
    "demo",
    "collect",
    "tail",
    "build",
    "plan",
    "sync",
    "destination",
    "alerts",
    "profile",
    "trait",
    "lookup",
    "identity",
    "audience",
    "ui",
    "check",
    "quarantine",
    "raw",
    "new",
):
    importlib.import_module(f"orchestration.cli.{_module}").register(app)
for _module in ("bench", "verify", "test"):
    importlib.import_module(f"orchestration.cli.{_module}").register(app)


def main() -> None:
    """Run `kith`: what the user did wrong is one line and exit code 2, no traceback."""
    _prepare_environment()
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        message = _explain(error)
        if message is None:
            raise
        sys.stderr.write(f"kith: {message}\n")
        sys.exit(2)
    sys.exit(code or 0)


def _prepare_environment() -> None:
    """Read `.env`; make paths absolute, as dbt and Dagster run in other directories."""
    from orchestration.project import ROOT

    load_dotenv(ROOT / ".env")
    os.environ["KITH_DATA_DIR"] = str(
        (Path.cwd() / os.environ.get("KITH_DATA_DIR", ROOT / "data")).resolve()
    )
    for name, default in (
        ("KITH_SOURCES", "collector/sources.yml"),
        ("KITH_DESTINATIONS", "activations/destinations.yml"),
        ("KITH_ALERTS", "orchestration/alerts.yml"),
    ):
        os.environ[name] = str(
            (Path.cwd() / os.environ.get(name, ROOT / default)).resolve()
        )


def _explain(error: Exception) -> str | None:
    """What to tell the user, or None when the error is a fault of the program."""
    if hasattr(error, "format_message"):  # a usage error of typer
        return f"{error.format_message()} See `kith --help`."
    from orchestration.cli.problems import expected_errors, settings_problem

    if isinstance(error, expected_errors()):
        return str(error)
    return settings_problem(error)
