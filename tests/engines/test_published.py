"""What Spark built is read like any other build: compared, looked up, delivered."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.cli.verify import MOMENT, UNTIL
from orchestration.dbt_runs import run_dbt
from orchestration.demo.crm import run_crm
from orchestration.demo.shop import Shop
from orchestration.engine_files import engine_tables
from orchestration.project import DBT_PROJECT
from orchestration.targets import read_target
from orchestration.verification import facts
from orchestration.verification.comparison import MEASURED
from orchestration.verification.odd_events import odd_events
from orchestration.verification.run import compare_directories
from profiles.published import connect, publish, publish_files
from tests.kith import Kith
from tests.profiles.serving import running
from tests.servers import free_port

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# A few of the demo's customers, those with the family's computer among them.
CUSTOMERS = {*(f"user-{number:04d}" for number in range(9)), "user-mum", "user-dad"}
EMAIL = "ada.abel.0@example.com"


@dataclass(frozen=True)
class Builds:
    """The data directories of two builds of the same facts."""

    duckdb: Path
    spark: Path

    def __iter__(self) -> Iterator[Path]:
        return iter((self.duckdb, self.spark))


@pytest.fixture(scope="module")
def builds(
    spark: SparkSession,
    spark_data_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Builds]:
    """The same few facts, built and published by each engine."""
    made = tmp_path_factory.mktemp("facts")
    _tell(made)
    _forget(spark, spark_data_dir)
    duckdb = tmp_path_factory.mktemp("duckdb-data")
    for engine, data_dir in (("duckdb", duckdb), ("spark", spark_data_dir)):
        facts.share_facts(made, data_dir)
        run = run_dbt(
            ["run"],
            data_dir=data_dir,
            project_dir=DBT_PROJECT,
            target=engine,
            moment=MOMENT,
        )
        failed = [f"{node.name}: {node.message}" for node in run.nodes if node.message]
        assert run.succeeded, run.problem or "\n".join(failed)
    publish(duckdb / "warehouse.duckdb", duckdb / "published")
    tables = engine_tables(spark_data_dir, read_target(DBT_PROJECT, "spark"))
    publish_files(tables, spark_data_dir / "published")
    yield Builds(duckdb, spark_data_dir)
    shutil.rmtree(spark_data_dir / "raw")


def _tell(data_dir: Path) -> None:
    events = [
        facts.as_sent(call)
        for call in Shop(UNTIL).play()
        if call.arguments.get("user_id") in CUSTOMERS
    ]
    odd = odd_events(40, until=UNTIL, seed=facts.SEED)
    facts.receive(data_dir, [*events, *odd], at=UNTIL)
    facts.decide(data_dir / "raw", at=UNTIL)


def _forget(spark: SparkSession, data_dir: Path) -> None:
    """Drop what other tests have built, the audiences' history included."""
    for row in spark.sql("show databases").collect():
        if row[0] != "default":
            spark.sql(f"drop database `{row[0]}` cascade")
    for left in ("raw", "published", "spark/exports"):
        shutil.rmtree(data_dir / left, ignore_errors=True)


def test_every_table_is_equal_row_for_row(builds: Builds) -> None:
    compared = list(
        compare_directories(
            {"duckdb": builds.duckdb, "spark": builds.spark}, same_moment=True
        )
    )
    assert [table for table in compared if not table.is_equal] == []
    models = len(list((DBT_PROJECT / "models").rglob("*.sql")))
    assert len(compared) == models - len(MEASURED)
    empty = {table.table for table in compared if not table.rows[0]}
    assert empty <= {
        *("cart_abandoners", "window_shoppers", "order_refunded", "omitted_events"),
        # All events are of the first build.
        "int_latest_events",
        # No tests are run.
        "int_passed_tests",
        # Nobody is left out of a sync unless the project says so.
        *("audience_placements", "audience_priorities", "audience_splits"),
        *("control_group", "frequency_caps", "capped_syncs", "contact_keys"),
    }


def test_a_profile_is_found(builds: Builds) -> None:
    found = []
    for data_dir in builds:
        told = Kith(data_dir).call("profile", "email", EMAIL, "--json")
        assert told.returncode == 0, told.stderr
        with running(data_dir / "published") as api:
            status, served = api.find("email", EMAIL)
        assert status == 200
        document = json.loads(told.stdout)
        for answer in (document, served):
            answer.pop("published_at", None)
        found.append((document, served))
    assert found[0] == found[1]
    assert found[1][1]["traits"]["email"] == EMAIL


def test_a_sync_plans_and_delivers(builds: Builds, tmp_path: Path) -> None:
    held = []
    for data_dir in builds:
        url = f"http://127.0.0.1:{free_port()}/crm"
        kith = Kith(data_dir, {"KITH_CRM_URL": url})
        with _customers(tmp_path / f"{data_dir.name}.json", url) as rows:
            planned = kith.call("plan", "crm__vip_customers", "--json")
            sent = kith.call("sync", "crm__vip_customers", "--json")
            again = kith.call("plan", "crm__vip_customers", "--json")
        assert sent.returncode == 0, sent.stderr
        held.append((json.loads(planned.stdout), json.loads(again.stdout), rows))
    assert held[0] == held[1]
    plan, after, rows = held[1]
    assert plan["payload_rows"] == len(rows) > 0
    assert after["insert"] == after["update"] == 0


@contextmanager
def _customers(file: Path, url: str) -> Iterator[dict[str, Any]]:
    with run_crm(file, url) as customers:
        yield customers.rows


def test_the_identity_of_a_build_is_explained(builds: Builds) -> None:
    told = [
        Kith(data_dir).call(
            *("identity", "explain", f"email:{EMAIL}", "user_id:user-0000", "--json")
        )
        for data_dir in builds
    ]
    assert told[0].returncode == 0, told[0].stderr
    assert json.loads(told[0].stdout) == json.loads(told[1].stdout)


def test_comments_reach_the_published_database(builds: Builds) -> None:
    with connect(builds.spark / "published") as connection:
        comments = connection.execute(
            "select comment from duckdb_views() where view_name = 'profiles'"
        ).fetchall()
    assert "One row per" in comments[0][0]
