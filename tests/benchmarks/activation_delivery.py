"""Deliveries of `kith bench activations`: rows per second to a loopback sink.

A program for each contestant, each in a process of its own: `bare` is httpx that posts
the same rows, encoded by orjson, with nothing around it. `drt` is drt-core as its
documentation configures it, a batch of 100 rows; `drt one client` is its engine given
10,000 rows at a time, of which it makes requests of 100.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

ROWS_A_REQUEST = 100
IN_FLIGHT = 4
COLUMNS = 20
Row = dict[str, Any]


def write_people(database: Path, rows: int) -> None:
    """A sync model of 20 columns, some 400 bytes of JSON a row."""
    values = ", ".join(
        f"'value {number} of ' || n as column_{number:02}"
        for number in range(COLUMNS - 1)
    )
    with duckdb.connect(database) as connection:
        connection.execute("create schema syncs")
        connection.execute(
            f"""
            create table syncs.acct__people as
            select 'p' || n || '@example.com' as email, {values}
            from range({rows}) as numbers(n)
            """  # noqa: S608 - made of constants
        )


@contextmanager
def sink() -> Iterator[str]:
    """The URL of a sink that runs while the context lasts."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.sink"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


def requests_at(url: str) -> int:
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - the sink on loopback
        return int(json.load(answer)["requests"])


def bare(database: Path, url: str, scratch: Path) -> None:
    """httpx alone, a few requests at once: what the client costs."""
    import httpx
    import orjson

    with duckdb.connect(database, read_only=True) as connection:
        cursor = connection.execute("select * from syncs.acct__people")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    batches = iter(
        [rows[at : at + ROWS_A_REQUEST] for at in range(0, len(rows), ROWS_A_REQUEST)]
    )

    async def post(client: httpx.AsyncClient) -> None:
        for batch in batches:
            headers = {"content-type": "application/json"}
            answer = await client.post(
                url, content=orjson.dumps(batch), headers=headers
            )
            answer.raise_for_status()

    async def main() -> None:
        async with httpx.AsyncClient() as client:
            await _timed_async(
                lambda: asyncio.gather(*(post(client) for _ in range(IN_FLIGHT)))
            )

    asyncio.run(main())


def kith(database: Path, url: str, scratch: Path) -> None:
    """A first run: planned, sent with limits and retries, every outcome logged."""
    from activations.runs import run_sync

    sync = _sync(scratch, url)
    with duckdb.connect(database, read_only=True) as connection:
        run = _timed(lambda: run_sync(sync, data_dir=scratch, con=connection))
    assert run.is_complete, run.describe()


def delivery(database: Path, url: str, scratch: Path) -> None:
    """The part of a run that follows its plan."""
    from activations.delivery import deliver
    from activations.leases import hold_lease
    from activations.plan import make_plan
    from activations.sync_log import SyncLog

    sync, log_dir = _sync(scratch, url), scratch / "log"
    with (
        duckdb.connect(database, read_only=True) as connection,
        hold_lease(log_dir, sync.name) as lease,
    ):
        plan = make_plan(sync, data_dir=scratch, con=connection)
        log = SyncLog(
            scratch / "raw",
            sync,
            run_id="run",
            log_dir=log_dir,
            lease=lease,
            after=None,
        )
        _timed(lambda: deliver(plan, log))


def drt(database: Path, url: str, scratch: Path) -> None:
    """drt-core with the batch size that it has by default, 100."""
    _drt(database, url, scratch, batch_size=ROWS_A_REQUEST)


def drt_one_client(database: Path, url: str, scratch: Path) -> None:
    """drt-core with batches so large that it makes a client for few of them."""
    _drt(database, url, scratch, batch_size=10_000)


def _drt(database: Path, url: str, scratch: Path, *, batch_size: int) -> None:
    from drt.config.credentials import DuckDBProfile
    from drt.config.models import SyncConfig
    from drt.destinations.rest_api import RestApiDestination
    from drt.engine.sync import run_sync
    from drt.sources.duckdb import DuckDBSource

    config = SyncConfig.model_validate(
        {
            "name": "people",
            "model": "select * from syncs.acct__people",
            "destination": {
                "type": "rest_api",
                "url": url,
                "body_mode": "batch",
                "batch_template": "{{ rows | tojson }}",
                "max_records_per_request": ROWS_A_REQUEST,
            },
            "sync": {
                "batch_size": batch_size,
                "rate_limit": {"requests_per_second": 1_000_000},
            },
        }
    )
    profile = DuckDBProfile(type="duckdb", database=str(database))
    result = _timed(
        lambda: run_sync(config, DuckDBSource(), RestApiDestination(), profile, scratch)
    )
    assert result.failed == 0


PROGRAMS: dict[str, Callable[[Path, str, Path], None]] = {
    "bare httpx": bare,
    "kith, delivery": delivery,
    "kith, whole run": kith,
    "drt-core": drt,
    "drt-core, one client": drt_one_client,
}


def measure(program: str, database: Path, scratch: Path) -> Row:
    """Run one program in a process of its own."""
    with sink() as url:
        command = [sys.executable, "-m", "tests.benchmarks.activation_delivery"]
        told = subprocess.run(
            [*command, program, str(database), url, str(scratch)],
            check=True,
            capture_output=True,
        ).stdout
        return {"program": program, "requests": requests_at(url), **json.loads(told)}


def _sync(scratch: Path, url: str) -> Any:
    from tests.activations.bench import bench, catalog_at

    catalog = catalog_at(url, "webhook", batch_size=ROWS_A_REQUEST)
    work = bench(
        scratch,
        "webhook",
        {"url": url},
        action="rows",
        mode="upsert",
        catalog=catalog,
    )
    return work.sync


def _timed(work: Callable[[], Any]) -> Any:
    started, cpu = time.perf_counter(), time.process_time()
    result = work()
    _tell(started, cpu)
    return result


async def _timed_async(work: Callable[[], Any]) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    await work()
    _tell(started, cpu)


def _tell(started: float, cpu: float) -> None:
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    told = {"seconds": seconds, "cpu_seconds": cpu_seconds}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    _, name, database, url, scratch = sys.argv
    PROGRAMS[name](Path(database), url, Path(scratch))
