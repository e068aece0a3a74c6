"""The demo's steps: collect, build, deliver, look back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from activations import run_sync
from collector.files import make_directories, try_lock
from collector.settings import CollectorSettings
from collector.sources import ensure_development_key
from orchestration.cli.problems import Problem
from orchestration.cli.sync import find_sync
from orchestration.demo import story
from orchestration.demo.send import send
from orchestration.demo.shop import Shop
from profiles.published import PublishedDatabaseMissing, connect

START_SECONDS = 20
LANDING_SECONDS = 60
SYNCS = ("crm__vip_customers", "files__newsletter_subscribers")


@dataclass(frozen=True)
class Steps:
    """What the demo calls to show its progress and to build."""

    say: Callable[[str], None]
    sending: Callable[[int], Callable[[], None]]
    build: Callable[[str | None], object]


def run_demo(settings: CollectorSettings, steps: Steps) -> story.Story:
    """Everything from the first event to the delivered audience; the CRM must run."""
    started = time.monotonic()
    published = settings.data_dir / "published"
    before = _counts(published)
    calls = Shop(datetime.now(UTC)).play()
    key, _ = ensure_development_key(settings.secrets_dir)
    url = f"http://{settings.collector_host}:{settings.collector_port}"
    with running_collector(settings):
        send(calls, host=url, write_key=key, on_sent=steps.sending(len(calls)))
        steps.say("landing the log as Parquet")
        _wait_until_landed(settings.log_dir)
    steps.build(None)
    deliveries = {}
    for name in SYNCS:
        steps.say(f"delivering {name}")
        run = run_sync(find_sync(name), data_dir=settings.data_dir)
        if run.stopped:
            raise Problem(run.stopped)
        deliveries[name] = story.Delivery(
            succeeded=run.succeeded.total,
            rejected=run.rejected.total,
            failed=run.failed.total,
            held=run.held.total,
        )
    # Deliveries come back as facts; monitoring shows them from the next build on.
    steps.build("stg_sync_log+ stg_sync_runs+")
    with closing(connect(published)) as connection:
        return story.Story(
            sent=len(calls),
            events=story.count_events(connection).since(before),
            violations=story.count_violations(connection),
            identifiers=story.count_rows(connection, "identity.profile_identifiers"),
            profiles=story.count_rows(connection, "profiles.profiles"),
            merges=story.count_rows(connection, "identity.profile_merges"),
            conflicts=story.count_rows(connection, "identity.identity_conflicts"),
            audiences=story.audience_sizes(connection),
            deliveries=deliveries,
            seconds=round(time.monotonic() - started, 1),
        )


@contextmanager
def running_collector(settings: CollectorSettings) -> Iterator[None]:
    """The collector while the context lasts; one that runs already is used as it is."""
    make_directories(settings.log_dir)
    lock = try_lock(settings.log_dir / "COLLECTOR")
    if lock is None:
        yield
        return
    lock.close()
    make_directories(settings.data_dir / "demo")
    output = settings.data_dir / "demo" / "collector.log"
    with output.open("w+") as file:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [str(Path(sys.executable).parent / "kith"), "collect"],
            env={"KITH_SEGMENT_SECONDS": "1", **os.environ},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_ready(settings, process, file)
            yield
        finally:
            process.terminate()
            process.wait()


def _counts(published: Path) -> story.Counts:
    try:
        with closing(connect(published)) as connection:
            return story.count_events(connection)
    except PublishedDatabaseMissing:
        return story.NOTHING


def _wait_until_ready(
    settings: CollectorSettings, process: subprocess.Popen[bytes], output: IO[str]
) -> None:
    url = f"http://{settings.collector_host}:{settings.collector_port}/ready"
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            output.seek(0)
            last = (output.read().strip().splitlines() or ["it said nothing"])[-1]
            raise Problem(f"the collector did not start: {last}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise Problem(f"the collector was not ready after {START_SECONDS} s")


def _wait_until_landed(log_dir: Path) -> None:
    """Until no segment is left: then every acknowledged event is in Parquet."""
    deadline = time.monotonic() + LANDING_SECONDS
    while any(log_dir.glob("*/*.open")) or any(log_dir.glob("*/*.zst")):
        if time.monotonic() > deadline:
            raise Problem(
                f"the log in {log_dir} was not landed within {LANDING_SECONDS} s"
            )
        time.sleep(0.1)
