"""From Segment's SDK to the sync log, twice, on the real path."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import duckdb
from segment.analytics.client import Client

from collector.landing import land
from orchestration.dbt_runs import run_dbt
from orchestration.project import DBT_PROJECT
from tests.dbt.conftest import parsed
from tests.kith import Kith
from tests.raw import read_raw
from tests.servers import (
    WRITE_KEY,
    CollectorProcess,
    free_port,
    request,
    start_collector,
)

# As the collector tells Prometheus.
EVENTS_TAKEN = re.compile(rb'kith_events_total{[^}]*outcome="stored"[^}]*} [1-9]')


def query(kith: Kith, sql: str) -> list[tuple[Any, ...]]:
    published = kith.data_dir / "published" / "current.duckdb"
    with duckdb.connect(str(published), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_every_event_sent_has_exactly_one_fate(runs: tuple[Kith, Any, Any]) -> None:
    kith, first, second = runs
    for story in (first, second):
        events = story["events"]
        fates = (
            events["stored"] + events["duplicate"] + sum(events["quarantined"].values())
        )
        assert events["sent"] == fates
    assert first["events"]["stored"] > 5_000
    assert first["events"]["duplicate"] == 75
    assert second["events"]["stored"] == 0
    assert query(kith, "select sum(missing_count) from monitoring.conservation") == [
        (0,)
    ]


def test_people_are_resolved_and_strangers_are_not_glued(
    runs: tuple[Kith, Any, Any],
) -> None:
    kith, first, _ = runs
    assert first["profiles"] < first["identifiers"] / 2
    owners = query(
        kith,
        """
        select count(distinct profile_id)
        from identity.profile_identifiers
        where identifier_value in ('user-mum', 'user-dad')
        """,
    )
    assert owners == [(2,)]
    assert first["conflicts"] >= 1


def test_the_second_run_changes_nothing(runs: tuple[Kith, Any, Any]) -> None:
    kith, first, second = runs
    for number in ("identifiers", "profiles", "merges", "conflicts", "audiences"):
        assert first[number] == second[number], number
    assert first["violations"] == second["violations"]
    changes = query(kith, "select count(*) from audiences.audience_changes")
    assert changes == [(sum(first["audiences"].values()),)]


def test_audiences_reach_their_destinations_once(runs: tuple[Kith, Any, Any]) -> None:
    kith, first, second = runs
    for name, delivery in first["deliveries"].items():
        (payload,) = query(kith, f"select count(*) from syncs.{name}")  # noqa: S608 - names of the demo
        assert delivery["succeeded"] == payload[0]
        assert delivery["rejected"] == delivery["failed"] == delivery["held"] == 0
        assert second["deliveries"][name]["succeeded"] == 0
        plan = kith.json("plan", name)
        assert (plan["insert"], plan["update"], plan["delete"]) == (0, 0, 0)
        assert kith.json("sync", "errors", name)["count"] == 0
    plans = kith.json("plan", "--all")["syncs"]
    assert {plan["sync"] for plan in plans} == set(first["deliveries"])
    row = kith.json("sync", "explain", "crm__vip_customers", "nobody@example.com")
    assert row["conclusion"].startswith("It is not in the payload")
    held_by_crm = json.loads((kith.data_dir / "demo" / "crm.json").read_text())
    emails = query(kith, "select email from syncs.crm__vip_customers")
    assert sorted(held_by_crm) == sorted(email for (email,) in emails)
    exported = kith.data_dir / "exports" / "files__newsletter_subscribers.csv"
    rows = query(kith, "select count(*) from syncs.files__newsletter_subscribers")
    assert len(exported.read_text().splitlines()) == rows[0][0] + 1


def test_every_outcome_is_in_the_sync_log_and_comes_back_to_dbt(
    runs: tuple[Kith, Any, Any],
) -> None:
    kith, first, _ = runs
    delivered = sum(delivery["succeeded"] for delivery in first["deliveries"].values())
    assert query(kith, "select count(*) from monitoring.sync_changelog") == [
        (delivered,)
    ]
    by_runs = "sum(num_succeeded_add), count(*) filter (status = 'succeeded')"
    assert query(kith, f"select {by_runs} from monitoring.sync_runs") == [  # noqa: S608 - ours
        (delivered, 2 * len(first["deliveries"]))
    ]
    states = query(kith, "select sync_id, state, problem from monitoring.sync_health")
    assert sorted(states) == [
        (name, "healthy", None) for name in sorted(first["deliveries"])
    ]
    seen = {each["sync"]: each["state"] for each in kith.json("alerts")["syncs"]}
    assert seen == dict.fromkeys(first["deliveries"], "healthy")


def test_the_profile_is_found_by_any_of_its_identifiers(
    runs: tuple[Kith, Any, Any],
) -> None:
    kith, _, _ = runs
    by_email = kith.json("profile", "email", " Ada.Abel.0@Example.com ")
    by_device = kith.json("profile", "anonymous_id", "laptop-0")
    assert by_email == by_device
    assert by_email["traits"]["first_name"] == "Ada"


def test_a_killed_collector_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """SIGKILL while Segment's SDK sends; it retries, and staging keeps one copy."""
    data_dir, port = tmp_path / "data", free_port()
    collector = start_collector(data_dir, port=port)
    failures: list[str] = []
    client = Client(
        WRITE_KEY,
        host=collector.url,
        on_error=lambda error, batch: failures.append(str(error)),
        upload_size=20,
        upload_interval=0.05,
    )
    for number in range(1_500):
        client.track("user", "Event", {"n": number}, message_id=f"m{number}")
        if number in (499, 999):
            wait_for_events(collector)
            collector.kill()
            collector = start_collector(data_dir, port=port)
    client.flush()
    client.join()
    collector.stop()
    assert failures == []
    land(data_dir / "log", data_dir / "raw")
    arrived = {row["message_id"] for row in read_raw(data_dir / "raw", "events")}
    assert arrived == {f"m{number}" for number in range(1_500)}
    # Its tests compare what arrived with what is stored.
    staging = ["build", "--select", "+conservation", "--indirect-selection", "cautious"]
    manifest = parsed(()).deepcopy()
    run = run_dbt(
        staging, data_dir=data_dir, project_dir=DBT_PROJECT, manifest=manifest
    )
    assert run.succeeded, run
    assert "events_are_conserved" in {node.name for node in run.nodes}
    with duckdb.connect(str(data_dir / "warehouse.duckdb")) as connection:
        stored = connection.execute(
            "select count(*), count(distinct message_id) from staging.stg_events"
        ).fetchall()
    assert stored == [(1_500, 1_500)]


def wait_for_events(collector: CollectorProcess) -> None:
    """Wait until it has taken some of what is being sent to it."""
    deadline = time.monotonic() + 60
    while not EVENTS_TAKEN.search(request(f"{collector.url}/metrics").body):
        assert time.monotonic() < deadline, "no event came"
        time.sleep(0.005)
