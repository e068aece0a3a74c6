"""The materialization `clusters` on Spark, against one that takes edge after edge."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from tests.dbt.conftest import Project
from tests.identity.clusters_project import (
    Batch,
    ClustersProject,
    write_clusters_project,
)
from tests.identity.worlds_of_nodes import (
    add_random_world,
    components_of,
    expected,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class SparkClustersProject(ClustersProject):
    """The same project and seed tables in Spark."""

    def rows(self, model: str) -> list[tuple[Any, ...]]:
        """The rows of a model's table."""
        return [tuple(row) for row in session().table(f"graph.{model}").collect()]

    def write_tables(self) -> None:
        """Make the seed tables anew."""
        session().sql("create schema if not exists seed")
        for name, table in self.seed().items():
            directory = self.project.data_dir / "seed" / name
            directory.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, directory / "rows.parquet")
            session().sql(f"drop table if exists seed.{name}")
            session().sql(
                f"create table seed.{name} using parquet location '{directory}'"
            )


def session() -> SparkSession:
    """The session of this process."""
    from pyspark.sql import SparkSession

    return SparkSession.active()


@pytest.fixture
def clusters(
    spark: SparkSession,
    spark_data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> SparkClustersProject:
    """A project with empty tables."""
    monkeypatch.setenv("KITH_TARGET", "spark")
    spark.sql("drop schema if exists graph cascade")
    project = Project(spark_data_dir, write_clusters_project(tmp_path))
    return SparkClustersProject(project)


# Minutes: the ordinary run compares the clusters of a whole build instead.
@pytest.mark.slow
def test_every_batch_gives_what_taking_one_edge_after_the_other_gives(
    clusters: SparkClustersProject,
) -> None:
    """All that is there first, then more, some of which is late."""
    chance = random.Random(20261122)  # noqa: S311 - repeatable, not secret
    first, later = Batch(), Batch()
    for _ in range(16):
        add_random_world(clusters, [first, later, later], chance)
    first.edges[-2, -1] = 0, "touched once"
    for batch in (first, later):
        clusters.add(batch)
        clusters.build("capped")
        built = clusters.clusters("capped")
        assert built == expected(clusters, 6)
        clusters.build("growing")
        assert clusters.clusters("growing") == components_of(clusters.edges)
    contested = [node for node, row in built.items() if row[1]]
    assert len(contested) > 20
    # What nothing new touches keeps its batch.
    batches = clusters.batches("capped")
    assert batches[-1] == batches[-2] == 10
    assert max(batches.values()) == 20
    left = session().sql("show tables in kith_work").collect()
    assert [row for row in left if row.tableName.startswith("capped__")] == []
