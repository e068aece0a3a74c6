"""`kith demo`: the whole path on a made-up shop."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.progress import track

from orchestration.cli.build import build_with_progress
from orchestration.cli.output import err, out, print_json, shown
from orchestration.cli.problems import Problem
from orchestration.cli.sync import announce_retries

CRM_PORT = 8013

NEXT = """
[bold]Look around[/bold]
  ./kith profile email ada.abel.0@example.com     one customer, everything known
  ./kith plan crm__vip_customers                  what is to be delivered: nothing left
  ./kith ui                                       Dagster's graph and the Profile API

[bold]Tables to open next[/bold], in {published}
  profiles.profiles             one row per customer, with traits
  audiences.audience_changes    who entered and left which audience, when and why
  staging.event_violations      what breaks the tracking plan
  identity.identity_conflicts   links that were refused: the shared family computer
  monitoring.conservation       every event in exactly one state
  monitoring.sync_changelog     the fate of every row that was sent
"""


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(demo)


def demo(
    keep_running: Annotated[
        bool,
        typer.Option(
            "--keep-running",
            help="Leave the services up afterwards and print their URLs.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the story as one JSON object.")
    ] = False,
) -> None:
    """Run a made-up shop through the whole path.

    Starts the collector, sends several thousand events with Segment's Python SDK, lands
    them as Parquet, builds the warehouse, delivers one audience to a local HTTP
    endpoint and one to a CSV file, and tells what became of it all. Run again, it
    sends duplicates and changes nothing.
    """
    from collector.settings import CollectorSettings
    from orchestration.demo.crm import run_crm
    from orchestration.demo.run import Steps, run_demo, running_collector
    from orchestration.demo.story import tell

    settings = CollectorSettings()
    crm_file = settings.data_dir / "demo" / "crm.json"
    os.environ.setdefault("KITH_CRM_URL", f"http://127.0.0.1:{CRM_PORT}/crm")
    announce_retries()
    with ExitStack() as services:
        try:
            services.enter_context(run_crm(crm_file, os.environ["KITH_CRM_URL"]))
        except OSError as error:
            raise Problem(
                f"the demo's CRM cannot listen at {os.environ['KITH_CRM_URL']}: "
                f"{error.strerror}. KITH_CRM_URL chooses another address."
            ) from None
        steps = Steps(
            say=lambda text: err.print(f"• {text}"),
            sending=_sending,
            build=lambda select: build_with_progress(settings.data_dir, select=select),
        )
        story = run_demo(settings, steps)
        if as_json:
            print_json(story.as_json())
        else:
            tell(story, out)
            published = settings.data_dir / "published" / "current.duckdb"
            out.print(NEXT.format(published=shown(published)))
        if keep_running:
            services.enter_context(running_collector(settings))
            _keep_running(services, settings.collector_host, settings.collector_port)


def _sending(total: int) -> Callable[[], None]:
    """A progress bar of the events that are sent; call the result once per event."""
    bar = iter(
        track(
            range(total),
            "sending events through Segment's SDK",
            console=err,
            total=total,
        )
    )

    def advance() -> None:
        next(bar, None)

    return advance


def _keep_running(services: ExitStack, host: str, port: int) -> None:
    from orchestration.cli.ui import serving, wait_for_signal

    urls = {"collector": f"http://{host}:{port}", **services.enter_context(serving())}
    urls["the demo's CRM"] = os.environ["KITH_CRM_URL"]
    for name, url in urls.items():
        err.print(f"{name}: {url}")
    wait_for_signal()
